"""An HTTP/2 server for a `Simulation` (RFC 9113), on h2: many requests at a time, and a death by seed."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError, StreamClosedError, StreamIDTooLowError
from h2.settings import SettingCodes, Settings

from ..._backends._tasks import Changes
from .faults import Dice, Range, range_of_numbers
from .http import Answer, Handler, HTTPServer, received_request

if TYPE_CHECKING:
    from http3_models.engine import FieldPair

    from .server_connections import ServerConnection
    from .tasks import Task

TYPICAL_CUT = 1000
"""Bytes, in the mean, that a connection still carries once the server dies."""

CONNECTION_FIELDS = frozenset({b"connection", b"transfer-encoding", b"keep-alive", b"host"})
"""Fields that HTTP/2 has no use for (section 8.2.2)."""

GOAWAY = 0x07


class HTTP2Server(HTTPServer):
    """A server function for `Simulation.serve`: requests go to ``handler``, its responses to the client.

    The client needs ``http_versions=("HTTP/2",)`` on an http:// URL (prior knowledge), or TLS with ALPN.
    ``handler`` and ``delay`` are as in `HTTP11Server`.

    - ``max_streams`` (100): requests at a time that it allows (SETTINGS_MAX_CONCURRENT_STREAMS), or
      (least, most), drawn for each connection.
    - ``dies`` (0): the probability, for each request, of one of these: the stream is refused before the
      handler is asked; it is reset within the answer; GOAWAY, and the connection ends with the answers under
      way; the connection breaks at any byte.

    What the handler raises ends the simulation's run.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        delay: Range = 0.0,
        max_streams: int | tuple[int, int] = 100,
        dies: float = 0.0,
    ) -> None:
        super().__init__(handler, dies=dies, delay=delay)
        self._max_streams = range_of_numbers("max_streams", max_streams)

    async def __call__(self, connection: ServerConnection) -> None:
        """Serve one connection."""
        limit = Dice(connection.random).size(self._max_streams)
        await Session(self, connection, limit).run()


class Incoming:
    """A request that is being received."""

    __slots__ = ("body", "fields")

    def __init__(self, fields: list[FieldPair]) -> None:
        self.fields = fields
        self.body = bytearray()


class Session:
    """One connection."""

    def __init__(self, server: HTTP2Server, connection: ServerConnection, max_streams: int) -> None:
        self._server = server
        self._connection = connection
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        values = {SettingCodes.MAX_CONCURRENT_STREAMS: max_streams}
        self._h2.local_settings = Settings(client=False, initial_values=values)
        self._incoming: dict[int, Incoming] = {}
        self._answers: dict[int, Task[Any]] = {}
        self._cuts: dict[int, int] = {}
        """Streams that are to be reset, each after so many bytes of its answer's body."""
        self._output = bytearray()
        self._changes = Changes(connection.waiter)
        self._last_stream = 0
        self._goes_away = False
        self._left: int | None = None
        """Bytes after which the server dies."""

    async def run(self) -> None:
        """Until the client closes, or the server dies."""
        self._h2.initiate_connection()
        self._flush()
        writing = self._connection.start(self._write())
        try:
            while data := await self._connection.read():
                for event in self._h2.receive_data(data):
                    self._note(event)
                self._flush()
        finally:
            writing.cancel()
            for task in list(self._answers.values()):
                task.cancel()

    # What comes in.

    def _note(self, event: Event) -> None:
        if isinstance(event, RequestReceived) and not self._goes_away:
            fields = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
            self._incoming[event.stream_id or 0] = Incoming(fields)
        elif isinstance(event, DataReceived):
            self._take(event)
        elif isinstance(event, StreamEnded):
            stream_id = event.stream_id or 0
            request = self._incoming.pop(stream_id, None)
            if request is not None:
                self._begin(stream_id, request)
        elif isinstance(event, StreamReset):
            self._incoming.pop(event.stream_id or 0, None)
            task = self._answers.pop(event.stream_id or 0, None)
            if task is not None:
                task.cancel()
        self._changes.announce()  # a window may have grown

    def _take(self, event: DataReceived) -> None:
        stream_id, size = event.stream_id or 0, event.flow_controlled_length or 0
        request = self._incoming.get(stream_id)
        if request is not None:
            request.body += event.data or b""
        if size:
            self._h2.acknowledge_received_data(size, stream_id)

    def _begin(self, stream_id: int, request: Incoming) -> None:
        """A request is whole."""
        if self._server.dies_now(self._connection):
            fate = self._connection.random.choice(("refuse", "reset", "goaway", "break"))
            if fate == "refuse":
                with suppress(ProtocolError):  # the client may have reset it, or gone, in the same breath
                    self._h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
                return
            if fate == "goaway":
                self._go_away()
                return
            size = int(self._connection.random.expovariate(1 / TYPICAL_CUT))
            if fate == "reset":
                self._cuts[stream_id] = size
            elif self._left is None:
                self._left = size
        self._last_stream = max(self._last_stream, stream_id)
        self._answers[stream_id] = self._connection.start(self._answer(stream_id, request))

    def _go_away(self) -> None:
        """No request beyond those whose answers are under way (section 6.8); this one was not processed."""
        self._goes_away = True
        self._incoming.clear()
        self._flush()
        frame = struct.pack(">HBBBLLL", 0, 8, GOAWAY, 0, 0, self._last_stream, ErrorCodes.NO_ERROR)
        self._output += frame

    # What goes out.

    async def _answer(self, stream_id: int, request: Incoming) -> None:
        fields = dict(request.fields)
        method, target, host = (
            fields[name].decode("latin-1") for name in (b":method", b":path", b":authority")
        )
        received = [field for field in request.fields if not field[0].startswith(b":")]
        try:
            answer = await self._server.answer(
                self._connection,
                received_request(self._connection, method, host, target, received, bytes(request.body)),
            )
            await self._send(stream_id, answer)
        except ProtocolError as exc:
            # The client has reset the stream or gone, and h2 knows already; else the handler is at fault.
            is_over = self._h2.state_machine.state is ConnectionState.CLOSED
            if not (is_over or isinstance(exc, StreamClosedError | StreamIDTooLowError)):
                raise
        finally:
            self._answers.pop(stream_id, None)
            self._changes.announce()
        self._flush()

    async def _send(self, stream_id: int, answer: Answer) -> None:
        head = [(b":status", b"%d" % answer.status_code)]
        head += [(name.lower(), value) for name, value in answer.fields]
        head = [field for field in head if field[0] not in CONNECTION_FIELDS]
        if answer.length is not None and not answer.has(b"content-length") and answer.has_body:
            head.append((b"content-length", b"%d" % answer.length))
        has_body = answer.has_body and answer.length != 0
        self._h2.send_headers(stream_id, head, end_stream=not has_body)
        self._flush()
        while has_body:
            piece = await answer.next_piece()
            has_body = bool(piece) and answer.length is None
            if not await self._send_data(stream_id, piece, is_last=not has_body):
                return

    async def _send_data(self, stream_id: int, data: bytes, *, is_last: bool) -> bool:
        """Send a piece of a body as the windows allow; False if the stream was reset instead."""
        h2 = self._h2
        while True:
            size = min(len(data), h2.local_flow_control_window(stream_id), h2.max_outbound_frame_size)
            cut = self._cuts.get(stream_id)
            if cut is not None and size >= cut:
                h2.reset_stream(stream_id, ErrorCodes.INTERNAL_ERROR)
                return False
            if data and size <= 0:
                await self._changes.wait()
                continue
            h2.send_data(stream_id, data[:size], end_stream=is_last and size == len(data))
            self._flush()
            data = data[size:]
            if cut is not None:
                self._cuts[stream_id] = cut - size
            if not data:
                return True

    def _flush(self) -> None:
        self._output += self._h2.data_to_send()
        self._changes.announce()

    async def _write(self) -> None:
        """The one who writes, for all."""
        connection = self._connection
        while True:
            if self._left is not None and self._left <= len(self._output):
                await connection.write(bytes(self._output[: self._left]))
                self._end(in_order=connection.random.random() < 0.5)
                return
            if self._output:
                data = bytes(self._output)
                self._output.clear()
                if self._left is not None:
                    self._left -= len(data)
                await connection.write(data)
            elif self._goes_away and not self._answers:
                self._end(in_order=True)
                return
            else:
                await self._changes.wait()

    def _end(self, *, in_order: bool) -> None:
        if in_order:
            self._connection.close()
        else:
            self._connection.reset()
