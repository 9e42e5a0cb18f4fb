"""h11 as the judge of the strict HTTP/1.1 modules: what they accept, h11 accepts, and sees the same in it.

Each function takes one input, compares, and fails with an AssertionError. Tests and fuzzer share them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import h11
import h11._readers

from http3_models import URL, ConnectionInfo, Headers, Limits, RequestError
from http3_models.engine import BytesBody, RequestState, ResponseState, run_sync
from http3_transport._http1.chunked import ChunkedDecoder
from http3_transport._http1.connection import HTTP11Connection
from http3_transport._http1.request_head import compose
from http3_transport._http1.response_head import CHUNKED, UNTIL_CLOSE, ResponseHead, Verdict, read_head

LIMITS = Limits()

SMALL = Limits(max_head_size=400, max_head_fields=6, max_trailer_size=60)
"""Bounds that small inputs reach."""


def receiving(method: str = "GET", limits: Limits = LIMITS) -> h11.Connection:
    """h11 after it has sent a request whole."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=limits.max_head_size)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    return connection


def cuts(data: bytes, at: Iterable[int]) -> list[bytes]:
    """``data`` in pieces."""
    ends = sorted({end for end in at if 0 < end < len(data)})
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True) if start < end]


def bytewise(data: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in data]


# Heads of responses.


def compare_head(data: bytes, method: str = "GET", limits: Limits = LIMITS) -> ResponseHead | Verdict:
    """Read one head both ways; what the strict side said."""
    found = read_head(data, method, limits)
    if found is Verdict.DECLINED:
        return found
    connection = receiving(method, limits)
    if data:  # else it would be told of the end
        connection.receive_data(data)
    event = connection.next_event()  # what is not declined is no error for h11 either
    if not isinstance(found, ResponseHead):
        assert event is h11.NEED_DATA, (data, event)
        return found
    assert isinstance(event, h11.Response), (data, event)
    assert found.status_code == event.status_code
    assert found.reason.encode("latin-1") == event.reason
    assert found.fields == list(event.headers), data
    assert all(type(part) is bytes for pair in found.fields for part in pair)
    assert (found.protocol, event.http_version) == ("HTTP/1.1", b"1.1")
    assert data[found.size :] == connection.trailing_data[0]
    assert found.size <= limits.max_head_size
    assert len(found.fields) <= limits.max_head_fields
    _compare_framing(found, connection, data[found.size :])
    return found


def _compare_framing(found: ResponseHead, connection: h11.Connection, rest: bytes) -> None:
    """h11 tells how it frames the body by what it makes of the bytes behind the head."""
    if found.length == CHUNKED:
        assert type(connection._reader).__name__ == "ChunkedReader"
        return
    expected = rest if found.length == UNTIL_CLOSE else rest[: found.length]
    received = b""
    while isinstance(event := connection.next_event(), h11.Data):
        received += event.data
    assert received == expected
    if found.length == UNTIL_CLOSE:
        connection.receive_data(b"")
        event = connection.next_event()
    if found.length <= len(rest):
        assert isinstance(event, h11.EndOfMessage)
        assert (connection.their_state is h11.DONE) == found.stays_open
    else:
        assert event is h11.NEED_DATA


def compare_head_in_pieces(data: bytes, method: str = "GET", limits: Limits = LIMITS) -> None:
    """Read the head of ``data`` cut at every byte: first no part too early, then the same as whole."""
    whole = compare_head(data, method, limits)
    begun = bytearray()
    for piece in bytewise(data):
        searched = len(begun)
        begun += piece
        found = read_head(begun, method, limits, searched)
        if found is not Verdict.INCOMPLETE:
            break
    else:
        assert whole is Verdict.INCOMPLETE
        return
    if isinstance(whole, ResponseHead):
        assert found == whole
    else:
        assert found is Verdict.DECLINED or isinstance(found, ResponseHead)
    if isinstance(found, ResponseHead):
        assert compare_head(bytes(begun), method, limits) == found


# Chunked bodies.

Decoded = tuple[bytes, bool, list[tuple[bytes, bytes]], bool, bool]
"""Content, whether it is over, trailers, whether bytes follow it, whether it is broken."""


def decode(pieces: Iterable[bytes], max_trailer_size: int = LIMITS.max_trailer_size) -> Decoded:
    """Undo the chunked coding with ours; stops at its end."""
    decoder = ChunkedDecoder(max_trailer_size)
    content = []
    left = False
    for piece in pieces:
        if decoder.is_over:
            left = left or bool(piece)
        elif decoder.fault is None:
            content.append(decoder.feed(piece))
            left = decoder.has_leftover
    return b"".join(content), decoder.is_over, decoder.trailers, left, decoder.fault is not None


SIZE_LINE = re.compile(rb"(?P<chunk_size>[0-9A-Fa-f]{1,20})(?P<chunk_ext>[ \t]*;.*)?[ \t]*\r\n")
"""h11's, with the blanks (BWS) that RFC 9112 section 7.1.1 has before the semicolon."""


@contextmanager
def reading_blanks() -> Iterator[None]:
    """h11 reads chunks as the RFC has them."""
    original = h11._readers.chunk_header_re
    h11._readers.chunk_header_re = SIZE_LINE
    try:
        yield
    finally:
        h11._readers.chunk_header_re = original


@reading_blanks()
def decode_by_h11(pieces: Iterable[bytes]) -> Decoded:
    """The same with h11."""
    connection = receiving()
    connection.receive_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.next_event()
    content, is_over, trailers, broken = b"", False, list[tuple[bytes, bytes]](), False
    for piece in filter(None, pieces):
        connection.receive_data(piece)
        try:
            while not is_over and isinstance(event := connection.next_event(), h11.Data | h11.EndOfMessage):
                if isinstance(event, h11.Data):
                    content += event.data
                else:
                    is_over, trailers = True, list(event.headers)
        except h11.RemoteProtocolError:
            broken = True
            break
    return content, is_over, trailers, is_over and bool(connection.trailing_data[0]), broken


def compare_chunked(pieces: Sequence[bytes], max_trailer_size: int = LIMITS.max_trailer_size) -> Decoded:
    """Decode both ways; what ours made of it."""
    ours = content, is_over, _, _, broken = decode(pieces, max_trailer_size)
    theirs = decode_by_h11(pieces)
    if is_over:
        assert ours == theirs
    elif broken:
        assert theirs[0].startswith(content), (ours, theirs)
    else:
        assert (content, False, False) == (theirs[0], theirs[1], theirs[4]), (ours, theirs)
    return ours


# Heads of requests.


def compare_request(method: str, target: str, headers: Headers) -> bytes | None:
    """Write the head both ways; None if ours declined. ``headers`` must pass `Headers.check`."""
    head = compose(method, target, headers)
    if head is None:
        return None
    event = h11.Request(method=method, target=target, headers=headers.wire)
    connection = h11.Connection(h11.CLIENT)
    assert head.data == connection.send(event), (method, target, headers)
    fields = dict(event.headers)
    assert head.length == (int(fields[b"content-length"]) if b"content-length" in fields else None)
    assert head.is_chunked == (b"transfer-encoding" in fields)
    assert head.expects == (b"expect" in fields)
    connection.send(h11.Data(data=bytes(min(head.length or 0, 1000))))
    if (head.length or 0) <= 1000:
        connection.send(h11.EndOfMessage())
        if b"upgrade" not in fields:
            assert (connection.our_state is h11.MUST_CLOSE) == head.closes
    return head.data


# Whole exchanges, by the engine over a stream that plays a part.


class PlayedStream:
    """A `Stream` whose peer sends the pieces one after the other, then closes."""

    alpn_protocol = None
    has_unsent = False
    is_truncated = False
    info = ConnectionInfo()

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = deque(piece for piece in pieces if piece)
        self.written = b""
        self.is_closed = False

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        if not self._pieces:
            return b""
        piece = self._pieces.popleft()
        if len(piece) > max_bytes:
            self._pieces.appendleft(piece[max_bytes:])
        return piece[:max_bytes]

    def read_nowait(self, max_bytes: int) -> bytes | None:
        return None

    async def write(self, data: bytes | memoryview, timeout: float | None) -> None:
        self.written += data

    async def write_until_readable(self, data: bytes | memoryview, timeout: float | None) -> int:
        self.written += data
        return len(data)

    def write_nowait(self, data: bytes | memoryview) -> int:
        self.written += data
        return len(data)

    async def wait_writable(self, timeout: float | None, *, or_readable: bool = False) -> bool:
        return or_readable

    def close(self) -> None:
        self.is_closed = True

    abort = close


class Held:
    """A `Lease` that counts."""

    def __init__(self) -> None:
        self.answered = False
        self.released = 0

    def release(self) -> None:
        self.released += 1

    def release_from_finalizer(self, cleanup: Callable[[], None]) -> None:
        raise AssertionError("a body was dropped unread")


class Outcome:
    """What a caller saw of one exchange."""

    def __init__(self) -> None:
        self.head: tuple[object, ...] | None = None
        self.content = b""
        self.trailers: list[tuple[bytes, bytes]] = []
        self.error: RequestError | None = None
        self.is_reusable = False
        self.answered = False

    def __repr__(self) -> str:
        return f"<{self.head} {self.content!r} {self.trailers} {self.error!r} reusable={self.is_reusable}>"


def exchange(
    pieces: Sequence[bytes], *, fast: bool, method: str = "GET", limits: Limits = LIMITS, sent: bytes = b""
) -> Outcome:
    """Send one request to a peer that answers with the pieces, read the response to its end."""
    stream, lease, outcome = PlayedStream(pieces), Held(), Outcome()
    engine = HTTP11Connection(stream, now=lambda: 0.0, limits=limits, fast=fast)
    headers = Headers({"Host": "a"} | ({"Content-Length": str(len(sent))} if sent else {}))
    request = RequestState(method, URL("http://a/"), headers, BytesBody(sent))

    async def main() -> None:
        response = await engine.exchange(request, lease)
        outcome.head = _shown(response)
        body = response.body
        assert body is not None
        while chunk := await body.read_chunk():
            outcome.content += chunk
        outcome.trailers = [] if body.trailers is None else body.trailers.raw

    try:
        run_sync(main())
    except RequestError as exc:
        outcome.error = exc
    assert lease.released >= 1
    outcome.is_reusable = engine.is_idle and not engine.is_closed
    assert engine.is_closed == stream.is_closed
    outcome.answered = lease.answered
    return outcome


def _shown(response: ResponseState) -> tuple[object, ...]:
    return response.status_code, response.reason_phrase, response.protocol, response.headers.raw


def compare_exchange(
    pieces: Sequence[bytes], method: str = "GET", limits: Limits = LIMITS, sent: bytes = b""
) -> Outcome:
    """The engine with the strict modules first, and heads read by h11 alone: the caller must not see a
    difference."""
    ours = exchange(pieces, fast=True, method=method, limits=limits, sent=sent)
    theirs = exchange(pieces, fast=False, method=method, limits=limits, sent=sent)
    assert ours.head == theirs.head, (ours, theirs)
    assert ours.answered == theirs.answered
    assert (ours.content, ours.trailers) == (theirs.content, theirs.trailers), (ours, theirs)
    assert type(ours.error) is type(theirs.error), (ours, theirs)
    assert ours.is_reusable == theirs.is_reusable, (ours, theirs)
    return ours
