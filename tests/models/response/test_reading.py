"""How bodies are read: whole, in pieces, as text and lines; what happens when that goes wrong."""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http3_models import (
    AsyncResponse,
    DecodedSizeExceeded,
    DecodingError,
    Headers,
    Limits,
    ReadTimeout,
    Request,
    RequestError,
    Response,
    ResponseClosed,
    ResponseNotRead,
    StreamConsumed,
)
from http3_models.engine import (
    BufferedBody,
    MemoryBody,
    ResponseState,
    drain,
    read_all,
    run_sync,
    view_response,
)

T = TypeVar("T")


class Body:
    """A body as a transport makes it: gives the chunks, then the end; an exception among them is raised."""

    def __init__(self, *chunks: bytes | BaseException, trailers: Headers | None = None) -> None:
        self.chunks = list(chunks)
        self.later = trailers
        self.trailers: Headers | None = None
        self.log: list[str] = []

    async def read_chunk(self) -> bytes:
        if not self.chunks:
            self.trailers = self.later
            return b""
        chunk = self.chunks.pop(0)
        if isinstance(chunk, BaseException):
            raise chunk
        return chunk

    async def close(self) -> None:
        self.log.append("close")
        self.chunks.clear()

    def abort(self) -> None:
        self.log.append("abort")
        self.chunks.clear()


def state_of(body: Body | None, headers: dict[str, str] | None = None, **fields: Any) -> ResponseState:
    request = Request("GET", "https://user:secret@example.org/path")
    request._state.phases.wait = 0.5
    state = ResponseState(
        status_code=200,
        reason_phrase="OK",
        protocol="HTTP/1.1",
        headers=Headers(headers or {}),
        body=body,
        request=request._state,
    )
    for name, value in fields.items():
        setattr(state, name, value)
    return state


class Reader:
    """Both kinds of response behind one face, so that each test runs with both."""

    def __init__(self, state: ResponseState, asynchronous: bool) -> None:
        self.state = state
        self.response: Any = view_response(AsyncResponse if asynchronous else Response, state)
        self.asynchronous = asynchronous

    def call(self, name: str, *args: object) -> Any:
        result = getattr(self.response, name)(*args)
        return run_sync(result) if self.asynchronous else result

    def iterate(self, name: str, *args: object) -> Iterator[Any]:
        iterator = getattr(self.response, name)(*args)
        if not self.asynchronous:
            yield from iterator
            return
        while True:
            try:
                yield run_sync(iterator.__anext__())
            except StopAsyncIteration:
                return


@pytest.fixture(params=["sync", "async"])
def reader(request: pytest.FixtureRequest) -> Callable[..., Reader]:
    def make(*chunks: bytes | BaseException, headers: dict[str, str] | None = None, **fields: Any) -> Reader:
        return Reader(state_of(Body(*chunks), headers, **fields), request.param == "async")

    return make


MakeReader = Callable[..., Reader]


@pytest.mark.parametrize("chunks", [[], [b"abc"], [b"a", b"b", b"c"], [b"ab", b"c"]])
def test_read(reader: MakeReader, chunks: list[bytes]) -> None:
    view = reader(*chunks)
    assert not view.response.is_closed
    assert not view.response.is_stream_consumed
    expected = b"".join(chunks)
    assert view.call("read") == expected
    assert view.call("read") == expected
    assert view.response.content == expected
    assert view.response.is_closed
    assert view.response.is_stream_consumed
    assert list(view.iterate("stream")) == ([expected] if expected else [])
    assert list(view.iterate("stream", 2)) == [expected[i : i + 2] for i in range(0, len(expected), 2)]


def test_content_before_read(reader: MakeReader) -> None:
    view = reader(b"abc")
    for name in ("content", "text", "apparent_encoding"):
        with pytest.raises(ResponseNotRead, match="read"):
            getattr(view.response, name)


def test_a_response_streams_once(reader: MakeReader) -> None:
    view = reader(b"a", b"b")
    assert list(view.iterate("stream")) == [b"a", b"b"]
    assert view.response.is_closed
    assert view.response.is_stream_consumed
    for name in ("stream", "raw", "iter_text", "iter_lines"):
        with pytest.raises(StreamConsumed):
            getattr(view.response, name)()
    with pytest.raises(StreamConsumed):
        view.call("read")
    with pytest.raises(StreamConsumed):
        _ = view.response.content


def test_a_begun_response_streams_once_too(reader: MakeReader) -> None:
    view = reader(b"a", b"b")
    first = view.iterate("stream")
    second = view.iterate("stream")
    unbegun = view.response.stream() if not view.asynchronous else None
    assert next(first) == b"a"
    assert view.response.is_stream_consumed
    assert not view.response.is_closed
    with pytest.raises(StreamConsumed):
        next(second)
    if unbegun is not None:
        with pytest.raises(StreamConsumed):
            next(unbegun)
    with pytest.raises(StreamConsumed):
        view.call("read")
    assert list(first) == [b"b"]


def test_after_close(reader: MakeReader) -> None:
    view = reader(b"a")
    body = view.state.body
    assert isinstance(body, Body)
    view.call("close")
    view.call("close")
    assert body.log == ["close"]
    assert view.response.is_closed
    assert not view.response.is_stream_consumed
    with pytest.raises(ResponseClosed):
        view.call("read")
    with pytest.raises(ResponseClosed):
        view.response.stream()
    with pytest.raises(ResponseClosed):
        _ = view.response.content


def test_closing_while_streaming(reader: MakeReader) -> None:
    view = reader(b"a", b"b")
    body = view.state.body
    assert isinstance(body, Body)
    pieces = view.iterate("stream")
    assert next(pieces) == b"a"
    view.call("close")
    assert body.log == ["close"]
    with pytest.raises(ResponseClosed):
        next(pieces)


def test_closing_keeps_what_was_read(reader: MakeReader) -> None:
    view = reader(b"abc")
    view.call("read")
    view.call("close")
    assert view.response.content == b"abc"


def test_the_end_of_an_iterator_stays(reader: MakeReader) -> None:
    view = reader(b"a")
    iterator = view.response.stream()
    if view.asynchronous:
        assert run_sync(anext(iterator)) == b"a"
        for _ in range(2):
            assert run_sync(anext(iterator, None)) is None
    else:
        assert next(iterator) == b"a"
        for _ in range(2):
            assert next(iterator, None) is None


@pytest.mark.parametrize("verb", ["read", "stream", "raw", "iter_text", "iter_lines"])
def test_a_failing_body(reader: MakeReader, verb: str) -> None:
    error = ReadTimeout("slow")
    view = reader(b"a", error)
    body = view.state.body
    assert isinstance(body, Body)
    with pytest.raises(ReadTimeout) as caught:
        view.call(verb) if verb == "read" else list(view.iterate(verb))
    assert caught.value is error
    assert body.log == ["abort"]
    assert error.request._state is view.state.request
    assert type(error.request).__name__ == ("AsyncRequest" if view.asynchronous else "Request")
    assert error.timings is not None
    assert error.timings.wait == 0.5
    assert view.response.is_closed
    with pytest.raises(ResponseClosed):
        view.call("read")


def test_a_signed_error_keeps_its_request(reader: MakeReader) -> None:
    other = Request("GET", "https://other.example")
    view = reader(RequestError("", request=other))
    with pytest.raises(RequestError) as caught:
        view.call("read")
    assert caught.value.request is other


def test_a_failure_that_is_none_of_ours(reader: MakeReader) -> None:
    view = reader(b"a", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        view.call("read")
    assert view.response.is_closed


def test_a_failure_without_a_request(reader: MakeReader) -> None:
    view = reader(ReadTimeout("slow"), request=None)
    with pytest.raises(ReadTimeout) as caught:
        view.call("read")
    with pytest.raises(RuntimeError):
        _ = caught.value.request


def ended(data: bytes, asynchronous: bool, headers: dict[str, str] | None = None, **fields: Any) -> Reader:
    state = state_of(None, headers, **fields)
    state.body = BufferedBody(data, Headers({"X-Late": "1"}))
    return Reader(state, asynchronous)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_body_that_came_with_the_head(asynchronous: bool) -> None:
    view = ended(b"abc", asynchronous)
    assert not view.response.is_stream_consumed
    assert (view.call("read"), view.response.content, view.response.text) == (b"abc", b"abc", "abc")
    assert view.response.trailers == {"x-late": "1"}
    assert view.response.is_closed
    assert list(view.iterate("stream")) == [b"abc"]
    with pytest.raises(StreamConsumed):
        view.response.raw()
    streamed = ended(b"abc", asynchronous)
    assert list(streamed.iterate("raw")) == [b"abc"]
    assert streamed.response.trailers == {"x-late": "1"}
    with pytest.raises(StreamConsumed):
        streamed.call("read")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_it_is_decoded_bounded_and_dropped_as_others_are(asynchronous: bool) -> None:
    coded = {"Content-Encoding": "gzip"}
    assert ended(gzip.compress(b"abc", mtime=0), asynchronous, coded).call("read") == b"abc"
    with pytest.raises(DecodingError):
        ended(b"abc", asynchronous, coded).call("read")
    with pytest.raises(DecodedSizeExceeded):
        ended(b"abc", asynchronous, limits=Limits(max_decoded=2)).call("read")
    assert ended(b"abc", asynchronous, limits=Limits(max_decoded=3)).call("read") == b"abc"
    assert ended(b"abc", asynchronous, status_code=204).call("read") == b""
    closed = ended(b"abc", asynchronous)
    closed.call("close")
    with pytest.raises(ResponseClosed):
        closed.call("read")


def test_trailers(reader: MakeReader) -> None:
    view = reader()
    view.state.body = Body(b"a", trailers=Headers({"X-Sum": "1"}))
    pieces = view.iterate("stream")
    next(pieces)
    assert view.response.trailers == {}
    list(pieces)
    assert view.response.trailers == {"X-Sum": "1"}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 100])
@pytest.mark.parametrize("verb", ["stream", "raw"])
def test_pieces_of_one_size(reader: MakeReader, verb: str, size: int) -> None:
    data = bytes(range(23))
    for chunks in ([data], [data[i : i + 1] for i in range(23)], [data[:5], data[5:10], data[10:]]):
        assert list(reader(*chunks).iterate(verb, size)) == [data[i : i + size] for i in range(0, 23, size)]


@pytest.mark.parametrize(
    ("size", "kind"), [(0, ValueError), (-1, ValueError), ("1", TypeError), (True, TypeError)]
)
def test_sizes_that_are_none(reader: MakeReader, size: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="chunk_size"):
        reader(b"a").response.stream(size)


@given(chunks=st.lists(st.binary(min_size=1, max_size=9)), size=st.integers(1, 12))
def test_rechunking_loses_nothing(chunks: list[bytes], size: int) -> None:
    pieces = list(view_response(Response, state_of(Body(*chunks))).stream(size))
    assert b"".join(pieces) == b"".join(chunks)
    assert all(len(piece) == size for piece in pieces[:-1])
    assert all(0 < len(piece) <= size for piece in pieces[-1:])


GZIP = gzip.compress(b"Hello, world! " * 50, mtime=0)


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_decoding(reader: MakeReader, step: int) -> None:
    chunks = [GZIP[i : i + step] for i in range(0, len(GZIP), step)]
    headers = {"Content-Encoding": "gzip"}
    assert reader(*chunks, headers=headers).call("read") == b"Hello, world! " * 50
    assert b"".join(reader(*chunks, headers=headers).iterate("stream")) == b"Hello, world! " * 50
    assert b"".join(reader(*chunks, headers=headers).iterate("raw")) == GZIP
    assert "".join(reader(*chunks, headers=headers).iterate("iter_text")) == "Hello, world! " * 50


@pytest.mark.parametrize("data", [GZIP[:-1], GZIP[:20], b"no gzip at all"])
@pytest.mark.parametrize("verb", ["read", "stream"])
def test_broken_and_cut_data(reader: MakeReader, data: bytes, verb: str) -> None:
    view = reader(data, headers={"Content-Encoding": "gzip"})
    body = view.state.body
    assert isinstance(body, Body)
    with pytest.raises(DecodingError, match="example.org") as caught:
        view.call("read") if verb == "read" else list(view.iterate("stream"))
    assert "secret" not in str(caught.value)
    assert caught.value.request._state is view.state.request
    assert view.response.is_closed
    assert body.log == ["abort"]


def test_too_many_codings_close_the_body(reader: MakeReader) -> None:
    view = reader(b"a", headers={"Content-Encoding": ", ".join(["gzip"] * 6)})
    with pytest.raises(DecodingError, match="codings"):
        view.call("read")
    assert view.response.is_closed


def test_bounds_of_a_body_in_memory(reader: MakeReader) -> None:
    bomb = zlib.compress(bytes(2**20))
    headers = {"Content-Encoding": "deflate"}
    limits = Limits(ratio_free_size=1000)
    with pytest.raises(DecodedSizeExceeded, match="max_ratio"):
        reader(bomb, headers=headers, limits=limits).call("read")
    with pytest.raises(DecodedSizeExceeded, match="max_decoded"):
        reader(bomb, headers=headers, limits=Limits(max_decoded=1000)).call("read")
    with pytest.raises(DecodedSizeExceeded, match="max_decoded"):
        reader(bytes(600), bytes(600), limits=Limits(max_decoded=1000)).call("read")
    assert reader(bytes(600), limits=Limits(max_decoded=1000)).call("read") == bytes(600)
    assert sum(map(len, reader(bomb, headers=headers, limits=limits).iterate("stream"))) == 2**20


def test_text_in_pieces(reader: MakeReader) -> None:
    chunks = [bytes([byte]) for byte in "aä€".encode()]
    assert list(reader(*chunks).iterate("iter_text")) == ["a", "ä", "€"]
    utf16 = [bytes([byte]) for byte in "aä".encode("utf-16")]
    assert "".join(reader(*utf16).iterate("iter_text")) == "aä"
    view = reader(b"\xe4", headers={"Content-Type": "text/plain; charset=utf-8"})
    view.response.encoding = "latin-1"
    assert list(view.iterate("iter_text")) == ["ä"]
    assert list(reader(b"\xef\xbb", b"\xbfa").iterate("iter_text")) == ["a"]
    assert list(reader(b"\xe4", default_encoding="latin-1").iterate("iter_text")) == ["ä"]
    assert list(reader(b"a\xe2\x82").iterate("iter_text")) == ["a", "\ufffd"]


TEXT = "one\ntwo\r\nthree\rfour\n\n\r\rlast\x0c\u2028part"
LINES = ["one", "two", "three", "four", "", "", "", "last\x0c\u2028part"]


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_lines(reader: MakeReader, step: int) -> None:
    data = TEXT.encode()
    chunks = [data[i : i + step] for i in range(0, len(data), step)]
    assert list(reader(*chunks).iterate("iter_lines")) == LINES
    view = reader(*chunks)
    view.call("read")
    assert list(view.iterate("iter_lines")) == LINES
    assert list(reader().iterate("iter_lines")) == []


def test_context_managers() -> None:
    with view_response(Response, state_of(Body(b"a"))) as response:
        pass
    assert response.is_closed

    async def main() -> AsyncResponse:
        async with view_response(AsyncResponse, state_of(Body(b"a"))) as response:
            assert await response.read() == b"a"
        return response

    assert asyncio.run(main()).content == b"a"


def test_on_close_is_called_once() -> None:
    calls: list[str] = []
    for content in (iter([b"a"]), b"a", None):
        response = Response(200, content=content, on_close=lambda: calls.append("x"))
        response.read()
        response.close()
        response.close()
        assert calls.pop() == "x"
        assert not calls


def test_on_close_after_a_failure_and_unread() -> None:
    def failing() -> Iterator[bytes]:
        yield b"a"
        raise OSError("gone")

    calls: list[str] = []
    response = Response(200, content=failing(), on_close=lambda: calls.append("x"))
    with pytest.raises(OSError, match="gone"):
        response.read()
    response.close()
    assert calls == ["x"]
    Response(200, content=iter([b"a"]), on_close=lambda: calls.append("y")).close()
    assert calls == ["x", "y"]


def test_an_async_on_close_is_awaited() -> None:
    calls: list[str] = []

    async def on_close() -> None:
        await asyncio.sleep(0)
        calls.append("x")

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            calls.append("generator closed")

    async def main() -> None:
        response = AsyncResponse(200, content=chunks(), on_close=on_close)
        assert await anext(response.stream()) == b"a"
        await response.close()
        await AsyncResponse(200, content=b"a", on_close=on_close).close()

    asyncio.run(main())
    assert calls == ["generator closed", "x", "x"]


def test_aborting_drops_an_async_on_close() -> None:
    async def on_close() -> None:
        raise AssertionError("never started")

    async def failing() -> AsyncIterator[bytes]:
        yield b"a"
        raise OSError("gone")

    async def main() -> None:
        with pytest.raises(OSError, match="gone"):
            await AsyncResponse(200, content=failing(), on_close=on_close).read()

    asyncio.run(main())
    MemoryBody(b"", on_close).abort()
    MemoryBody(b"").abort()


def test_cancelling_a_read_closes_the_response() -> None:
    class Hanging(Body):
        async def read_chunk(self) -> bytes:
            await asyncio.sleep(60)
            return b""

    async def main() -> tuple[AsyncResponse, Body]:
        body = Hanging()
        response = view_response(AsyncResponse, state_of(body))
        task = asyncio.create_task(response.read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return response, body

    response, body = asyncio.run(main())
    assert response.is_closed
    assert body.log == ["abort"]


def test_closing_while_another_task_reads() -> None:
    class Waiting(Body):
        async def read_chunk(self) -> bytes:
            await asyncio.sleep(0.01)
            return b""  # what a body says after it was closed

    async def main() -> None:
        response = view_response(AsyncResponse, state_of(Waiting()))
        task = asyncio.create_task(response.read())
        await asyncio.sleep(0)
        await response.close()
        with pytest.raises(ResponseClosed):
            await task

    asyncio.run(main())


def test_a_sync_view_uses_its_runner() -> None:
    ran: list[str] = []

    def run(coroutine: Coroutine[Any, Any, T], /) -> T:
        ran.append(type(coroutine).__name__)
        return run_sync(coroutine)

    response = view_response(Response, state_of(Body(b"a", b"b")), run)
    assert list(response.stream()) == [b"a", b"b"]
    response.close()
    assert ran == ["coroutine"] * 4  # two pieces, the end, close


def test_draining() -> None:
    state = state_of(Body(GZIP), {"Content-Encoding": "gzip"})
    assert run_sync(drain(state))
    assert state.content is None
    assert view_response(Response, state).content == b"Hello, world! " * 50
    assert run_sync(drain(state))
    state = state_of(None)
    assert run_sync(drain(state))


def test_draining_gives_up() -> None:
    body = Body(*[bytes(100)] * 100)
    state = state_of(body, limits=Limits(max_drained=250))
    assert not run_sync(drain(state))
    assert body.log == ["close"]
    with pytest.raises(ResponseClosed):
        run_sync(read_all(state))
    exact = state_of(Body(bytes(250)), limits=Limits(max_drained=250))
    assert run_sync(drain(exact))


def test_no_cycle_holds_a_body() -> None:
    """A response that is dropped half-way aborts its connection at once, without a garbage collection."""
    import gc
    import weakref

    gc.disable()
    try:
        body = Body(b"a", b"b")
        dropped = weakref.ref(body)
        pieces = view_response(Response, state_of(body)).iter_lines()
        del body
        assert next(pieces, None) == "ab"
        body = Body(b"a", b"b")
        dropped = weakref.ref(body)
        chunks = view_response(Response, state_of(body)).stream()
        next(chunks)
        del body, chunks
        assert dropped() is None
    finally:
        gc.enable()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads VmHWM of /proc")
@pytest.mark.parametrize("coded", [False, True])
def test_memory_of_a_large_body(coded: bool) -> None:
    """64 MiB peak below 100 MiB: nothing is held twice."""
    program = f"""
import zlib
from http3_models import Response
def chunks():
    packer = zlib.compressobj(0)
    for i in range(1024):
        piece = bytes([i % 251]) * 65536
        yield packer.compress(piece) if {coded} else piece
    yield packer.flush() if {coded} else b""
headers = {{"Content-Encoding": "deflate"}} if {coded} else {{}}
response = Response(200, content=chunks(), headers=headers)
assert len(response.read()) == 64 << 20
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert int(result.stdout) < 100 * 1024
