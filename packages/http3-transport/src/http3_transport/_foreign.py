"""Backends of the user's own, in the documented shape, behind the seams of the engine.

Such a `ConcurrencyBackend` offers one thing we need: ``connect`` with its reader and writer. Waiting and
sleeping are done by our own backend for the async library that runs. A reader can't be asked whether
something has arrived, so a connection that the server closed while idle shows only when it is used, and an
early answer during an upload only at its end.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from http3_models._brief import brief
from http3_models._config import TimeoutConfig
from http3_models._exceptions import Timeout
from http3_models._interfaces import Protocol
from http3_models._records import ConnectionInfo

from . import _process
from ._interfaces import OperationTimeout

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from http3_models._interfaces import BaseReader, BaseWriter, ConcurrencyBackend
    from http3_models._records import RequestState
    from http3_models._url import Origin

    from ._interfaces import Address, Backend, Stream, Waiter

_ALPN = {Protocol.HTTP_2: "h2", Protocol.HTTP_11: "http/1.1"}


class ForeignBackend:
    """A user's backend as a `Backend` of ours; ``native`` is our own one for the library that runs."""

    def __init__(self, backend: ConcurrencyBackend, native: Backend) -> None:
        self._backend = backend
        self._native = native

    def __repr__(self) -> str:
        return f"<ForeignBackend {brief(self._backend)}>"

    async def open(
        self, origin: Origin, context: ssl.SSLContext | None, request: RequestState
    ) -> tuple[Stream, str | None]:
        """Connect with the user's ``connect``; TLS and ALPN are its business.

        It applies the time limit too; what it raises of ours passes.
        """
        limit = request.timeout.connect_timeout if request.timeout is not None else None
        if request.deadline is not None:
            limit = request.deadline.within(limit)
        timeout = TimeoutConfig(connect_timeout=limit, read_timeout=None, write_timeout=None)
        now = request.phases.now
        started = 0.0 if now is None else now()
        try:
            reader, writer, protocol = await self._backend.connect(origin.host, origin.port, context, timeout)
        except (Timeout, TimeoutError) as exc:
            raise timed_out(exc) from exc
        finally:
            if now is not None:
                request.phases.connect = now() - started
        if protocol not in _ALPN:
            raise TypeError(f"{brief(self._backend)}.connect() must return a Protocol, not {brief(protocol)}")
        # A cleartext HTTP/1.1 connection has no ALPN; HTTP/2 over it is prior knowledge.
        alpn = None if context is None and protocol != Protocol.HTTP_2 else _ALPN[protocol]
        return ForeignStream(reader, writer, alpn), alpn

    def scope(self) -> object:
        """The running loop, as our own backend sees it."""
        return self._native.scope()

    def scope_has_ended(self, scope: object) -> bool:
        """As our own backend sees it."""
        return self._native.scope_has_ended(scope)

    def waiter(self) -> Waiter:
        """One of our own backend's."""
        return self._native.waiter()

    async def sleep(self, seconds: float) -> None:
        """As our own backend does."""
        await self._native.sleep(seconds)

    async def resolve(self, host: str, port: int, timeout: float | None) -> Sequence[Address]:
        """Not used: the user's ``connect`` does all of it."""
        self._not_used()

    async def connect_address(self, address: Address, timeout: float | None) -> Stream:
        """Not used: the user's ``connect`` does all of it."""
        self._not_used()

    async def connect_first(
        self, addresses: Sequence[Address], timeout: float | None, stagger: float
    ) -> Stream:
        """Not used: the user's ``connect`` does all of it."""
        self._not_used()

    def _not_used(self) -> NoReturn:
        raise RuntimeError("a backend of the user's own connects by itself")


class ForeignStream:
    """A reader and a writer of the user's as a `Stream` of ours."""

    __slots__ = ("_closed", "_generation", "_reader", "_writer", "alpn_protocol")

    is_truncated = False
    has_unsent = False

    def __init__(self, reader: BaseReader, writer: BaseWriter, alpn: str | None) -> None:
        self._reader = reader
        self._writer = writer
        self._generation = _process.generation
        self._closed = False
        self.alpn_protocol = alpn

    @property
    def info(self) -> ConnectionInfo:
        """Nothing is known."""
        return ConnectionInfo()

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        """Bytes from the user's reader."""
        self._check()
        try:
            return await self._reader.read(max_bytes, TimeoutConfig(read_timeout=timeout))
        except (Timeout, TimeoutError) as exc:
            raise timed_out(exc) from exc

    def read_nowait(self, max_bytes: int) -> bytes | None:
        """A reader can't be asked."""
        return None

    async def write(self, data: bytes | memoryview, timeout: float | None) -> None:
        """Bytes to the user's writer."""
        self._check()
        try:
            await self._writer.write(bytes(data), TimeoutConfig(write_timeout=timeout))
        except (Timeout, TimeoutError) as exc:
            raise timed_out(exc) from exc

    async def write_until_readable(self, data: bytes | memoryview, timeout: float | None) -> int:
        """All of it: a reader can't be asked."""
        await self.write(data, timeout)
        return len(data)

    def write_nowait(self, data: bytes | memoryview) -> int:
        """The user's writer keeps what it can't send."""
        self._check()
        self._writer.write_no_block(bytes(data))
        return len(data)

    def close(self) -> None:
        """One step of the writer's ``close``; nobody waits for more, and what it raises helps nobody.

        Not in a forked child: the connection is the parent's, and whatever closing means would be done to it.
        """
        if self._closed:
            return
        self._closed = True
        if self._generation != _process.generation:
            return
        with suppress(Exception):
            closing = self._writer.close()
            with suppress(StopIteration):
                closing.send(None)
            closing.close()

    def abort(self) -> None:
        """As `close`: the documented writer knows nothing harder."""
        self.close()

    def _check(self) -> None:
        if self._closed:
            raise OSError("the stream is closed")


def timed_out(exc: Exception) -> Exception:
    """What a user's backend says when time is up; the kernel's own timeout (it has a number) is a failure."""
    if isinstance(exc, TimeoutError) and exc.errno is not None:
        return ConnectionError(exc.errno, exc.strerror)
    return OperationTimeout(str(exc))
