"""Which way requests take: directly, or through a proxy, and what that one is told of who asks.

A `Route` is made once for a proxy and serves all its connections. It forwards requests for http URLs, whose
request targets are then absolute (RFC 9112 section 3.2.2); anything else goes through a tunnel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from http3_models import Delivery, Headers, ProxyError
from http3_models.engine import basic_credentials

from .._errors import network_error

if TYPE_CHECKING:
    from collections.abc import Hashable

    from http3_models import Origin, Proxy
    from http3_models.engine import DigestChallenge, ProxyRules, RequestState

_AUTHORIZATION = "Proxy-Authorization"

_REMEMBERED = 64
"""Proxies whose routes are kept; programs that change their proxy with each request forget the oldest."""


class ProxyCredentials:
    """The value of Proxy-Authorization for the requests of one connection: Basic at once, Digest once the
    proxy has asked for that (RFC 9110 section 11.7). Connections share no nonce: proxies such as squid refuse
    counts that arrive in another order."""

    __slots__ = ("_auth", "_by_hand", "_challenge", "_is_borrowed")

    def __init__(self, route: Route) -> None:
        self._auth = route.proxy.auth
        self._by_hand = route.by_hand
        self._challenge = route.challenge
        self._is_borrowed = route.challenge is not None

    @property
    def challenge(self) -> DigestChallenge | None:
        """What the proxy asked for last, None for nothing."""
        return self._challenge

    def borrow(self, challenge: DigestChallenge | None) -> None:
        """Use the challenge of another connection, if this one has met none. A count may then arrive too
        late, so its refusal does not say that the credentials are wrong."""
        if self._challenge is None and challenge is not None:
            self._challenge = challenge
            self._is_borrowed = True

    def value(self, method: str, target: str) -> str | None:
        """For a request with this method and target; None if there are no credentials."""
        auth, challenge = self._auth, self._challenge
        if self._by_hand is not None or auth is None:
            return self._by_hand
        if challenge is None:
            return basic_credentials(*auth)
        from http3_models.engine import digest_credentials

        user, password = auth
        return digest_credentials(challenge, user.encode(), password.encode(), method, target)

    def learn(self, headers: Headers, *, is_first: bool) -> bool:
        """Whether a request is to be sent again after a 407 with these fields: as Digest, or with another
        nonce. ``is_first``: it is the first 407 of this request, which other requests may have overtaken."""
        if self._auth is None or self._by_hand is not None:
            return False
        from http3_models.engine import find_digest_challenge

        found = find_digest_challenge(headers, "Proxy-Authenticate")
        if found is None or found[0].qop == "auth-int":
            return False
        challenge, is_stale = found
        was_borrowed, self._is_borrowed = self._is_borrowed, False
        self._challenge = challenge
        return is_first or was_borrowed or is_stale


class Route:
    """The way through one proxy. ``by_hand``: the caller's own Proxy-Authorization, in place of the proxy's
    credentials. ``challenge``: that of a connection which was closed behind it, for the next one."""

    __slots__ = ("by_hand", "challenge", "key", "proxy")

    def __init__(self, proxy: Proxy, by_hand: str | None, challenge: DigestChallenge | None = None) -> None:
        self.proxy: Proxy = proxy
        self.by_hand: str | None = by_hand
        self.challenge: DigestChallenge | None = challenge
        self.key: Hashable = proxy if by_hand is None else (proxy, by_hand)
        """Equal for routes whose connections may be shared."""

    def __repr__(self) -> str:
        return f"<Route by {self.proxy}>"

    def after(self, challenge: DigestChallenge | None) -> Route:
        """The same, for a request that was given this challenge."""
        return Route(self.proxy, self.by_hand, challenge)

    def forwards(self, origin: Origin) -> bool:
        """Whether the proxy is sent the request itself, instead of being asked for a tunnel."""
        return not origin.is_ssl and not self.proxy.is_socks


def fields_for(proxy: Proxy, authorization: str | None) -> list[tuple[bytes, bytes]]:
    """The header fields for the proxy alone."""
    fields = proxy.headers
    if authorization is not None:
        fields[_AUTHORIZATION] = authorization
    return fields.wire


class ForwardForm:
    """The form of requests that a proxy forwards: an absolute target, and the fields for the proxy."""

    __slots__ = ("_proxy", "credentials")

    def __init__(self, route: Route) -> None:
        self._proxy = route.proxy
        self.credentials = ProxyCredentials(route)

    def write(self, request: RequestState) -> tuple[str, Headers]:
        """Target and header fields of a request."""
        url = request.url
        # OPTIONS for the server as a whole has no path then (RFC 9112 section 3.2.4).
        target = f"http://{url.netloc}{'' if url.full_path == '*' else url.full_path}"
        added = fields_for(self._proxy, self.credentials.value(request.method, target))
        if not added:
            return target, request.headers
        headers = request.headers.copy()
        for name, value in added:
            headers[name] = value
        return target, headers


class ConnectForm:
    """The form of CONNECT: the target is host and port (RFC 9110 section 9.3.6)."""

    __slots__ = ("_credentials", "_proxy", "_target")

    def __init__(self, proxy: Proxy, credentials: ProxyCredentials, origin: Origin) -> None:
        self._proxy = proxy
        self._credentials = credentials
        self._target = authority_of(origin)

    def write(self, request: RequestState) -> tuple[str, Headers]:
        """Target and header fields of CONNECT."""
        fields = fields_for(self._proxy, self._credentials.value("CONNECT", self._target))
        return self._target, Headers([(b"Host", self._target.encode()), *fields])


class Routes:
    """The route of each request of a pool. ``rules`` are those of the client; a request may have its own
    proxy."""

    __slots__ = ("_known", "_rules")

    def __init__(self, rules: ProxyRules | None) -> None:
        self._rules = rules
        self._known: dict[Hashable, Route] = {}

    @property
    def is_empty(self) -> bool:
        """True if requests that name no proxy have none."""
        return self._rules is None

    def choose(self, request: RequestState) -> Route | None:
        """The route; None: directly. Raises ProxyError if the environment names a proxy that is not valid."""
        from http3_models.engine import ProxyRules

        proxy = self._rules if request.proxy is None else request.proxy
        if isinstance(proxy, ProxyRules):
            try:
                proxy = proxy.choose(request.url)
            except ProxyError as exc:
                raise network_error(ProxyError, request, str(exc), Delivery.NOT_SENT) from exc
        if not proxy:
            return None
        by_hand = None if proxy.is_socks else request.headers.get(_AUTHORIZATION)
        key: Hashable = proxy if by_hand is None else (proxy, by_hand)
        route = self._known.get(key)
        if route is None:
            while len(self._known) >= _REMEMBERED:
                self._known.pop(next(iter(list(self._known))), None)
            route = self._known[key] = Route(proxy, by_hand)
        return route


def authority_of(origin: Origin) -> str:
    """``host:port``, IPv6 in brackets, always with the port."""
    return str(origin).partition("://")[2]
