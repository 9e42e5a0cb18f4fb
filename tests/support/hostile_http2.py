"""Frames of HTTP/2 made of bytes, for cases that no library would write, and a server that is in order."""

from __future__ import annotations

import socket
from struct import pack

from support.http2_peer import Peer

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
END_STREAM, END_HEADERS, PADDED, PRIORITISED = 0x1, 0x4, 0x8, 0x20
ACK = 0x1

STATUS_200 = b"\x88"
"""The indexed field `:status: 200` (RFC 7541 appendix A)."""

CASE = 3
"""The stream that the frames are on, if nothing else is said."""


def frame(kind: int, payload: bytes = b"", stream_id: int = CASE, flags: int = 0) -> bytes:
    """Any bytes as a frame: no library would write most of these."""
    return pack(">I", len(payload))[1:] + pack(">BBI", kind, flags, stream_id) + payload


def setting(identifier: int, value: int) -> bytes:
    """SETTINGS with this one."""
    return frame(SETTINGS, pack(">HI", identifier, value), 0)


def marking_http2(connection: socket.socket) -> None:
    """Answers each request with its own target."""
    peer = Peer(connection)
    number = 0
    while not peer.closed:
        request = peer.requests.get(2 * number + 1)
        if request is not None and request.ended:
            peer.respond(request.stream_id, request.field(b":path") or b"")
            number += 1
        else:
            peer.receive()
