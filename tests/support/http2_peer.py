"""The server's side of HTTP/2 for scripts of `servers.on_socket`: h2 over a blocking socket, no checks.

A script says step by step what the server does: ``peer.request()`` waits for a whole request,
``peer.respond(...)`` answers it, ``peer.frame(...)`` sends any frame. h2 validates nothing that is sent, so
malformed answers are one call as well. `EchoServer` answers many requests by itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import StreamClosedError, StreamIDTooLowError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import Frame

Fields = Iterable[tuple[str, str]]


class Incoming:
    """A request as the server received it."""

    def __init__(self, stream_id: int, fields: list[tuple[bytes, bytes]]) -> None:
        self.stream_id = stream_id
        self.fields = fields
        self.body = bytearray()
        self.ended = False
        self.reset: int | None = None

    def field(self, name: bytes) -> bytes | None:
        """The value of a field, None without one."""
        return dict(self.fields).get(name)


class Peer:
    """One connection, from the server's side."""

    def __init__(self, sock: socket.socket, **settings: int) -> None:
        self.socket = sock
        self.credit = True
        """Give back the windows of request bodies at once."""
        self.requests: dict[int, Incoming] = {}
        self.resets: dict[int, int] = {}
        self.goaway: ConnectionTerminated | None = None
        self.closed = False
        self.events: list[Event] = []
        config = H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.h2 = H2Connection(config)
        values = {SettingCodes[name.upper()]: value for name, value in settings.items()}
        self.h2.local_settings = Settings(client=False, initial_values=values)
        self.h2.decoder.max_header_list_size = settings.get("max_header_list_size", 65536)
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Send what h2 has made."""
        self.socket.sendall(self.h2.data_to_send())

    def frame(self, *frames: Frame) -> None:
        """Send frames past h2."""
        self.flush()
        self.socket.sendall(b"".join(frame.serialize() for frame in frames))

    def receive(self) -> bool:
        """Read once and take note; False at the end."""
        data = self.socket.recv(65536)
        if not data:
            self.closed = True
            return False
        for event in self.h2.receive_data(data):
            self.events.append(event)
            self._note(event)
        self.flush()
        return True

    def _note(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            assert event.stream_id is not None
            fields = [(bytes(name), bytes(value)) for name, value in event.headers or []]
            self.requests[event.stream_id] = Incoming(event.stream_id, fields)
        elif isinstance(event, DataReceived):
            request = self.requests[event.stream_id or 0]
            request.body += event.data or b""
            if self.credit and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, request.stream_id)
        elif isinstance(event, StreamEnded):
            self.requests[event.stream_id].ended = True
        elif isinstance(event, StreamReset):
            self.resets[event.stream_id or 0] = int(event.error_code or 0)
        elif isinstance(event, ConnectionTerminated):
            self.goaway = event

    def until(self, condition: Callable[[], bool]) -> None:
        """Read until something is the case."""
        while not condition():
            assert self.receive(), "the client closed the connection"

    def until_closed(self) -> None:
        """Read until the client closes."""
        while self.receive():
            pass

    def request(self, number: int = 0, *, whole: bool = True) -> Incoming:
        """The n-th request of the connection, once its head (or all of it) is there."""
        stream_id = 2 * number + 1
        self.until(lambda: stream_id in self.requests and (self.requests[stream_id].ended or not whole))
        return self.requests[stream_id]

    def head(
        self, stream_id: int, status: int | str = 200, fields: Fields = (), *, end: bool = False
    ) -> None:
        """Send a head."""
        pairs = [(":status", str(status)), *fields]
        self.h2.send_headers(stream_id, pairs, end_stream=end)
        self.flush()

    def data(self, stream_id: int, data: bytes = b"", *, end: bool = False, pad: int | None = None) -> None:
        """Send body bytes; waits for the client's windows."""
        while True:
            while data and self.h2.local_flow_control_window(stream_id) <= 0:
                assert self.receive(), "the client closed the connection"
            size = min(
                len(data), self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size
            )
            last = size == len(data)
            self.h2.send_data(stream_id, data[:size], end_stream=end and last, pad_length=pad)
            self.flush()
            data = data[size:]
            if last:
                return

    def respond(self, stream_id: int, body: bytes = b"", status: int = 200, fields: Fields = ()) -> None:
        """A whole response."""
        self.head(stream_id, status, fields, end=not body)
        if body:
            self.data(stream_id, body, end=True)


class EchoServer:
    """Answers all requests of a connection, many at a time.

    ``POST`` is answered with its body; ``GET /<n>`` with n bytes. It honours the client's windows.
    """

    def __init__(self, sock: socket.socket, *, slice_size: int = 16384, **settings: int) -> None:
        self.peer = Peer(sock, **settings)
        self.slice_size = slice_size
        self.pending: dict[int, memoryview] = {}
        self.most = 0
        """Requests that were open at the same time, at most."""

    def run(self) -> None:
        """Until the client closes."""
        peer = self.peer
        while peer.receive():
            self.most = max(self.most, len(peer.requests))
            for request in [request for request in peer.requests.values() if request.ended]:
                del peer.requests[request.stream_id]
                self._answer(request)
            self._pump()

    def _answer(self, request: Incoming) -> None:
        if request.field(b":method") == b"POST":
            body = bytes(request.body)
        else:
            body = bytes(int((request.field(b":path") or b"/")[1:] or 0))
        fields = [("content-length", str(len(body))), ("x-path", (request.field(b":path") or b"").decode())]
        try:
            self.peer.h2.send_headers(request.stream_id, [(":status", "200"), *fields], end_stream=not body)
        except (StreamClosedError, StreamIDTooLowError):  # reset meanwhile, and maybe forgotten
            return
        if body:
            self.pending[request.stream_id] = memoryview(body)

    def _pump(self) -> None:
        h2 = self.peer.h2
        moved = True
        while moved:
            moved = False
            for stream_id, rest in list(self.pending.items()):
                try:
                    size = min(len(rest), h2.local_flow_control_window(stream_id), self.slice_size)
                    if size <= 0:
                        continue
                    h2.send_data(stream_id, rest[:size], end_stream=size == len(rest))
                except StreamClosedError:  # the client gave it up
                    del self.pending[stream_id]
                    continue
                moved = True
                self.pending[stream_id] = rest[size:]
                if size == len(rest):
                    del self.pending[stream_id]
            self.peer.flush()


CHUNKED_TRAILERS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Checksum: 1\r\n\r\n"
)
"""What `answer_with_trailers` says, over HTTP/1.1."""


def answer_with_trailers(connection: socket.socket) -> None:
    """A script: answer one request with ``abc`` and the trailer X-Checksum."""
    peer = Peer(connection)
    request = peer.request()
    peer.head(request.stream_id, 200)
    peer.data(request.stream_id, b"abc")
    peer.h2.send_headers(request.stream_id, [("x-checksum", "1")], end_stream=True)
    peer.flush()
    peer.until_closed()
