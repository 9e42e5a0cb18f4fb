"""One cookie: what it is, how a Set-Cookie field becomes one, and which requests it matches.

Pure functions of RFC 6265bis sections 5.1 and 5.7. `set_cookie` parses the field, `store` holds the cookies;
this module decides whether a host may set a cookie.
"""

from __future__ import annotations

from typing import Any, Final

from .._brief import short_repr
from .._grammar import CONTROL
from .public_suffix import is_public_suffix
from .set_cookie import SetCookie

MAX_LIFETIME: Final = 400 * 86400.0
"""Seconds a cookie may live before it is renewed (RFC 6265bis 5.5)."""

Scope = tuple[str, bool, str]
"""Where a cookie applies: domain, host_only, path."""


class Cookie:
    """One cookie. ``expires`` is in unix seconds, None for the session; ``created`` orders cookies by age.

    ``domain`` is lower case without a leading dot; the cookie is for that host, and without ``host_only`` for
    its subdomains too. ``encoding``: of its name and value, for sending. ``from_server``: it came in a
    Set-Cookie field. ``changed`` and ``used`` count the store's operations. ``overridden``: for a cookie
    without a domain, the scopes in which a server changed its value.
    """

    __slots__ = (
        "changed",
        "created",
        "domain",
        "encoding",
        "expires",
        "from_server",
        "host_only",
        "http_only",
        "name",
        "overridden",
        "path",
        "same_site",
        "secure",
        "used",
        "value",
    )

    def __init__(
        self,
        name: str,
        value: str,
        domain: str = "",
        path: str = "/",
        *,
        host_only: bool = False,
        secure: bool = False,
        http_only: bool = False,
        same_site: str | None = None,
        expires: float | None = None,
        from_server: bool = False,
        encoding: str = "utf-8",
    ) -> None:
        self.name = name
        self.value = value
        self.domain = domain
        self.path = path
        self.host_only = host_only
        self.secure = secure
        self.http_only = http_only
        self.same_site = same_site
        self.expires = expires
        self.from_server = from_server
        self.encoding = encoding
        self.created = self.changed = self.used = 0
        self.overridden: tuple[Scope, ...] = ()

    @property
    def key(self) -> tuple[str, str, bool]:
        """What identifies it within its domain (RFC 6265bis section 5.7 step 23)."""
        return (self.name, self.path, self.host_only)

    @property
    def pair(self) -> str:
        """Its text in a Cookie header; that of a nameless cookie is its value alone."""
        return f"{self.name}={self.value}" if self.name else self.value

    @property
    def octets(self) -> bytes:
        """`pair` as it is sent: a server's cookie byte for byte as received."""
        return self.pair.encode(self.encoding)

    def is_expired(self, now: float) -> bool:
        """True if it is expired at ``now``."""
        return self.expires is not None and self.expires <= now

    def copy(self) -> Cookie:
        """An equal, independent cookie."""
        return Cookie.of(self.fields())

    def fields(self) -> dict[str, Any]:
        """All its attributes, for `of`; and for pickles, which then name no private class."""
        return {slot: getattr(self, slot) for slot in Cookie.__slots__}

    @staticmethod
    def of(fields: dict[str, Any]) -> Cookie:
        """The cookie of these `fields`."""
        cookie = Cookie.__new__(Cookie)
        for name, value in fields.items():
            setattr(cookie, name, value)
        return cookie

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cookie):
            return NotImplemented
        return self._facts() == other._facts()

    def __hash__(self) -> int:
        return hash((self.domain, self.key))

    def _facts(self) -> tuple[object, ...]:
        return (
            self.domain,
            self.key,
            self.value,
            self.encoding,
            self.secure,
            self.http_only,
            self.same_site,
            self.expires,
        )

    def __repr__(self) -> str:
        return f"<Cookie {self.name}=[secure] for {self.domain or 'any host'}{self.path}>"


def is_overridden(cookie: Cookie, host: str, path: str) -> bool:
    return any(
        (host == domain or (not host_only and domain_matches(host, domain)))
        and path_matches(path, scope_path)
        for domain, host_only, scope_path in cookie.overridden
    )


def accepted(field: SetCookie, host: str, path: str, is_secure: bool, now: float) -> Cookie | None:
    """The cookie that ``field`` makes, or None if this host may not set it."""
    domain = _accepted_domain(field.domain, host)
    if domain is None or (field.secure and not is_secure):
        return None
    cookie = Cookie(
        field.name,
        field.value,
        domain or host,
        default_path(path) if field.path is None else field.path,
        host_only=not domain,
        secure=field.secure,
        http_only=field.http_only,
        same_site=field.same_site,
        expires=_expiry(field, now),
        from_server=True,
        encoding=field.encoding,
    )
    return cookie if _keeps_prefix(cookie, field.has_path) else None


def _accepted_domain(domain: str | None, host: str) -> str | None:
    """The domain a cookie from ``host`` covers: "" for the host alone, None if it is refused.

    RFC 6265bis 5.7 steps 8 to 11.
    """
    if not domain:
        return ""
    if not domain.isascii() or not domain_matches(host, domain):
        return None
    if is_ip(host):
        return ""
    if is_public_suffix(domain):
        return "" if domain == host else None
    return domain


def _expiry(field: SetCookie, now: float) -> float | None:
    """Max-Age beats Expires (RFC 6265bis 5.7 step 6)."""
    if field.max_age is not None:
        return now + min(field.max_age, MAX_LIFETIME) if field.max_age > 0 else float("-inf")
    return None if field.expires is None else min(field.expires, now + MAX_LIFETIME)


def _keeps_prefix(cookie: Cookie, has_path: bool) -> bool:
    """Whether it fulfils the conditions of a prefix of its name (RFC 6265bis section 5.7 steps 20 to 22)."""
    # A nameless cookie is sent as its value alone, which a server would read as a name.
    name = (cookie.name or cookie.value).lower()
    if not name.startswith(("__secure-", "__host-")):
        return True
    if not cookie.name or not cookie.secure:
        return False
    return name.startswith("__secure-") or (cookie.host_only and has_path and cookie.path == "/")


def domains_of(host: str) -> list[str]:
    """The host and its parents, nearest first; an IP address has none.

    Never "", not even for a host that ends in a dot: "" is the domain of cookies without one.
    """
    domains = [host]
    if not is_ip(host):
        dot, end = host.find("."), len(host) - 1
        while 0 <= dot < end:
            domains.append(host[dot + 1 :])
            dot = host.find(".", dot + 1)
    return domains


def is_ip(host: str) -> bool:
    """True for an address. A name whose last label is a number isn't a name (WHATWG URL, 3.5)."""
    last = host.removesuffix(".").rpartition(".")[2]
    return ":" in host or last.isdigit() or last.startswith("0x")


def domain_matches(host: str, domain: str) -> bool:
    """True if ``host`` is ``domain`` or lies under it (RFC 6265bis 5.1.3)."""
    return host == domain or (host.endswith("." + domain) and not is_ip(host))


def path_matches(path: str, cookie_path: str) -> bool:
    """True if a request for ``path`` lies under ``cookie_path`` (RFC 6265bis 5.1.4)."""
    if not path.startswith(cookie_path):
        return False
    return len(path) == len(cookie_path) or cookie_path[-1:] == "/" or path[len(cookie_path)] == "/"


def default_path(path: str) -> str:
    """The path of a cookie that names none: the request's up to its last slash (RFC 6265bis 5.1.4)."""
    folder = path.rpartition("/")[0] if path[:1] == "/" else ""
    return folder or "/"


def check_pair(name: object, value: object) -> None:
    """Raise ValueError or TypeError, naming the cookie, for what can't be sent, or would be parsed
    otherwise."""
    if not isinstance(name, str):
        raise TypeError(f"a cookie's name must be a str, not {type(name).__name__}")
    if not isinstance(value, str):
        raise TypeError(f"the value of cookie {short_repr(name)} must be a str, not {type(value).__name__}")
    if not name or "=" in name or not _can_be_sent(name):
        raise ValueError(
            "a cookie's name must not be empty nor have '=', ';', controls or lone surrogates: "
            f"{short_repr(name)}"
        )
    if not _can_be_sent(value):
        raise ValueError(
            f"the value of cookie {short_repr(name)} has a ';', a control character or a lone surrogate"
        )


def _can_be_sent(text: str) -> bool:
    if ";" in text or CONTROL.search(text):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def check_path(name: str, path: object) -> None:
    """Raise ValueError or TypeError, naming the cookie, for a path that no cookie can have."""
    if not isinstance(path, str):
        raise TypeError(f"the path of cookie {short_repr(name)} must be a str, not {type(path).__name__}")
    if path[:1] != "/" or not _can_be_sent(path):
        raise ValueError(
            f"the path of cookie {short_repr(name)} must start with '/', and have no ';', controls or lone "
            f"surrogates: {short_repr(path)}"
        )


def checked_domain(domain: str) -> str:
    """The domain in the form of ``url.host``, without a leading dot; "" stays. Raises ValueError."""
    if not isinstance(domain, str):
        raise TypeError(f"a cookie's domain must be a str, not {type(domain).__name__}")
    name = domain.removeprefix(".")
    if not name:
        return ""
    from .._url import normalise_host, normalise_ipv6

    try:
        return normalise_ipv6(name) if name.count(":") > 1 and name[0] != "[" else normalise_host(name)
    except ValueError as exc:
        raise ValueError(
            f"a cookie's domain must be a host without port, not {short_repr(domain)}: {exc}"
        ) from exc
