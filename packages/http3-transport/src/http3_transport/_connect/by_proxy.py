"""Opens a stream that leads through a proxy: connect to it, speak TLS to it, have it connect to the target.

What fails on the way is the proxy's, and says so; the target's part begins with the TLS handshake, which
`opening` does. All of it ends by one moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from http3_models import (
    URL,
    AddressRefused,
    Delivery,
    Headers,
    ProxyError,
    RequestError,
    Timeout,
    TimeoutConfig,
    TLSError,
)
from http3_models.engine import EMPTY_BODY, Deadline, RequestState, close, ssl_context_for

from .._backends._connecting import Refused, host_of, open_stream, order_addresses, permitted
from .._backends._sockets import is_unix
from .._errors import network_error, reason
from .._http1 import HTTP11Connection
from .._interfaces import OperationTimeout
from .legacy_backend import LegacyBackend
from .routes import ConnectForm, ProxyCredentials
from .socks5 import ABOUT_THE_ADDRESS, SocksRefused, handshake

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from http3_models import Origin, Proxy
    from http3_models.engine import ResponseState

    from .._backends._address_book import AddressBook
    from .._interfaces import Backend, Stream
    from .options import TransportOptions
    from .routes import Route
    from .socks5 import Step

MAX_CONTENT = 64 * 1024
"""Bytes of a refusal's body that are kept for `ProxyError`."""

_ROUNDS = 3
"""Times that CONNECT is sent: with Basic or nothing, for a challenge, and again if its nonce was stale."""

_MOST_ADDRESSES = 4
"""Addresses of a target that a ``socks5`` proxy is asked for, one after the other."""


class _Again(Exception):
    """CONNECT is to be sent again, over a new connection."""


class _NoLease:
    """The lease of CONNECT, whose connection no pool knows yet."""

    answered = False

    def release(self) -> None:
        pass

    def release_from_finalizer(self, cleanup: Callable[[], None]) -> None:
        pass


class ProxyOpener:
    """One attempt to get a stream through a proxy, for one request. ``ends``: the moment by which it must
    succeed, on the transport's clock; None: no limit."""

    def __init__(
        self,
        options: TransportOptions,
        backend: Backend,
        addresses: AddressBook,
        route: Route,
        request: RequestState,
        ends: float | None,
    ) -> None:
        self._options = options
        self._backend = backend
        self._addresses = addresses
        self._route = route
        self._proxy: Proxy = route.proxy
        self._request = request
        self._ends = ends
        self._credentials = ProxyCredentials(route)
        self._rounds = 0

    async def open(self, origin: Origin) -> tuple[Stream, Headers | None]:
        """A plain stream to the origin, or for a forwarding proxy to the proxy; and the header fields of its
        answer to CONNECT.

        Raises ProxyError, TLSError, AddressRefused, OperationTimeout.
        """
        self._check_egress()
        phases, began = self._request.phases, self._options.now()
        try:
            return await self._opened(origin)
        finally:
            before = (phases.dns or 0.0) + (phases.connect or 0.0)
            phases.proxy = max(self._options.now() - began - before, 0.0)

    async def _opened(self, origin: Origin) -> tuple[Stream, Headers | None]:
        if self._proxy.is_socks:
            return await self._by_socks(origin), None
        if self._route.forwards(origin):
            return await self._reach(), None
        while True:
            stream = await self._reach()
            try:
                return stream, await self._connect(stream, origin)
            except _Again:
                stream.abort()
            except BaseException:
                stream.abort()
                raise

    def _check_egress(self) -> None:
        egress = self._options.egress
        if egress is not None and self._proxy.resolves and not egress.trusted_proxies:
            raise network_error(
                AddressRefused,
                self._request,
                f"The egress policy can't be applied to what the proxy {self._proxy} connects to; "
                "EgressPolicy(trusted_proxies=True) trusts it",
                Delivery.NOT_SENT,
            )

    def _left(self) -> float | None:
        """Seconds left. Raises OperationTimeout."""
        if self._ends is None:
            return None
        left = self._ends - self._options.now()
        if left <= 0:
            raise OperationTimeout
        return left

    # To the proxy.

    async def _reach(self) -> Stream:
        """A stream to the proxy, with TLS if it is one of https."""
        proxy, request, options = self._proxy, self._request, self._options
        try:
            if isinstance(self._backend, LegacyBackend):
                stream = await self._backend.open(proxy.origin, None, request)
            else:
                egress = options.egress
                stream = await open_stream(
                    self._backend,
                    proxy.url.host,
                    proxy.port,
                    self._left(),
                    egress=None if egress is None or egress.trusted_proxies else egress,
                    phases=request.phases,
                    now=options.now,
                    addresses=self._addresses,
                    stagger=options.network.stagger,
                )
        except Refused as exc:
            what = f"{exc}, the address of the proxy {proxy}"
            raise network_error(AddressRefused, request, what, Delivery.NOT_SENT) from exc
        except OSError as exc:
            raise self._error(f"could not connect to it: {reason(exc)}") from exc
        return await self._secured(stream) if proxy.origin.is_ssl else stream

    async def _secured(self, stream: Stream) -> Stream:
        from .._tls import start_tls

        proxy = self._proxy
        try:
            context = ssl_context_for(proxy.tls, ("http/1.1",))
            return await start_tls(stream, context, proxy.url.host, self._left(), now=self._options.now)
        except OSError as exc:
            stream.abort()
            what = f"The TLS handshake with the proxy {proxy} failed: {reason(exc)}"
            raise network_error(TLSError, self._request, what, Delivery.NOT_SENT) from exc
        except BaseException:
            stream.abort()
            raise

    # HTTP proxies (RFC 9110 section 9.3.6).

    async def _connect(self, stream: Stream, origin: Origin) -> Headers:
        """Have the proxy connect. Returns the header fields of its answer. Raises `_Again`."""
        options = self._options
        form = ConnectForm(self._proxy, self._credentials, origin)
        connection = HTTP11Connection(stream, now=options.now, limits=options.limits, form=form)
        is_first = True
        while True:
            try:
                response = await self._asked(connection, origin)
            except ProxyError as exc:
                if is_first:
                    raise
                raise _Again from exc  # it was closed behind the challenge
            is_first = False
            content = await self._content(response)
            if 200 <= response.status_code < 300:
                if content:
                    raise self._error("it sent bytes behind its answer to CONNECT before it was sent any")
                return response.headers
            self._rounds += 1
            learns = response.status_code == 407 and self._credentials.learn(
                response.headers, is_first=self._rounds == 1
            )
            if not learns or self._rounds >= _ROUNDS:
                raise self._refusal(response, content)
            if connection.is_closed or not connection.is_idle:
                raise _Again

    async def _asked(self, connection: HTTP11Connection, origin: Origin) -> ResponseState:
        left = self._left()
        connect = RequestState(
            "CONNECT",
            URL(str(origin)),
            Headers([("Host", origin.host)]),  # what is sent is up to ``form``
            EMPTY_BODY,
            timeout=TimeoutConfig(left),
            deadline=None if left is None else Deadline(left, self._options.now),
        )
        try:
            return await connection.exchange(connect, _NoLease())
        except Timeout as exc:
            raise OperationTimeout from exc
        except RequestError as exc:
            cause = exc.__cause__
            said = str(exc) if cause is None else reason(cause)
            raise self._error(f"CONNECT failed: {said}") from exc

    async def _content(self, response: ResponseState) -> bytes:
        """What the proxy sent with its answer, up to `MAX_CONTENT` bytes and as far as it came. Of more the
        connection is closed."""
        content, body = b"", response.body
        try:
            while body is not None and (chunk := await body.read_chunk()):
                content += chunk
                if len(content) >= MAX_CONTENT:
                    await close(response)
                    break
        except RequestError:
            pass  # the status says more than that the text was cut off
        return content[:MAX_CONTENT]

    def _refusal(self, response: ResponseState, content: bytes) -> ProxyError:
        status = f"{response.status_code} {response.reason_phrase}".strip()
        error = self._error(f"it answered CONNECT with {status}{_ADVICE.get(response.status_code, '')}")
        error.status_code, error.headers, error.content = response.status_code, response.headers, content
        return error

    # SOCKS proxies.

    async def _by_socks(self, origin: Origin) -> Stream:
        hosts = [origin.host] if self._proxy.resolves else await self._resolved(origin)
        for host in hosts[:-1]:
            try:
                return await self._socks(host, origin.port)
            except ProxyError as exc:
                cause = exc.__cause__
                if not (isinstance(cause, SocksRefused) and cause.code in ABOUT_THE_ADDRESS):
                    raise
        return await self._socks(hosts[-1], origin.port)

    async def _resolved(self, origin: Origin) -> list[str]:
        """Addresses of the target, looked up here."""
        options, request = self._options, self._request
        if isinstance(self._backend, LegacyBackend):
            raise self._error("the backend can't look up names; use socks5h, where the proxy does it")
        began = options.now()
        try:
            found = await self._addresses.resolve(self._backend, origin.host, origin.port, self._left())
            if options.egress is not None:
                found = permitted(found, options.egress)
        except Refused as exc:
            raise network_error(AddressRefused, request, str(exc), Delivery.NOT_SENT) from exc
        finally:
            request.phases.dns = options.now() - began
        hosts = [host_of(address) for address in order_addresses(found) if not is_unix(address)]
        if not hosts:
            raise OSError(f"the host name has no address: {origin.host}")
        return hosts[:_MOST_ADDRESSES]

    async def _socks(self, host: str, port: int) -> Stream:
        stream = await self._reach()
        try:
            await self._run(stream, handshake(host, port, self._proxy.auth))
        except SocksRefused as exc:
            stream.abort()
            raise self._error(f"it did not connect: {exc}") from exc
        except OSError as exc:
            stream.abort()
            raise self._error(f"the SOCKS handshake failed: {reason(exc)}") from exc
        except BaseException:
            stream.abort()
            raise
        return stream

    async def _run(self, stream: Stream, steps: Generator[Step, bytes, None]) -> None:
        received = b""
        try:
            step = next(steps)
            while True:
                if step.send:
                    await stream.write(step.send, self._left())
                received = b""
                while len(received) < step.receive:
                    piece = await stream.read(step.receive - len(received), self._left())
                    if not piece:
                        raise OSError("it closed the connection")
                    received += piece
                step = steps.send(received)
        except StopIteration:
            return
        finally:
            steps.close()

    def _error(self, what: str) -> ProxyError:
        said = f"The proxy {self._proxy}: {what}"
        error = network_error(ProxyError, self._request, said, Delivery.NOT_SENT)
        assert isinstance(error, ProxyError)
        return error


_ADVICE = {
    407: ": it wants other credentials (user:password in its URL, or Proxy(url, auth=...))",
    502: ": it could not reach the target",
    503: ": it could not reach the target",
    504: ": the target did not answer it",
}
"""What some answers to CONNECT mean."""
