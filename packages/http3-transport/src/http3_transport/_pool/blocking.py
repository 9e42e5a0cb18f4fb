"""`BlockingConnectionPool`: the connection pool for sync code, as a `Dispatcher`.

It runs a `ConnectionPool` over blocking sockets in the caller's thread. No await suspends there, so there is
no event loop and no other thread. A `Client` without ``dispatch=`` does the same; this class is for sync
dispatchers that wrap a pool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from http3_models import DEFAULT_POOL_LIMITS, DEFAULT_TIMEOUT_CONFIG, Dispatcher, Response
from http3_models.engine import HTTP_VERSIONS, hide_arguments, run_sync, view_response

from .._backends._blocking import BlockingBackend
from .._connect import send_by
from .pool import ConnectionPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models import CertTypes, EgressPolicy, Limits, PoolLimits, Request, TimeoutTypes, VerifyTypes

    from .._interfaces import Backend
    from .connection import HTTPConnection


class BlockingConnectionPool(Dispatcher):
    """Sends requests over pooled connections, and blocks meanwhile. Threads may share one.

    The arguments, their defaults and what they raise are those of `ConnectionPool`; ``backend`` is one that
    never suspends (None: `BlockingBackend`).
    """

    __module__ = "http3_transport"

    @hide_arguments
    def __init__(
        self,
        *,
        verify: VerifyTypes = True,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes = DEFAULT_TIMEOUT_CONFIG,
        pool_limits: PoolLimits = DEFAULT_POOL_LIMITS,
        backend: Backend | None = None,
        http_versions: tuple[str, ...] = HTTP_VERSIONS,
        trust_env: bool = True,
        replay: bool = True,
        limits: Limits | None = None,
        egress: EgressPolicy | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._pool = pool = ConnectionPool(
            verify=verify,
            cert=cert,
            timeout=timeout,
            pool_limits=pool_limits,
            backend=BlockingBackend() if backend is None else backend,
            http_versions=http_versions,
            trust_env=trust_env,
            replay=replay,
            limits=limits,
            egress=egress,
            now=now,
        )
        if not pool.blocks:
            raise TypeError(f"backend must be one that never suspends, not {type(backend).__name__}")
        self.now: Callable[[], float] = pool.now

    def __repr__(self) -> str:
        return repr(self._pool).replace("ConnectionPool", "BlockingConnectionPool", 1)

    @property
    def active_connections(self) -> list[HTTPConnection]:
        """Connections with a request under way."""
        return self._pool.active_connections

    @property
    def keepalive_connections(self) -> list[HTTPConnection]:
        """Idle connections, the one that is idle for the longest time first."""
        return self._pool.keepalive_connections

    def send(
        self,
        request: Request,
        verify: VerifyTypes | None = None,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes | None = None,
    ) -> Response:
        """Send a request; the response's body is still to be read. Raises TransportError subclasses."""
        pool = self._pool
        try:
            record = pool._outgoing(request, verify, cert, timeout, asynchronous=False)
        finally:
            del cert  # see `http3_models._redaction`
        return view_response(Response, run_sync(send_by(pool.exchange, record, request)))

    def close(self) -> None:
        """Close idle connections at once, busy ones when their response ends. Idempotent.

        Requests in the queue get ClientClosed, and so does every later request.
        """
        run_sync(self._pool.close())
