"""`TransportOptions`: how connections are opened and used. Checked once, and handed on whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from http3_models import DEFAULT_LIMITS, EgressPolicy, Limits, NetworkConfig, SSLConfig, TimeoutConfig
from http3_models.engine import DEFAULT_NETWORK, as_timeout, check_http_versions, proxy_rules

from .backend_choice import check_backend, choose_clock

if TYPE_CHECKING:
    from http3_models import CertTypes, ConcurrencyBackend, ProxyTypes, TimeoutTypes, VerifyTypes
    from http3_models.engine import ProxyRules

    from .._interfaces import Backend, Clock

T = TypeVar("T")


class TransportOptions(NamedTuple):
    """What a `ConnectionPool` or an `HTTPConnection` was given for all its connections. Immutable."""

    tls: SSLConfig
    timeout: TimeoutConfig
    """For requests that name none."""
    backend: ConcurrencyBackend | Backend | None
    """As given; `choose_backend` returns the one for the event loop that runs."""
    http_versions: tuple[str, ...]
    limits: Limits
    egress: EgressPolicy | None
    now: Clock
    network: NetworkConfig = DEFAULT_NETWORK
    proxies: ProxyRules | None = None

    def by_http11(self) -> TransportOptions:
        """The same for HTTP/1.1 alone."""
        return self._replace(http_versions=("HTTP/1.1",))


def check_options(
    *,
    verify: VerifyTypes,
    cert: CertTypes | None,
    timeout: TimeoutTypes,
    backend: ConcurrencyBackend | Backend | None,
    http_versions: tuple[str, ...],
    trust_env: bool,
    limits: Limits | None,
    egress: EgressPolicy | None,
    now: Clock | None,
    network: NetworkConfig | None = None,
    proxy: ProxyTypes | ProxyRules | None = False,
) -> TransportOptions:
    """The options for what a user gave. Raises TypeError or ValueError, naming the argument."""
    return TransportOptions(
        timeout=as_timeout(timeout),
        now=choose_clock(now, backend),
        tls=SSLConfig(verify=verify, cert=cert, trust_env=trust_env),
        backend=check_backend(backend),
        http_versions=check_http_versions(http_versions),
        limits=DEFAULT_LIMITS if limits is None else check_argument("limits", limits, Limits),
        egress=None if egress is None else check_argument("egress", egress, EgressPolicy),
        network=DEFAULT_NETWORK if network is None else check_argument("network", network, NetworkConfig),
        proxies=proxy_rules(proxy, trust_env=trust_env),
    )


def check_argument(name: str, value: object, kind: type[T]) -> T:
    """The value. Raises TypeError, naming the argument, if it is of another kind."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, not {type(value).__name__}")
    return value
