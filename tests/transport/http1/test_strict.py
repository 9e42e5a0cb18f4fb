"""The strict HTTP/1.1 modules. h11 judges them: what they accept, it accepts, and sees the same in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http3_models import (
    URL,
    Delivery,
    Headers,
    Limits,
    LocalProtocolError,
    RemoteProtocolError,
    Request,
    ResponseTooLarge,
    TotalTimeout,
    WriteError,
)
from http3_models.engine import BytesBody, Deadline, RequestState, ResponseState, headers_from_pairs, run_sync
from http3_transport._errors import Malformed, Oversized
from http3_transport._http1 import grammar
from http3_transport._http1.chunked import ChunkedDecoder
from http3_transport._http1.connection import HTTP11Connection
from http3_transport._http1.grammar import MAX_EXTENSION, read_fields
from http3_transport._http1.h11_fallback import connection_after
from http3_transport._http1.head_reader import HeadReader
from http3_transport._http1.request_head import compose
from http3_transport._http1.response_head import CHUNKED, UNTIL_CLOSE, ResponseHead, Verdict, read_head
from support import http11_oracle as oracle
from support.exchanges import answering
from support.http11_heads import BODIES, HEADS, REQUESTS
from support.servers import StartServer

pytestmark = pytest.mark.thorough

METHODS = ["GET", "HEAD", "CONNECT"]
BOUNDS = [oracle.LIMITS, oracle.SMALL]


def head_of(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([line, *fields]) + b"\r\n\r\n"


# Which heads are accepted.


@pytest.mark.parametrize(
    ("data", "method", "length", "stays_open"),
    [
        (head_of(b"Content-Length: 5"), "GET", 5, True),
        (head_of(b"Content-Length: 0"), "GET", 0, True),
        (head_of(b"content-length:5 \t"), "GET", 5, True),
        (head_of(b"Transfer-Encoding: chunked"), "GET", CHUNKED, True),
        (head_of(), "GET", UNTIL_CLOSE, True),
        (head_of(b"Content-Length: 5"), "HEAD", 0, True),
        (head_of(b"Transfer-Encoding: chunked"), "HEAD", 0, True),
        (head_of(b"Content-Length: 5", line=b"HTTP/1.1 304 Not Modified"), "GET", 0, True),
        (head_of(line=b"HTTP/1.1 204 No Content"), "GET", 0, True),
        (head_of(b"Content-Length: 5", b"Connection: close"), "GET", 5, False),
        (head_of(b"Content-Length: 5", b"Connection: keep-alive, Close"), "GET", 5, False),
        (head_of(b"Content-Length: 5", b"Connection: closed"), "GET", 5, True),
        (head_of(b"Content-Length: 5", line=b"HTTP/1.1 200"), "GET", 5, True),
        (head_of(b"Set-Cookie: a=b", b"Set-Cookie: c=d", b"Content-Length: 5"), "GET", 5, True),
        (head_of(b"X: \xe9\t ok", b"Content-Length: 5"), "GET", 5, True),
    ],
)
def test_ordinary_heads_are_read(data: bytes, method: str, length: int, stays_open: bool) -> None:
    found = oracle.compare_head(data + b"hello", method)
    assert isinstance(found, ResponseHead)
    assert (found.length, found.stays_open, found.size) == (length, stays_open, len(data))


@pytest.mark.parametrize(
    "data",
    [
        head_of(b"Content-Length: 5", b"Content-Length: 5"),
        head_of(b"Content-Length: 5, 5"),
        head_of(b"Content-Length: +5"),
        head_of(b"Content-Length: " + b"0" * 18 + b"5"),
        head_of(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        head_of(b"Transfer-Encoding: Chunked"),
        head_of(b"Transfer-Encoding: gzip, chunked"),
        head_of(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        head_of(b"Connection: close", b"Connection: keep-alive"),
        head_of(b"X: a\r\n b"),
        head_of(b"X: a\nY: b"),
        head_of(b"X: a\rb"),
        head_of(b"X : a"),
        head_of(b"X: a\x00"),
        head_of(b"X: a\x01"),
        head_of(b"X: a\x7f"),
        head_of(b": a"),
        head_of(line=b"HTTP/1.1 100 Continue"),
        head_of(line=b"HTTP/1.1 101 Switching Protocols"),
        head_of(line=b"HTTP/1.0 200 OK"),
        head_of(line=b"HTTP/1.1 2000 OK"),
        head_of(line=b"HTTP/1.1  200 OK"),
        b"HTTP/1.1 200 OK\n\n",
        b"HTTP/1.1 200 OK\r\nX: a\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\n\n",
        b"HTTP/1.0",
        b"\r\n",
        b"\x16\x03\x01",
    ],
)
def test_what_is_unusual_is_declined(data: bytes) -> None:
    assert read_head(data, "GET", oracle.LIMITS) is Verdict.DECLINED


@pytest.mark.parametrize(
    ("field_count", "value_size", "verdict"),
    [(6, 1, ResponseHead), (7, 1, Verdict), (1, 376, ResponseHead), (1, 377, Verdict)],
)
def test_a_head_of_just_the_allowed_size(field_count: int, value_size: int, verdict: type) -> None:
    data = head_of(*[b"X: " + b"x" * value_size] * field_count)
    assert isinstance(oracle.compare_head(data, "GET", oracle.SMALL), verdict)


@pytest.mark.parametrize(("size", "verdict"), [(400, Verdict.INCOMPLETE), (401, Verdict.DECLINED)])
def test_a_head_is_awaited_up_to_the_allowed_size(size: int, verdict: Verdict) -> None:
    data = b"HTTP/1.1 200 OK\r\nX: ".ljust(size, b"x")
    assert read_head(data, "GET", oracle.SMALL) is verdict
    assert read_head(bytearray(data), "GET", oracle.SMALL, size - 1) is verdict


def test_a_head_is_not_searched_twice_for_its_end() -> None:
    whole = head_of(b"X: y")
    assert isinstance(read_head(whole, "GET", oracle.LIMITS, len(whole) - 1), ResponseHead)
    assert read_head(whole + b"z", "GET", oracle.LIMITS, len(whole)) is Verdict.INCOMPLETE


@pytest.mark.parametrize("data", HEADS)
def test_h11_agrees_on_heads_cut_at_every_byte(data: bytes) -> None:
    for method in METHODS:
        for limits in BOUNDS:
            oracle.compare_head_in_pieces(data, method, limits)


# Mangled: parts of heads put together at random, and bytes of whole ones changed.

PARTS = sorted({part for head in HEADS for line in head.split(b"\r\n") for part in (line, line + b"\r\n")})
parts = st.lists(st.sampled_from(PARTS) | st.binary(max_size=3), max_size=8).map(b"".join)
started = st.builds(lambda rest: b"HTTP/1.1 200 OK\r\n" + rest + b"\r\n\r\n", parts)


@st.composite
def mangled(draw: st.DrawFn, corpus: list[bytes]) -> bytes:
    data = bytearray(draw(st.sampled_from(corpus)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 3))
        data[at : at + length] = draw(
            st.sampled_from([b"", b"\r", b"\n", b" ", b":", b"\r\n", b"\x00", b",", b"5"])
        )
    return bytes(data)


@given(parts | started | mangled(HEADS), st.sampled_from(METHODS), st.sampled_from(BOUNDS))
def test_h11_agrees_on_mangled_heads(data: bytes, method: str, limits: Limits) -> None:
    oracle.compare_head_in_pieces(data, method, limits)


# Chunked bodies.


@pytest.mark.parametrize("data", BODIES)
def test_h11_agrees_on_chunked_bodies_cut_at_every_byte(data: bytes) -> None:
    for max_trailer_size in (60, 65536):
        whole = oracle.compare_chunked([data], max_trailer_size)
        assert oracle.compare_chunked(oracle.bytewise(data), max_trailer_size) == whole
        for at in range(1, min(len(data), 120)):
            assert oracle.compare_chunked([data[:at], data[at:]], max_trailer_size) == whole


@given(mangled(BODIES), st.lists(st.integers(1, 100)))
def test_h11_agrees_on_mangled_chunked_bodies(data: bytes, at: list[int]) -> None:
    oracle.compare_chunked(oracle.cuts(data, at))


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20), st.lists(st.integers(1, 2000)))
def test_chunks_come_out_whole(chunks: list[bytes], at: list[int]) -> None:
    data = b"".join([b"%X;x=%d\r\n%b\r\n" % (len(chunk), len(chunk), chunk) for chunk in chunks])
    decoded = oracle.compare_chunked(oracle.cuts(data + b"000\r\nX: y\r\n\r\n", at))
    assert decoded == (b"".join(chunks), True, [(b"x", b"y")], False, False)


def test_a_part_of_one_chunk_is_handed_on_uncopied() -> None:
    decoder = ChunkedDecoder(100)
    assert decoder.feed(b"100000\r\n") == b""
    piece = bytes(100_000)
    assert decoder.feed(piece) is piece


def test_nothing_is_decoded_after_the_end() -> None:
    decoder = ChunkedDecoder(100)
    decoder.feed(b"0\r\n\r\n")
    with pytest.raises(RuntimeError):
        decoder.feed(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"2\r\nok\r\n5;" + b"x" * (MAX_EXTENSION + 1) + b"\r\n", b"ok"),
        (b"5;" + b"x" * (MAX_EXTENSION + 1), b""),
        (b"2\r\nok\r\n5" + b" " * 30 + b";" + b"x" * (MAX_EXTENSION + 1) + b"\r\n", b"ok"),
        (b"0\r\n" + b"X: " + b"y" * 100 + b"\r\n\r\n", b""),
        (b"0\r\n" + b"X: " + b"y" * 200, b""),
    ],
)
@pytest.mark.parametrize("split", [lambda data: [data], oracle.bytewise], ids=["whole", "bytewise"])
def test_what_is_not_content_is_bounded(
    data: bytes, content: bytes, split: Callable[[bytes], list[bytes]]
) -> None:
    decoder = ChunkedDecoder(100)
    received = b""
    for piece in split(data):
        received += decoder.feed(piece)
        if decoder.fault is not None:
            break
    assert isinstance(decoder.fault, Oversized)
    assert received == content
    answer = head_of(b"Transfer-Encoding: chunked") + data
    outcome = oracle.exchange(split(answer), fast=True, limits=Limits(max_trailer_size=100))
    assert isinstance(outcome.error, ResponseTooLarge)
    assert outcome.content == content


@pytest.mark.parametrize(
    "field", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X: y\r\n z", b"X: y\n"]
)
def test_trailers_that_h11_would_put_up_with_are_an_error(field: bytes) -> None:
    answer = head_of(b"Transfer-Encoding: chunked") + b"2\r\nok\r\n0\r\n" + field + b"\r\n\r\n"
    outcome = oracle.compare_exchange([answer])
    assert isinstance(outcome.error, RemoteProtocolError)
    assert outcome.content == b"ok"


# Requests.


def request_of(data: bytes) -> tuple[str, str, Headers]:
    method, target, *lines = data.split(b"\n")
    fields = [(name, value) for name, _, value in [line.partition(b":") for line in lines]]
    return method.decode("latin-1"), target.decode("latin-1"), Headers(fields)


@pytest.mark.parametrize("data", REQUESTS)
def test_requests_are_written_as_h11_does(data: bytes) -> None:
    oracle.compare_request(*request_of(data))


@pytest.mark.parametrize("data", REQUESTS[:4])
def test_ordinary_requests_are_not_declined(data: bytes) -> None:
    assert oracle.compare_request(*request_of(data)) is not None


_names = st.sampled_from(
    ["Host", "host", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "X-A", "x-a", "Accept"]
)
_values = st.sampled_from(
    ["a", "b", "5", "05", "chunked", "Chunked", "close", "Close,x", "100-continue", "5,5"]
)
_fields = st.lists(st.tuples(_names, _values | st.text(max_size=5)), max_size=5)


@given(st.sampled_from(["GET", "PUT", "x", "CONNECT"]) | st.text(max_size=3), st.text(max_size=4), _fields)
def test_whatever_is_written_h11_writes_too(method: str, target: str, fields: list[tuple[str, str]]) -> None:
    headers = Headers([("Host", "a"), *fields], encoding="latin-1") if fields_fit(fields) else Headers()
    try:
        headers.check()
    except LocalProtocolError:
        return
    oracle.compare_request(method, "/" + target, headers)


@pytest.mark.parametrize(
    "data",
    [
        b"CONNECT\n/\nHost: a",
        b"GET\n/\nX: y",
        b"GET\n/\nHost: a\nHost: a",
        b"GET\n/\nHost: a\nExpect: 100-continue\nExpect: 100-continue",
        b"PUT\n/\nHost: a\nTransfer-Encoding: chunked\nContent-Length: 5",
        b"PUT\n/\nHost: a\nTransfer-Encoding: Chunked",
        b"PUT\n/\nHost: a\nContent-Length: 5, 5",
    ],
)
def test_unusual_requests_are_left_to_h11(data: bytes) -> None:
    assert compose(*request_of(data)) is None


def fields_fit(fields: list[tuple[str, str]]) -> bool:
    return all(ord(character) < 256 for _, value in fields for character in value)


def test_a_value_with_space_around_it_is_left_to_h11() -> None:
    headers = headers_from_pairs([(b"Host", b"a"), (b"X", b"y ")])
    headers.check()
    assert compose("GET", "/", headers) is None


def test_fields_are_written_once_for_all_copies_and_anew_after_a_change() -> None:
    headers = Headers({"Host": "a"})
    copied = headers.copy()
    first, second = compose("GET", "/", headers), compose("GET", "/b", copied)
    assert first is not None
    assert second is not None
    assert (first.data, second.data) == (
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    )
    copied["Connection"] = "close"
    changed, unchanged = compose("GET", "/", copied), compose("GET", "/", headers)
    assert changed is not None
    assert unchanged == first
    assert (changed.closes, unchanged.closes) == (True, False)
    assert b"Connection: close\r\n" in changed.data


# Lines that were read before.


def test_the_lines_that_are_kept_are_few_and_hold_no_secrets() -> None:
    secret, long = b"Set-Cookie: session=hunter2", b"X: " + b"x" * 200
    for number in range(3000):
        assert read_fields([b"X-Number: %d" % number, secret, long]) is not None
        read_head(head_of(line=b"HTTP/1.1 200 %d" % number), "GET", oracle.LIMITS)
    assert 0 < len(grammar._kept_fields) <= 1024
    assert 0 < len(grammar._kept_statuses) <= 1024
    assert not {secret, long} & set(grammar._kept_fields)


# Whole exchanges.

ANSWERS = [*HEADS, *[head_of(b"Transfer-Encoding: chunked") + body for body in BODIES if len(body) < 1000]]


@pytest.mark.parametrize("answer", ANSWERS)
def test_callers_see_no_difference(answer: bytes) -> None:
    for method in ("GET", "HEAD"):
        whole = oracle.compare_exchange([answer], method)
        in_pieces = oracle.compare_exchange(oracle.bytewise(answer), method)
        assert (whole.head, whole.content) == (in_pieces.head, in_pieces.content)
        assert (whole.error is None) == (in_pieces.error is None)
        for limits in BOUNDS:
            for at in range(1, min(len(answer), 100), 7):
                oracle.compare_exchange([answer[:at], answer[at:]], method, limits, sent=b"body")


@given(mangled(ANSWERS), st.lists(st.integers(1, 200)), st.sampled_from(["GET", "HEAD", "POST"]))
def test_callers_see_no_difference_in_mangled_answers(data: bytes, at: list[int], method: str) -> None:
    oracle.compare_exchange(oracle.cuts(data, at), method, oracle.SMALL)


@pytest.mark.parametrize(
    ("sent", "finished", "state"), [(0, False, "SEND_BODY"), (3, False, "SEND_BODY"), (4, True, "DONE")]
)
def test_h11_is_told_how_far_the_request_got(sent: int, finished: bool, state: str) -> None:
    headers = Headers({"Host": "a", "Content-Length": "4"})
    request = RequestState("PUT", URL("http://a/"), headers, BytesBody(b"four"))
    connection = connection_after(request, sent, finished, 1000)
    assert repr(connection.our_state) == state
    assert repr(connection.their_state) == "SEND_RESPONSE"


class Resetting(oracle.PlayedStream):
    """The peer resets the connection at the second write, or at the first look."""

    async def write_until_readable(self, data: bytes | memoryview, timeout: float | None) -> int:
        if self.written:
            raise ConnectionResetError(104, "Connection reset by peer")
        return await super().write_until_readable(data, timeout)

    def read_nowait(self, max_bytes: int) -> bytes | None:
        raise ConnectionResetError(104, "Connection reset by peer")


def test_a_write_that_fails_after_the_deadline_is_a_total_timeout() -> None:
    clock = iter([0.0, 0.0, 0.5])
    request = RequestState(
        "PUT",
        URL("http://a/"),
        Headers({"Host": "a", "Content-Length": "1000000"}),
        BytesBody(bytes(1_000_000)),
    )
    request.deadline = Deadline(1.0, lambda: next(clock, 2.0))
    engine = HTTP11Connection(Resetting([b""]), now=lambda: 0.0, limits=oracle.LIMITS)
    with pytest.raises(TotalTimeout, match="in the write phase"):
        run_sync(engine.exchange(request, oracle.Held()))


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (head_of(b"Content-Length: 0", line=b"HTTP/1.1 413 Too Large"), 413),
        (b"", None),
        (b"HTTP/1.1 4", None),
    ],
)
def test_the_answer_behind_a_failed_write_counts(answer: bytes, status: int | None, fast: bool) -> None:
    engine = HTTP11Connection(Resetting([answer]), now=lambda: 0.0, limits=oracle.LIMITS, fast=fast)
    headers = Headers({"Host": "a", "Content-Length": "1000000"})
    request = RequestState("PUT", URL("http://a/"), headers, BytesBody(bytes(1_000_000)))
    if status is None:
        with pytest.raises(WriteError, match="reset by peer") as caught:
            run_sync(engine.exchange(request, oracle.Held()))
        assert caught.value.delivery is Delivery.MAYBE_PROCESSED
        assert engine.was_aborted
    else:
        assert run_sync(engine.exchange(request, oracle.Held())).status_code == status
    assert engine.is_closed


class Keeping(oracle.PlayedStream):
    """Takes a write whole as TLS does, and keeps it while there is something to read."""

    early = b"HTTP/1.1 100 Continue\r\n\r\n"

    async def write_until_readable(self, data: bytes | memoryview, timeout: float | None) -> int:
        self.has_unsent = bool(self.early) and len(data) > 1000
        return await super().write_until_readable(data, timeout)

    def read_nowait(self, max_bytes: int) -> bytes | None:
        early, self.early = self.early, b""
        return early or None

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        assert not self.has_unsent, "waits for an answer to what was not sent"
        return await super().read(max_bytes, timeout)


@pytest.mark.parametrize("fast", [True, False])
def test_a_request_is_sent_to_its_last_byte_before_its_answer_is_awaited(fast: bool) -> None:
    stream = Keeping([head_of(b"Content-Length: 0")])
    engine = HTTP11Connection(stream, now=lambda: 0.0, limits=oracle.LIMITS, fast=fast)
    headers = Headers({"Host": "a", "Content-Length": "100000"})
    request = RequestState("PUT", URL("http://a/"), headers, BytesBody(bytes(100_000)))
    assert run_sync(engine.exchange(request, oracle.Held())).status_code == 200
    assert not engine.is_closed


def test_an_idle_connection_that_was_reset_is_not_used_again() -> None:
    engine = HTTP11Connection(Resetting([]), now=lambda: 0.0, limits=oracle.LIMITS)
    assert repr(engine) == "<HTTP11Connection idle>"
    assert not engine.check()
    assert not engine.check()
    assert (engine.was_aborted, engine.stream_limit, repr(engine)) == (True, 0, "<HTTP11Connection closed>")


class Pausing(oracle.PlayedStream):
    """Each read suspends once, while ``pauses``."""

    pauses = False

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        if self.pauses:
            await Pause()
        return await super().read(max_bytes, timeout)


class Pause:
    def __await__(self) -> Generator[None, None, None]:
        yield


@pytest.mark.parametrize("refused", [False, True])
def test_the_next_exchange_may_begin_the_moment_the_lease_is_released(refused: bool) -> None:
    """As in another thread: what the first exchange has still to do must not touch the second."""
    answers = [head_of(b"Content-Length: 2") + body for body in (b"1.", b"2.")][refused:]
    stream = Pausing([part for answer in answers for part in (answer[:20], answer[20:])])
    engine = HTTP11Connection(stream, now=lambda: 0.0, limits=oracle.LIMITS)

    def request(body: bytes = b"") -> RequestState:
        return RequestState("GET", URL("http://a/"), Headers({"Host": "a"}), BytesBody(body))

    class Handing(oracle.Held):
        def release(self) -> None:
            stream.pauses = True
            second.send(None)  # up to its first read,
            second.send(None)  # and with a part of its head to the next

    inner = oracle.Held()
    second = engine.exchange(request(), inner)
    if refused:
        with pytest.raises(LocalProtocolError):
            run_sync(engine.exchange(request(b"without a length"), Handing()))
    else:
        assert content_of(run_sync(engine.exchange(request(), Handing()))) == b"1."
    with pytest.raises(StopIteration) as stop:
        second.send(None)
    assert content_of(stop.value.value) == b"2."
    assert (inner.answered, inner.released, engine.is_closed) == (True, 1, False)


def content_of(response: ResponseState) -> bytes:
    assert response.body is not None
    return run_sync(response.body.read_chunk())


@pytest.mark.parametrize(
    ("answer", "needed"),
    [
        (head_of(b"Content-Length: 2") + b"ok", False),
        (head_of(b"Transfer-Encoding: chunked") + b"2\r\nok\r\n0\r\n\r\n", False),
        (head_of(b"Content-Length: 2", line=b"HTTP/1.0 200 OK") + b"ok", True),
    ],
    ids=["length", "chunked", "unusual"],
)
def test_h11_is_imported_at_first_need(start_server: StartServer, answer: bytes, needed: bool) -> None:
    server = start_server(answering(answer))
    code = f"""
import sys
from http3_client import Client
with Client() as client:
    assert client.get({server.url!r}).content == b"ok"
print("h11" in sys.modules)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.stdout.strip(), run.stderr) == (str(needed), "")


# What h11 would take too long for.


def handed_over(*pieces: bytes) -> ResponseHead | None:
    """What a reader makes of a head that the strict path declines."""
    request = Request("GET", "http://example.org/")._state
    reader = HeadReader(oracle.LIMITS, fast=True)
    reader.finished = True
    head = None
    for piece in pieces:
        head = reader.take(request, piece)
    return head


@pytest.mark.parametrize("size", [1, 7, 5000])
@pytest.mark.parametrize("blanks", [b" " * 1500, b"\t " * 750, b" \r\n" * 500])
@pytest.mark.parametrize("line", [b"HTTP/1.0 200 OK", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"])
def test_a_head_with_a_thousand_blanks_in_a_row(line: bytes, blanks: bytes, size: int) -> None:
    data = head_of(b"X:" + blanks + b"\x00", line=line)
    with pytest.raises(Malformed, match="a thousand blanks"):
        handed_over(*[data[start : start + size] for start in range(0, len(data), size)])


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_blanks_in_a_body_are_no_blanks_of_the_head(size: int) -> None:
    data = head_of(b"X: a", line=b"HTTP/1.1 103 Early Hints") + head_of(b"X:" + b" " * 900 + b"b")
    data = data.replace(b"HTTP/1.1 200", b"HTTP/1.0 200")
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    pieces[-1] += b" \r\n" * 1000
    head = handed_over(*pieces)
    assert head is not None
    assert head.fields == [(b"x", b"b")]
