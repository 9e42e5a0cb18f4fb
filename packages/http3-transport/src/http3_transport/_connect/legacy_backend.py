"""Users' backends with the interface of 0.6.7 (`ConcurrencyBackend`), as a `Backend`.

Only ``connect`` is used, with its reader and writer. Waiting and sleeping are done by the native backend for
the async library that runs. A reader can't say whether something has arrived, unless it is that of a native
backend. So a connection that the server closed while it was idle is noticed only when it is used, and an
early response only after the whole upload.

TLS is done by ``connect`` as well, which may have connected to another host. If its writer or reader reports
the TLS object, the certificate is checked for the URL's host before anything is sent.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from http3_models import ConnectionInfo, Delivery, Protocol, Timeout, TimeoutConfig, TLSError
from http3_models.engine import short_repr, short_text

from .. import _process
from .._errors import handshake_failed, network_error, time_left
from .._interfaces import OperationTimeout
from .certificate_names import covers, subject_names

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from http3_models import BaseReader, BaseWriter, ConcurrencyBackend, Origin
    from http3_models.engine import RequestState

    from .._interfaces import Address, Backend, Stream, Timer, Waiter

_ALPN = {Protocol.HTTP_2: "h2", Protocol.HTTP_11: "http/1.1"}


class LegacyBackend:
    """A user's backend as a `Backend`; ``native`` is the one for the async library that runs."""

    blocks = False
    must_look = False
    """A reader can't say whether something has arrived."""

    def __init__(self, backend: ConcurrencyBackend, native: Backend) -> None:
        self._backend = backend
        self._native = native

    def __repr__(self) -> str:
        return f"<LegacyBackend {short_repr(self._backend)}>"

    async def open(self, origin: Origin, context: ssl.SSLContext | None, request: RequestState) -> Stream:
        """Connect with the user's ``connect``, which does TLS and ALPN and applies the time limit.

        Raises OperationTimeout, OSError, TLSError, and any exception of http3 that ``connect`` raises.
        """
        limit = time_left(request, "connect")
        timeout = TimeoutConfig(connect_timeout=limit, read_timeout=None, write_timeout=None)
        checks_host = context is not None and context.check_hostname  # before ``connect`` can change it
        now = request.phases.now
        started = 0.0 if now is None else now()
        try:
            reader, writer, protocol = await self._backend.connect(origin.host, origin.port, context, timeout)
        except (Timeout, TimeoutError) as exc:
            raise timed_out(exc) from exc
        except OSError as exc:
            if context is not None and is_of_tls(exc):
                what = handshake_failed(origin.host, origin.port, exc)
                raise network_error(TLSError, request, what, Delivery.NOT_SENT) from exc
            raise
        finally:
            if now is not None:
                request.phases.connect = now() - started
        if protocol not in _ALPN:
            raise TypeError(
                f"{short_repr(self._backend)}.connect() must return a Protocol, not {short_repr(protocol)}"
            )
        # Without TLS there is no ALPN; HTTP/2 is prior knowledge then.
        alpn = None if context is None and protocol != Protocol.HTTP_2 else _ALPN[protocol]
        stream = LegacyStream(reader, writer, alpn)
        if checks_host:
            self._check_host(stream, origin.host, request, tls_object_of(writer, reader))
        return stream

    def _check_host(self, stream: LegacyStream, host: str, request: RequestState, tls: Any) -> None:
        """Raise TLSError, and close the connection, unless its certificate is for the host."""
        if tls is None:
            return
        try:
            fault = _fault_of(tls, host)
        except ValueError as exc:  # there was no handshake
            stream.abort()
            raise network_error(TLSError, request, str(exc), Delivery.NOT_SENT) from exc
        if fault is not None:
            stream.abort()
            what = f"The connection of {short_repr(self._backend)} is not shown to be one to {host}: {fault}"
            raise network_error(TLSError, request, what, Delivery.NOT_SENT)

    def loop_token(self) -> object:
        """That of the native backend."""
        return self._native.loop_token()

    def loop_has_ended(self, loop_token: object) -> bool:
        """That of the native backend."""
        return self._native.loop_has_ended(loop_token)

    def waiter(self) -> Waiter:
        """That of the native backend."""
        return self._native.waiter()

    async def sleep(self, seconds: float) -> None:
        """That of the native backend."""
        await self._native.sleep(seconds)

    def call_later(self, seconds: float, action: Callable[[], object]) -> Timer | None:
        """That of the native backend."""
        return self._native.call_later(seconds, action)

    def call_soon(self, loop_token: object, action: Callable[[], object]) -> bool:
        """That of the native backend."""
        return self._native.call_soon(loop_token, action)

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
        raise RuntimeError("a backend with only connect() opens connections itself")


class LegacyStream:
    """A user's reader and writer, as a `Stream`."""

    __slots__ = ("_closed", "_generation", "_look", "_reader", "_writer", "alpn_protocol")

    is_truncated = False
    has_unsent = False

    def __init__(self, reader: BaseReader, writer: BaseWriter, alpn: str | None) -> None:
        self._reader = reader
        self._look: Callable[[int], bytes | None] | None = getattr(reader, "_read_nowait", None)
        self._writer = writer
        self._generation = _process.generation
        self._closed = False
        self.alpn_protocol = alpn

    @property
    def info(self) -> ConnectionInfo:
        """Empty: a reader or writer reports nothing."""
        return ConnectionInfo()

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        """Bytes from the user's reader."""
        self._check()
        try:
            return await self._reader.read(max_bytes, TimeoutConfig(read_timeout=timeout))
        except (Timeout, TimeoutError) as exc:
            raise timed_out(exc) from exc

    def read_nowait(self, max_bytes: int) -> bytes | None:
        """None, unless the reader is that of a native backend (which the user's one extends)."""
        if self._look is None:
            return None
        self._check()
        return self._look(max_bytes)

    async def write(self, data: bytes | memoryview, timeout: float | None) -> None:
        """Bytes to the user's writer."""
        self._check()
        try:
            await self._writer.write(bytes(data), TimeoutConfig(write_timeout=timeout))
        except (Timeout, TimeoutError) as exc:
            raise timed_out(exc) from exc

    async def write_until_readable(self, data: bytes | memoryview, timeout: float | None) -> int:
        """All of it: a reader can't say whether something has arrived."""
        await self.write(data, timeout)
        return len(data)

    def write_nowait(self, data: bytes | memoryview) -> int:
        """All of it: the user's writer keeps what it can't send."""
        self._check()
        self._writer.write_no_block(bytes(data))
        return len(data)

    async def wait_writable(self, timeout: float | None, *, or_readable: bool = False) -> bool:
        """False at once: there is always room for `write_nowait`, and whether there is something to read is
        not known."""
        self._check()
        return False

    def close(self) -> None:
        """Run the writer's ``close`` up to its first await, and ignore what it raises.

        Not in a forked child, where it might close the connection of the parent.
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
        """The same as `close`: a writer has nothing else."""
        self.close()

    def _check(self) -> None:
        if self._closed:
            raise OSError("the stream is closed")


def is_of_tls(exc: OSError) -> bool:
    """Whether ``connect`` failed in the TLS handshake."""
    from .._tls import is_tls_error  # plain http loads no ssl

    return is_tls_error(exc)


def tls_object_of(*halves: object) -> Any:
    """The `ssl.SSLObject` (or SSLSocket) below a writer or reader; None where neither reports one.

    They report it as asyncio's streams do, by ``get_extra_info("ssl_object")``, or as an attribute
    ``ssl_object``. Those of 0.6.7 have asyncio's as ``stream_writer``.
    """
    for half in halves:
        for shown in (half, getattr(half, "stream_writer", None)):
            ask = getattr(shown, "get_extra_info", None)
            found = ask("ssl_object") if callable(ask) else getattr(shown, "ssl_object", None)
            if callable(getattr(found, "getpeercert", None)):
                return found
    return None


def _fault_of(tls: Any, host: str) -> str | None:
    """Why the certificate does not show that this is the host; None if it does."""
    context = getattr(tls, "context", None)
    asked = getattr(tls, "server_hostname", None)
    is_strict = not getattr(context, "hostname_checks_common_name", True)  # a common name does not count
    compares = is_strict and getattr(context, "check_hostname", False)
    if compares and asked is not None and asked.lower() == host.strip("[]"):
        return None  # OpenSSL has compared them
    certificate = tls.getpeercert()
    if not certificate:
        return "the certificate was not verified; verify=False says that it need not be"
    if covers(certificate, host):
        return None
    names = ", ".join(name for _, name in subject_names(certificate))
    return f"the certificate is for {short_text(names) or 'no host'}"


def timed_out(exc: Exception) -> Exception:
    """OperationTimeout for a timeout that a user's backend raises; for one from the kernel, with an errno,
    ConnectionError."""
    if isinstance(exc, TimeoutError) and exc.errno is not None:
        return ConnectionError(exc.errno, exc.strerror)
    return OperationTimeout(str(exc))
