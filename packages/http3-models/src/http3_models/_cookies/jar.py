"""The bridge to `http.cookiejar`: a `CookieJar` that shows a `CookieStore`, and changes written to a caller's
jar.

It is imported when a `CookieJar` is passed or asked for, since `http.cookiejar` takes 39 ms to import.

The two kinds of cookie differ in form. In `http.cookiejar` the domain of a cookie for subdomains has a
leading dot, and the host ``localhost`` is ``localhost.local``, which is reversed here.
"""

from __future__ import annotations

import http.cookiejar
from collections.abc import Callable, Iterable, Iterator

from .cookie import Cookie, check_pair, checked_domain
from .set_cookie import LATIN_1
from .store import CookieStore

_LOCALHOST = "localhost.local"

_ENCODING = "Encoding"
"""A nonstandard attribute: the encoding of a cookie that is not sent as UTF-8."""


def to_jar_cookie(cookie: Cookie) -> http.cookiejar.Cookie:
    """A `Cookie` as one of `http.cookiejar`; a nameless one becomes a name without a value."""
    domain = _jar_domain(cookie)
    rest: dict[str, str] = {}
    if cookie.http_only:
        rest["HttpOnly"] = ""
    if cookie.same_site is not None:
        rest["SameSite"] = cookie.same_site
    if cookie.encoding == LATIN_1:
        rest[_ENCODING] = LATIN_1
    return http.cookiejar.Cookie(
        version=0,
        name=cookie.name or cookie.value,
        value=cookie.value if cookie.name else None,
        port=None,
        port_specified=False,
        domain=domain,
        domain_specified=domain.startswith("."),
        domain_initial_dot=domain.startswith("."),
        path=cookie.path,
        path_specified=True,
        secure=cookie.secure,
        expires=None if cookie.expires is None else int(cookie.expires),
        discard=cookie.expires is None,
        comment=None,
        comment_url=None,
        rest=rest,
    )


def _jar_domain(cookie: Cookie) -> str:
    if not cookie.domain:
        return ""
    if not cookie.host_only:
        return "." + cookie.domain
    return _LOCALHOST if cookie.domain == "localhost" else cookie.domain


def from_jar_cookie(cookie: http.cookiejar.Cookie) -> Cookie:
    """A cookie of `http.cookiejar` as a `Cookie`. Raises ValueError for one that can't be sent."""
    name, value = cookie.name, cookie.value
    if value is None:
        check_pair("nameless", name)
        name, value = "", name
    else:
        check_pair(name, value)
    is_wide = cookie.domain.startswith(".") or cookie.domain_specified
    domain = "localhost" if cookie.domain == _LOCALHOST else checked_domain(cookie.domain)
    same_site = cookie.get_nonstandard_attr("SameSite")
    is_latin_1 = cookie.get_nonstandard_attr(_ENCODING) == LATIN_1 and max(name + value) <= "\xff"
    return Cookie(
        name,
        value,
        domain,
        cookie.path if cookie.path[:1] == "/" else "/",
        host_only=bool(domain) and not is_wide,
        secure=bool(cookie.secure),
        http_only=cookie.has_nonstandard_attr("HttpOnly"),
        same_site=same_site.lower() if same_site else None,
        expires=None if cookie.expires is None else float(cookie.expires),
        encoding=LATIN_1 if is_latin_1 else "utf-8",
    )


class JarMirror:
    """Repeats each change of the store in a jar of the caller's."""

    __slots__ = ("_jar",)

    def __init__(self, jar: http.cookiejar.CookieJar) -> None:
        self._jar = jar

    def put(self, cookie: Cookie) -> None:
        """Store it in the jar."""
        self._jar.set_cookie(to_jar_cookie(cookie))

    def drop(self, cookie: Cookie) -> None:
        """Remove it from the jar, if it is there."""
        try:
            self._jar.clear(_jar_domain(cookie), cookie.path, cookie.name or cookie.value)
        except KeyError:
            pass


_ByName = dict[str, http.cookiejar.Cookie]


class JarView(http.cookiejar.CookieJar):
    """A `CookieJar` that reads and writes a `CookieStore`.

    The cookies that it returns are copies; to change one, set it again.
    """

    def __init__(self, store: CookieStore, now: Callable[[], float]) -> None:
        self._store = store
        self._clock = now  # the base class has a `_now` of its own
        self._found: tuple[int, dict[str, dict[str, _ByName]]] = (-1, {})
        super().__init__()

    @property
    def _cookies(self) -> dict[str, dict[str, _ByName]]:
        """The cookies by domain, path and name, for the base class. Computed again after each change.

        The base class reads it once for each domain, and when a cookie expires.
        """
        version, domains = self._found
        if version != self._store.version:
            version, domains = self._store.version, {}
            for cookie in self:
                domains.setdefault(cookie.domain, {}).setdefault(cookie.path, {})[cookie.name] = cookie
            self._found = (version, domains)
        return domains

    @_cookies.setter
    def _cookies(self, empty: object) -> None:
        """The base class starts with an empty dict, which is not needed."""

    def __iter__(self) -> Iterator[http.cookiejar.Cookie]:
        return iter([to_jar_cookie(cookie) for cookie in self._store.live(self._clock())])

    def __len__(self) -> int:
        return len(self._store.live(self._clock()))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._store.live(self._clock())}>"

    __str__ = __repr__

    def __reduce__(self) -> tuple[type[JarView], tuple[CookieStore, Callable[[], float]]]:
        return (JarView, (self._store, self._clock))

    def set_cookie(self, cookie: http.cookiejar.Cookie) -> None:
        """Store a cookie, as one the caller set. Raises ValueError for one that can't be sent."""
        self._store.put(from_jar_cookie(cookie))

    def clear(self, domain: str | None = None, path: str | None = None, name: str | None = None) -> None:
        """Remove all cookies, or those of a domain, of a path in it, or one.

        Raises ValueError for a path without domain or a name without path, KeyError if there is none such.
        """
        if (name is not None and path is None) or (path is not None and domain is None):
            raise ValueError("a path needs a domain, and a name needs a path")
        found = [
            cookie
            for cookie in self._candidates(domain, name)
            if (domain is None or _jar_domain(cookie) == domain)
            and (path is None or cookie.path == path)
            and (name is None or (cookie.name or cookie.value) == name)
        ]
        if domain is not None and not found:
            raise KeyError(name or path or domain)
        for cookie in found:
            self._store.drop(cookie)

    def _candidates(self, domain: str | None, name: str | None) -> Iterable[Cookie]:
        """Cookies among which all of a jar's domain and name are, as few as can be found quickly."""
        store = self._store
        if domain is None:
            return store
        own = "localhost" if domain == _LOCALHOST else domain.removeprefix(".")
        return store.of_domain(own) if name is None else [*store.named(own, name), *store.named(own, "")]

    def clear_session_cookies(self) -> None:
        """Remove the cookies that have no expiry."""
        for cookie in self._store:
            if cookie.expires is None:
                self._store.drop(cookie)

    def clear_expired_cookies(self) -> None:
        """Remove the cookies whose time is over."""
        now = self._clock()
        for cookie in self._store:
            if cookie.is_expired(now):
                self._store.drop(cookie)
