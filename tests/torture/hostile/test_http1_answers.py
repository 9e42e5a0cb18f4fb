"""Answers that RFC 9112 does not allow: refused as a whole, their connection closed, the client unharmed.

Each table has the bytes of one answer per case. All are sent whole and byte by byte: the readers of what
comes at once and of what comes in pieces are different code.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import http3
from support.hostile_peers import StartServer, await_close, hostile, marking, watched
from support.servers import answer, read_request
from support.worlds import World, raised

pytestmark = pytest.mark.thorough

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def head(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK", body: bytes = b"") -> bytes:
    return b"\r\n".join([start, *lines, b"", body])


def with_length(value: bytes) -> bytes:
    return head(b"Content-Length: " + value, body=b"hello")


def with_coding(*values: bytes) -> bytes:
    body = b"5\r\nhello\r\n0\r\n\r\n"
    return head(*[b"Transfer-Encoding: " + value for value in values], body=body)


def with_line(line: bytes) -> bytes:
    return head(line, b"Content-Length: 5", body=b"hello")


def with_start(line: bytes) -> bytes:
    return head(b"Content-Length: 5", start=line, body=b"hello")


LENGTHS = {
    "conflicting": head(b"Content-Length: 5", b"Content-Length: 4", body=b"hello"),
    "conflicting in a list": with_length(b"5, 4"),
    "conflicting in three": head(b"Content-Length: 5", b"Content-Length: 5", b"content-length: 0"),
    "list with an empty member": with_length(b"5,"),
    "letters": with_length(b"abc"),
    "letters behind": with_length(b"5x"),
    "two numbers": with_length(b"5 5"),
    "empty": with_length(b""),
    "negative": with_length(b"-5"),
    "negative zero": with_length(b"-0"),
    "signed": with_length(b"+5"),
    "hexadecimal": with_length(b"0x5"),
    "fraction": with_length(b"5.0"),
    "exponent": with_length(b"5e0"),
    "underscore": with_length(b"0_5"),
    "digit of another script": with_length("\u0665".encode()),
    "superscript in latin-1": with_length(b"\xb9"),
    "huge": with_length(b"9" * 30),
    "endless zeros": with_length(b"0" * 100 + b"5"),
    "folded": head(b"Content-Length: 5\r\n 0", body=b"hello"),
}

CODINGS = {
    "unknown": with_coding(b"martian"),
    "gzip alone": with_coding(b"gzip"),
    "gzip before chunked": with_coding(b"gzip, chunked"),
    "chunked not last": with_coding(b"chunked, gzip"),
    "identity": with_coding(b"identity"),
    "identity and chunked": with_coding(b"identity, chunked"),
    "doubled": with_coding(b"chunked, chunked"),
    "doubled in two fields": with_coding(b"chunked", b"chunked"),
    "another in a second field": with_coding(b"chunked", b"gzip"),
    "prefixed": with_coding(b"xchunked"),
    "quoted": with_coding(b'"chunked"'),
    "with a parameter": with_coding(b"chunked;q=1"),
    "behind a vertical tab": with_coding(b"\x0bchunked"),
    "empty": with_coding(b""),
    "empty member": with_coding(b",chunked"),
}

CHUNKS = {
    "no CRLF behind the data": b"5\r\nhello0\r\n\r\n",
    "more data than announced": b"3\r\nhello\r\n0\r\n\r\n",
    "less data than announced": b"7\r\nhello\r\n0\r\n\r\n",
    "plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "minus zero": b"5\r\nhello\r\n-0\r\n\r\n",
    "prefix 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "space before": b" 5\r\nhello\r\n0\r\n\r\n",
    "tab before": b"\t5\r\nhello\r\n0\r\n\r\n",
    "space within": b"0 5\r\nhello\r\n0\r\n\r\n",
    "underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "no digit": b"\r\nhello\r\n0\r\n\r\n",
    "no digit but an extension": b";a=b\r\nhello\r\n0\r\n\r\n",
    "no hexadecimal": b"g\r\nhello\r\n0\r\n\r\n",
    "digit of another script": "\u0665\r\nhello\r\n0\r\n\r\n".encode(),
    "too many digits": b"0" * 30 + b"5\r\nhello\r\n0\r\n\r\n",
    "more than 64 bits": b"100000000000000000005\r\nhello\r\n0\r\n\r\n",
    "LF behind the size": b"5\nhello\r\n0\r\n\r\n",
    "CR behind the size": b"5\rhello\r\n0\r\n\r\n",
    "two CR behind the size": b"5\r\r\nhello\r\n0\r\n\r\n",
    "LF behind the data": b"5\r\nhello\n0\r\n\r\n",
    "LF behind the last chunk": b"5\r\nhello\r\n0\n\r\n",
    "LF at the end": b"5\r\nhello\r\n0\r\n\n",
    "LF in an extension": b"5;a\nhello\r\n0\r\n\r\n",
    "NUL in an extension": b"5;a\0b\r\nhello\r\n0\r\n\r\n",
    "trailer Content-Length": b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
    "trailer Transfer-Encoding": b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "trailer without colon": b"5\r\nhello\r\n0\r\nrubbish\r\n\r\n",
    "trailer with space before its colon": b"5\r\nhello\r\n0\r\nX : y\r\n\r\n",
    "trailer with NUL": b"5\r\nhello\r\n0\r\nX: a\0b\r\n\r\n",
    "trailer with LF": b"5\r\nhello\r\n0\r\nX: a\nY: b\r\n\r\n",
    "trailer folded": b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n",
    "trailer that is an answer": b"5\r\nhello\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n",
}

FIELDS = {
    "NUL in a name": with_line(b"X\0Y: a"),
    "control character in a name": with_line(b"X\x01: a"),
    "DEL in a name": with_line(b"X\x7f: a"),
    "letter beyond ASCII in a name": with_line(b"X\xe9: a"),
    "space in a name": with_line(b"X Y: a"),
    "delimiter in a name": with_line(b"X(Y): a"),
    "no name": with_line(b": a"),
    "no colon": with_line(b"rubbish"),
    "space before the colon": with_line(b"X : a"),
    "tab before the colon": with_line(b"X\t: a"),
    "space before the colon of a length": head(b"Content-Length : 5", body=b"hello"),
    "space before the colon of a coding": head(b"Transfer-Encoding : chunked", b"Content-Length: 5"),
    "NUL in a value": with_line(b"X: a\0b"),
    "bare CR in a value": with_line(b"X: a\rb"),
    "bare CR for a line end": head(b"X: a\rContent-Length: 5", body=b"hello"),
    "two CR": with_line(b"X: a\r"),
    "space before the first field": OK + b" X: a\r\nContent-Length: 5\r\n\r\nhello",
    "fold before the first field": OK + b"\tContent-Length: 5\r\n\r\nhello",
}

STATUS_LINES = {
    "no status": with_start(b"HTTP/1.1"),
    "no status but a space": with_start(b"HTTP/1.1 "),
    "no status but a reason": with_start(b"HTTP/1.1 OK"),
    "two digits": with_start(b"HTTP/1.1 20 OK"),
    "four digits": with_start(b"HTTP/1.1 2000 OK"),
    "letters": with_start(b"HTTP/1.1 2xx OK"),
    "signed": with_start(b"HTTP/1.1 +20 OK"),
    "below 100": with_start(b"HTTP/1.1 099 OK"),
    "zero": with_start(b"HTTP/1.1 000 OK"),
    "digits of another script": with_start("HTTP/1.1 \u0662\u0660\u0660 OK".encode()),
    "reason glued on": with_start(b"HTTP/1.1 200OK"),
    "two spaces": with_start(b"HTTP/1.1  200 OK"),
    "tab": with_start(b"HTTP/1.1\t200 OK"),
    "NUL in the reason": with_start(b"HTTP/1.1 200 O\0K"),
    "bare CR in the reason": with_start(b"HTTP/1.1 200 O\rK"),
    "lower case": with_start(b"http/1.1 200 OK"),
    "no name": with_start(b"/1.1 200 OK"),
    "version without minor": with_start(b"HTTP/1 200 OK"),
    "version of two digits": with_start(b"HTTP/1.10 200 OK"),
    "version with a comma": with_start(b"HTTP/1,1 200 OK"),
    "version 0.9": with_start(b"HTTP/0.9 200 OK"),
    "version 2": with_start(b"HTTP/2 200 OK"),
    "version 2.0": with_start(b"HTTP/2.0 200 OK"),
    "version 3.0": with_start(b"HTTP/3.0 200 OK"),
    "another protocol": with_start(b"ICY 200 OK"),
    "a request": with_start(b"GET / HTTP/1.1"),
    "blank line before": b"\r\n" + with_start(b"HTTP/1.1 200 OK"),
    "LF before": b"\n" + with_start(b"HTTP/1.1 200 OK"),
    "space before": with_start(b" HTTP/1.1 200 OK"),
    "NUL before": with_start(b"\0HTTP/1.1 200 OK"),
    "letter before": with_start(b"xHTTP/1.1 200 OK"),
    "byte order mark before": with_start(b"\xef\xbb\xbfHTTP/1.1 200 OK"),
    "body before": b"hello\r\n" + with_start(b"HTTP/1.1 200 OK"),
    "no head at all": b"<html>hello</html>\r\n\r\n",
}

INFORMATIONAL = {
    "101 unasked": head(b"Upgrade: x", b"Connection: upgrade", start=b"HTTP/1.1 101 Switching Protocols"),
    "101 behind 103": b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 101 Switching\r\n\r\n" + with_length(b"5"),
    "malformed": b"HTTP/1.1 103 Early\r\nX : y\r\n\r\n" + with_length(b"5"),
    "body behind 103": b"HTTP/1.1 103 Early\r\nContent-Length: 5\r\n\r\nhello" + with_length(b"5"),
    "too many": b"HTTP/1.1 103 Early\r\n\r\n" * 200 + with_length(b"5"),
    "too many of 100": b"HTTP/1.1 100 Continue\r\n\r\n" * 200 + with_length(b"5"),
}

TABLES = {
    "length": LENGTHS,
    "coding": CODINGS,
    "field": FIELDS,
    "start": STATUS_LINES,
    "1xx": INFORMATIONAL,
}
CASES = {f"{group}: {name}": data for group, table in TABLES.items() for name, data in table.items()}


async def refused(
    world: World,
    start_server: StartServer,
    data: bytes,
    kind: type[http3.RemoteProtocolError],
    *,
    streamed: bool = False,
) -> None:
    for bytewise in (False, True) if len(data) < 1000 else (False,):
        server = start_server(hostile(data, bytewise=bytewise), marking)
        user = watched(world)
        assert await user.body(server.url + "/first") == b"/first"
        call = user.streamed if streamed else user.body
        error = await raised(http3.RemoteProtocolError, call, server.url + "/case")
        assert type(error) is kind, repr(error)
        assert error.delivery == "maybe_processed"
        assert server.url + "/case" in str(error)
        assert user.is_empty
        assert await user.body(server.url + "/last") == b"/last"
        assert server.connections == 2
        assert len(user.pool.keepalive_connections) == 1


TOO_LARGE = {
    "a line without end": OK + b"X: " + b"x" * 400_000,
    "a name without end": OK + b"x" * 400_000,
    "a reason without end": b"HTTP/1.1 200 " + b"x" * 400_000,
    "a whole head": head(b"X: " + b"x" * 300_000, b"Content-Length: 0"),
    "too many fields": head(*[b"X: y"] * 5000, b"Content-Length: 0"),
    "too many cookies": head(*[b"Set-Cookie: a=b"] * 5000, b"Content-Length: 0"),
    "one extension": CHUNKED + b"5;" + b"x" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
    "an extension without end": CHUNKED + b"5;" + b"x" * 100_000,
    "extension of the last chunk": CHUNKED + b"5\r\nhello\r\n0;" + b"x" * 5000 + b"\r\n\r\n",
    "trailers": CHUNKED + b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    "trailers without end": CHUNKED + b"5\r\nhello\r\n0\r\nX: " + b"x" * 100_000,
}


@pytest.mark.parametrize("case", TOO_LARGE)
async def test_what_is_too_large(world: World, start_server: StartServer, case: str) -> None:
    await refused(world, start_server, TOO_LARGE[case], http3.ResponseTooLarge)


@pytest.mark.parametrize("case", CASES)
async def test_heads_that_are_refused(world: World, start_server: StartServer, case: str) -> None:
    await refused(world, start_server, CASES[case], http3.RemoteProtocolError)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", CHUNKS)
async def test_chunks_that_are_refused(
    world: World, start_server: StartServer, case: str, streamed: bool
) -> None:
    data = CHUNKED + CHUNKS[case]
    await refused(world, start_server, data, http3.RemoteProtocolError, streamed=streamed)


MIXED = {**CASES, **{name: CHUNKED + data for name, data in CHUNKS.items()}}


def by_path(connection: socket.socket) -> None:
    """Requests for a case get that and nothing more, others their own target."""
    answers = list(MIXED.values())
    while request := read_request(connection):
        if request.target.startswith("/case/"):
            connection.sendall(answers[int(request.target[6:])])
            await_close(connection)
            return
        connection.sendall(answer(request.target.encode()))


async def test_all_at_once(world: World, start_server: StartServer) -> None:
    """Among as many requests that are answered well, over few connections."""
    server = start_server(by_path)
    user = watched(world, pool_limits=http3.PoolLimits(hard_limit=8, pool_timeout=30))
    paths = [f"/{kind}/{number}" for number in range(len(MIXED)) for kind in ("case", "good")]

    def action(path: str) -> Callable[[], Coroutine[Any, Any, bytes]]:
        async def one() -> bytes:
            return await user.body(server.url + path)

        return one

    results = await world.together(*map(action, paths))
    for path, result in zip(paths, results, strict=True):
        if path.startswith("/case/"):
            assert type(result) is http3.RemoteProtocolError, f"{path}: {result!r}"
            assert f"{server.url}{path}," in str(result)
        else:
            assert result == path.encode()
    assert not user.pool.active_connections
    assert len(user.pool.keepalive_connections) <= 8
