"""HTTP/2 by hand (RFC 9113), over a `ScriptedConnection`: any frame, at any time, right or wrong."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from hpack import Decoder, Encoder

from ..._http2 import silence_hpack

if TYPE_CHECKING:
    from .connection import ScriptedConnection

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE = range(6)
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(6, 10)
"""Types of frames (section 6)."""

END_STREAM = ACK = 0x1
END_HEADERS = 0x4

MAX_WINDOW = 2**31 - 1

silence_hpack()


class ReceivedFrame(NamedTuple):
    """A frame as it came (section 4.1)."""

    type: int
    flags: int
    stream_id: int
    payload: bytes


class HTTP2Frames:
    """The server's side of one connection. Nothing is checked, and only `handshake` answers by itself."""

    def __init__(self, connection: ScriptedConnection) -> None:
        self.connection: ScriptedConnection = connection
        self._encoder = Encoder()
        self._decoder = Decoder()

    def handshake(self, settings: dict[int, int] | None = None) -> None:
        """Read the client's preface, send SETTINGS (identifier: value), acknowledge those of the client."""
        preface = self.connection.read_exactly(len(PREFACE))
        assert preface == PREFACE, f"this is no HTTP/2: {preface!r}"
        pairs = (settings or {}).items()
        self.send(SETTINGS, payload=b"".join(struct.pack(">HL", *pair) for pair in pairs))
        while True:
            frame = self.read()
            if frame.type == SETTINGS and not frame.flags & ACK:
                self.send(SETTINGS, ACK)
                return

    def read(self) -> ReceivedFrame:
        """The next frame. Raises ConnectionError where the client ends before."""
        high, low, kind, flags, stream_id = struct.unpack(">HBBBL", self.connection.read_exactly(9))
        payload = self.connection.read_exactly((high << 8) + low)
        return ReceivedFrame(kind, flags, stream_id, payload)

    def read_request(self) -> tuple[int, dict[str, str], bytes]:
        """The next request that is whole: its stream, fields and body; other frames are passed over.

        For requests one after the other, with heads of one frame and bodies within the first window.
        """
        stream_id, fields, body = 0, {}, bytearray()
        while True:
            frame = self.read()
            if frame.type == HEADERS and frame.flags & END_HEADERS:
                stream_id, fields = frame.stream_id, self.decode(frame.payload)
            elif frame.type == DATA and frame.stream_id == stream_id:
                body += frame.payload
            if frame.type in (HEADERS, DATA) and frame.flags & END_STREAM:
                return stream_id, fields, bytes(body)

    def decode(self, block: bytes) -> dict[str, str]:
        """The fields of a header block of the client's; all of them must be decoded, in order."""
        return {str(name): str(value) for name, value in self._decoder.decode(block)}

    def encode(self, fields: Iterable[tuple[str, str]]) -> bytes:
        """A header block; the order of the blocks must be kept."""
        return bytes(self._encoder.encode(list(fields)))

    def send(self, kind: int, flags: int = 0, stream_id: int = 0, payload: bytes = b"") -> None:
        """Send one frame, whatever it says."""
        size = len(payload)
        self.connection.write(struct.pack(">HBBBL", size >> 8, size & 0xFF, kind, flags, stream_id) + payload)

    def send_head(
        self,
        stream_id: int,
        status: int | str = 200,
        fields: Iterable[tuple[str, str]] = (),
        *,
        end: bool = False,
    ) -> None:
        """The head of a response in one HEADERS frame."""
        block = self.encode([(":status", str(status)), *fields])
        self.send(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream_id, block)

    def send_body(self, stream_id: int, data: bytes, *, end: bool = True) -> None:
        """A piece of a body in one DATA frame."""
        self.send(DATA, END_STREAM if end else 0, stream_id, data)

    def send_reset(self, stream_id: int, code: int = 2) -> None:
        """RST_STREAM; INTERNAL_ERROR by default (section 7)."""
        self.send(RST_STREAM, stream_id=stream_id, payload=struct.pack(">L", code))

    def send_goaway(self, last_stream_id: int = 0, code: int = 0) -> None:
        """GOAWAY; NO_ERROR by default."""
        self.send(GOAWAY, payload=struct.pack(">LL", last_stream_id, code))

    def send_window_update(self, stream_id: int = 0, size: int = MAX_WINDOW) -> None:
        """WINDOW_UPDATE, of the connection by default."""
        self.send(WINDOW_UPDATE, stream_id=stream_id, payload=struct.pack(">L", size))
