"""An HTTP/1.1 server for a `Simulation` (RFC 9112): keep-alive, chunked coding, and a death by seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .faults import Dice, Range, probability
from .http import Answer, Handler, HTTPServer, received_request

if TYPE_CHECKING:
    from http3_models.engine import FieldPair, RequestState

    from .server_connections import ServerConnection

TYPICAL_CUT = 500
"""Bytes of an answer, in the mean, after which a server dies; it covers heads as well as bodies."""


class Died(Exception):
    """The server is dead."""


class Output:
    """What is sent, until the server dies after ``left`` bytes (None: never)."""

    def __init__(self, connection: ServerConnection, left: int | None) -> None:
        self._connection = connection
        self._left = left

    @property
    def is_mortal(self) -> bool:
        """Whether the server dies, if not within the answer then behind it."""
        return self._left is not None

    def chunk_size(self, size: int, *, streamed: bool) -> int:
        """Into pieces of which size to cut so many bytes: as the handler gave them, or drawn."""
        return size if streamed else self._connection.random.randint(max(1, size // 8), size)

    async def write(self, data: bytes) -> None:
        """Send it. Raises Died."""
        if self._left is None:
            await self._connection.write(data)
            return
        await self._connection.write(data[: self._left])
        self._left -= len(data)
        if self._left < 0:
            raise Died


class HTTP11Server(HTTPServer):
    """A server function for `Simulation.serve`: requests go to ``handler``, its responses to the client.

    ``handler`` takes a `Request` and returns a `Response` or an `AsyncResponse`, or an awaitable of one, as
    for `MockDispatcher`. A body that is an iterable goes out chunked, piece by piece.

    - ``delay`` (0): seconds before each answer, or (least, most).
    - ``chunked`` (0): the probability that a body of bytes goes out chunked.
    - ``dies`` (0): the probability, for each request, that the server dies over it: before the handler is
      asked, or after that at any byte of the answer, or behind it, though it said nothing of closing. The
      connection is closed or reset then; the next one finds the server alive again.

    What the handler raises ends the simulation's run.
    """

    def __init__(
        self, handler: Handler, *, delay: Range = 0.0, chunked: float = 0.0, dies: float = 0.0
    ) -> None:
        super().__init__(handler, dies=dies, delay=delay)
        self._chunked = probability("chunked", chunked)

    async def __call__(self, connection: ServerConnection) -> None:
        """Serve one connection."""
        try:
            while await self._exchange(connection):
                pass
        except Died:
            if connection.random.random() < 0.5:
                connection.reset()

    async def _exchange(self, connection: ServerConnection) -> bool:
        """Answer one request: True if another may follow."""
        request, stays_open = await receive(connection)
        output = Output(connection, None)
        if self.dies_now(connection):
            if connection.random.random() < 0.25:
                raise Died
            output = Output(connection, int(connection.random.expovariate(1 / TYPICAL_CUT)))
        answer = await self.answer(connection, request)
        stays_open = stays_open and not _says_close(answer.fields)
        is_chunked = answer.length is None or (
            answer.has_body and Dice(connection.random).happens(self._chunked)
        )
        await output.write(_head(answer, is_chunked=is_chunked, stays_open=stays_open))
        if answer.has_body:
            await _send_body(output, answer, is_chunked=is_chunked)
        if output.is_mortal:
            raise Died
        return stays_open


async def receive(connection: ServerConnection) -> tuple[RequestState, bool]:
    """The next request, and whether another may follow it. Raises OSError where there is none."""
    line, *lines = (await connection.read_until(b"\r\n\r\n"))[:-4].split(b"\r\n")
    method, target, version = line.decode("latin-1").split(" ")
    fields = [(name, value.strip()) for name, _, value in [field.partition(b":") for field in lines]]
    by_name = {name.lower(): value for name, value in fields}
    if by_name.get(b"expect") == b"100-continue":
        await connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await _receive_body(connection, by_name)
    host = by_name.get(b"host", b"").decode("latin-1")
    request = received_request(connection, method, host, target, fields, body)
    return request, version == "HTTP/1.1" and not _says_close(fields)


async def _receive_body(connection: ServerConnection, fields: dict[bytes, bytes]) -> bytes:
    if fields.get(b"transfer-encoding") != b"chunked":
        return await connection.read_exactly(int(fields.get(b"content-length", b"0")))
    chunks = []
    while size := int((await connection.read_until(b"\r\n")).partition(b";")[0], 16):
        chunks.append((await connection.read_exactly(size + 2))[:-2])
    while await connection.read_until(b"\r\n") != b"\r\n":
        pass
    return b"".join(chunks)


def _says_close(fields: list[FieldPair]) -> bool:
    return any(name.lower() == b"connection" and b"close" in value.lower() for name, value in fields)


def _head(answer: Answer, *, is_chunked: bool, stays_open: bool) -> bytes:
    fields = list(answer.fields)
    if not answer.has(b"content-length") and not answer.has(b"transfer-encoding"):
        if is_chunked:
            fields.append((b"Transfer-Encoding", b"chunked"))
        elif answer.status_code not in (204, 304):
            fields.append((b"Content-Length", b"%d" % (answer.length or 0)))
    if not stays_open and not _says_close(fields):
        fields.append((b"Connection", b"close"))
    line = f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}\r\n".encode("latin-1")
    return b"".join([line, *[b"%b: %b\r\n" % field for field in fields], b"\r\n"])


async def _send_body(output: Output, answer: Answer, *, is_chunked: bool) -> None:
    while piece := await answer.next_piece():
        if not is_chunked:
            await output.write(piece)
            continue
        size = output.chunk_size(len(piece), streamed=answer.length is None)
        for start in range(0, len(piece), size):
            chunk = piece[start : start + size]
            await output.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
    if is_chunked:
        await output.write(b"0\r\n\r\n")
