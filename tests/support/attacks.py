"""Answers that try to fill a client's memory, or to keep it busy for ever; for scripts of a `ScriptedServer`.

Each attack goes on until the client has had enough and goes away. ``serve`` answers every other request
well, so that one connection shows whether a client is still of use.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from backports import zstd

from http3_transport.testing import HTTP2Frames, ScriptedConnection, response_bytes
from http3_transport.testing._scripted.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)

brotli: Any = import_module("brotli")  # has no types

GOOD = b"good"
ZEROS = 1 << 30
"""Bytes that a bomb unpacks to."""

WINDOW = 128 * 1024
"""Bytes that a client takes of a stream before it reads them."""

FRAME = 16_000
"""Bytes of a body in one frame."""


@cache
def _gzip_bomb() -> bytes:
    member = gzip.compress(bytes(1 << 24), 9, mtime=0)
    return member * (ZEROS >> 24)


@cache
def _zstd_bomb() -> bytes:
    return zstd.compress(bytes(1 << 24), 3) * (ZEROS >> 24)


@cache
def _brotli_bomb() -> bytes:
    """With the largest window that there is, 16 MiB."""
    engine = brotli.Compressor(quality=1, lgwin=24)
    piece = bytes(1 << 24)
    whole: bytes = b"".join([engine.process(piece) for _ in range(ZEROS >> 24)]) + engine.finish()
    return whole


BOMBS: dict[str, Callable[[], bytes]] = {"gzip": _gzip_bomb, "br": _brotli_bomb, "zstd": _zstd_bomb}

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

FLOODS_HTTP11: dict[str, tuple[bytes, bytes]] = {
    "fields without end": (OK, b"X-Field: " + b"a" * 100 + b"\r\n"),
    "a field without end": (OK + b"X-Field: ", b"a" * 4096),
    "a status line without end": (b"HTTP/1.1 200 ", b"a" * 4096),
    "informational heads without end": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"),
    "an informational head without end": (b"HTTP/1.1 103 Early Hints\r\n", b"Link: <a>\r\n"),
    "a chunk's extension without end": (CHUNKED + b"5;", b"a" * 4096),
    "a chunk's size without end": (CHUNKED, b"0" * 4096),
    "trailers without end": (CHUNKED + b"0\r\n", b"X-Field: " + b"a" * 100 + b"\r\n"),
    "a trailer without end": (CHUNKED + b"0\r\nX-Field: ", b"a" * 4096),
    "small chunks": (CHUNKED, b"1\r\na\r\n" * 1000),
    "a body without end": (OK + b"\r\n", b"a" * 65536),
    "bytes behind the answer": (response_bytes(b"whole") + b"a", b"a" * 4096),
    "cookies": (OK + b"Content-Length: 0\r\n", b"Set-Cookie: a=" + b"a" * 4000 + b"\r\n"),
}
"""What comes first, and what comes over and over."""


def serve_http11(attack: str) -> Callable[[ScriptedConnection], None]:
    """A script for HTTP/1.1. The attack is a flood's name, or the coding of a bomb."""
    bomb = BOMBS[attack]() if attack in BOMBS else b""

    def script(connection: ScriptedConnection) -> None:
        while bomb or attack in FLOODS_HTTP11:
            if connection.read_request().target != "/attack":
                connection.write(response_bytes(GOOD))
            elif bomb:
                connection.write(response_bytes(bomb, headers={"Content-Encoding": attack}))
            else:
                break
        first, piece = FLOODS_HTTP11[attack]
        connection.write(first)
        connection.flood(piece)

    return script


def _header_bomb(frames: HTTP2Frames, stream: int) -> None:
    """A field of 4000 bytes in the table, and a byte for each time that it is meant."""
    entry = b"\x40" + b"\x01a" + b"\x7f" + _integer(4000 - 127) + b"a" * 4000
    frames.send(HEADERS, END_HEADERS, stream, b"\x88" + entry + b"\xbe" * 12_000)


def _integer(value: int) -> bytes:
    """The rest of an HPACK integer (RFC 7541 section 5.1)."""
    rest = b""
    while value >= 128:
        rest += bytes([value % 128 + 128])
        value //= 128
    return rest + bytes([value])


def _continuations(frames: HTTP2Frames, stream: int) -> None:
    frames.send(HEADERS, 0, stream, b"\x88")
    piece = b"\x00\x01a\x7f" + _integer(1000 - 127) + b"a" * 1000
    _repeat(frames, CONTINUATION, 0, stream, piece)


def _empty_continuations(frames: HTTP2Frames, stream: int) -> None:
    frames.send(HEADERS, 0, stream, b"\x88")
    _repeat(frames, CONTINUATION, 0, stream, b"")


def _repeat(frames: HTTP2Frames, kind: int, flags: int, stream: int, payload: bytes) -> None:
    frame = _frame(kind, flags, stream, payload)
    frames.connection.flood(frame * max(1, 16384 // len(frame)))


def _after_head(kind: int, payload: bytes, *, on_stream: bool) -> Callable[[HTTP2Frames, int], None]:
    def attack(frames: HTTP2Frames, stream: int) -> None:
        frames.send_head(stream)
        _repeat(frames, kind, 0, stream if on_stream else 0, payload)

    return attack


def _informational(frames: HTTP2Frames, stream: int) -> None:
    block = frames.encode([(":status", "103")])  # a reference to the table from the second time on
    frames.send(HEADERS, END_HEADERS, stream, block)
    _repeat(frames, HEADERS, END_HEADERS, stream, frames.encode([(":status", "103")]))


def _trailers(frames: HTTP2Frames, stream: int) -> None:
    frames.send_head(stream)
    frames.send(HEADERS, 0x1, stream, b"")
    _continuations(frames, stream)


def _padding(frames: HTTP2Frames, stream: int) -> None:
    frames.send_head(stream)
    _repeat(frames, DATA, 0x8, stream, b"\xff" + bytes(255))  # PADDED


def _settings(frames: HTTP2Frames, stream: int) -> None:
    """Every identifier that there is, over and over, in frames that are not small."""
    frames.send_head(stream)
    every = b"".join(
        _frame(SETTINGS, 0, 0, b"".join(struct.pack(">HL", code, 1) for code in range(first, first + 2048)))
        for first in range(2048, 65536, 2048)
    )
    frames.connection.flood(every)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    size = len(payload)
    return struct.pack(">HBBBL", size >> 8, size & 0xFF, kind, flags, stream) + payload


def send_within_window(frames: HTTP2Frames, stream: int, data: bytes) -> None:
    """A body as the client lets it come; to its end, or until the client has had enough."""
    credit = WINDOW
    for start in range(0, len(data), FRAME):
        piece = data[start : start + FRAME]
        while credit < len(piece):
            frame = frames.read()
            if frame.type == RST_STREAM and frame.stream_id == stream:
                return
            if frame.type == WINDOW_UPDATE and frame.stream_id == stream:
                credit += int.from_bytes(frame.payload, "big")
        frames.send_body(stream, piece, end=start + FRAME >= len(data))
        credit -= len(piece)


FLOODS_HTTP2: dict[str, Callable[[HTTP2Frames, int], None]] = {
    "a bomb of header fields": _header_bomb,
    "CONTINUATION without end": _continuations,
    "empty CONTINUATION without end": _empty_continuations,
    "informational heads without end": _informational,
    "trailers without end": _trailers,
    "SETTINGS without end": _after_head(SETTINGS, struct.pack(">HL", 3, 100), on_stream=False),
    "SETTINGS of all identifiers": _settings,
    "PRIORITY without end": _after_head(PRIORITY, b"\0\0\0\0\x0f", on_stream=True),
    "PUSH_PROMISE without end": _after_head(PUSH_PROMISE, b"\0\0\0\2\x88", on_stream=True),
    "GOAWAY without end": _after_head(GOAWAY, b"\x7f\xff\xff\xff\0\0\0\0", on_stream=False),
    "PING without end": _after_head(PING, b"12345678", on_stream=False),
    "RST_STREAM without end": _after_head(RST_STREAM, b"\0\0\0\2", on_stream=True),
    "WINDOW_UPDATE without end": _after_head(WINDOW_UPDATE, b"\0\0\0\0", on_stream=True),
    "empty DATA without end": _after_head(DATA, b"", on_stream=True),
    "padding without end": _padding,
    "DATA beyond the window": _after_head(DATA, b"a" * 16000, on_stream=True),
    "unknown frames without end": _after_head(0x77, b"a" * 100, on_stream=False),
}


def serve_http2(attack: str) -> Callable[[ScriptedConnection], None]:
    """A script for HTTP/2 with prior knowledge."""
    bomb = BOMBS[attack]() if attack in BOMBS else b""

    def script(connection: ScriptedConnection) -> None:
        frames = HTTP2Frames(connection)
        frames.handshake()
        while True:
            stream, fields, _ = frames.read_request()
            if fields[":path"] != "/attack":
                frames.send_head(stream)
                frames.send_body(stream, GOOD)
            elif bomb:
                frames.send_head(stream, 200, [("content-encoding", attack)])
                send_within_window(frames, stream, bomb)
            else:
                FLOODS_HTTP2[attack](frames, stream)
                connection.stall()  # a close would be a reset: not all may have been read
                return

    return script


def answer(body: bytes, *lines: str) -> bytes:
    """A response whose body ends with the connection: it may go on."""
    return OK + "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


def serve_answer(first: bytes, piece: bytes = b"") -> Callable[[ScriptedConnection], None]:
    """A script for HTTP/1.1: to /attack ``first``, then ``piece`` over and over, or nothing more."""

    def script(connection: ScriptedConnection) -> None:
        while connection.read_request().target != "/attack":
            connection.write(response_bytes(GOOD))
        connection.write(first)
        if piece:
            connection.flood(piece)
        else:
            connection.stall()

    return script


def serve_early_http11(connection: ScriptedConnection) -> None:
    """To a PUT an answer without end, before anything of its body is read."""
    while not connection.read_until(b"\r\n\r\n").startswith(b"PUT"):
        connection.write(response_bytes(GOOD))
    connection.write(OK + b"\r\n")
    connection.flood(b"a" * 65536)


def serve_early_http2(connection: ScriptedConnection) -> None:
    """The same over HTTP/2, whatever the windows."""
    frames = HTTP2Frames(connection)
    frames.handshake()
    while True:
        stream, fields = _read_head(frames)
        frames.send_head(stream)
        if fields[":method"] == "PUT":
            _repeat(frames, DATA, 0, stream, b"a" * FRAME)
            connection.stall()
            return
        frames.send_body(stream, GOOD)


def _read_head(frames: HTTP2Frames) -> tuple[int, dict[str, str]]:
    while True:
        frame = frames.read()
        if frame.type == HEADERS:
            return frame.stream_id, frames.decode(frame.payload)
