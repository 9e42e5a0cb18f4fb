"""`Cookies`: the public mapping of names to values, over the store that decides which are sent where.

Only this class reads a clock: ``now`` is called once for each operation, and the time is passed to `store`,
which decides what is stored and sent. Here are the caller's view of the store, the checks of what a caller
sets, and what a client calls: `Cookies.header_for` and `Cookies.extract`.

An empty store costs a request nothing, and a response without Set-Cookie one look-up in its headers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from time import time as _wall_clock
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, TypeGuard, TypeVar, Union, overload

from .._brief import short_repr
from .._exceptions import CookieConflict
from .._redaction import hide_arguments
from .cookie import Cookie, check_pair, check_path, checked_domain
from .set_cookie import read_set_cookie, to_bytes, to_text
from .store import CookieStore

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

    from .._headers import Headers
    from .._url import URL

T = TypeVar("T")

CookieTypes: TypeAlias = Union["Cookies", "CookieJar", Mapping[str, str], Iterable[tuple[str, str]]]
"""What `Cookies` can be made of. The jar is a forward reference: its module takes 39 ms to import."""


class Message(Protocol):
    """A request or a response (RFC 9110 section 6), as far as cookies need it."""

    @property
    def url(self) -> URL: ...
    @property
    def headers(self) -> Headers: ...


class Cookies(MutableMapping[str, str]):  # noqa: PLW1641 - it can change, so it has no hash
    """The cookies of a client, a request or a response: a mutable mapping of names to values.

    ``cookies``: a mapping or pairs, whose cookies have no domain; another `Cookies`, which is copied; or a
    ``http.cookiejar.CookieJar``, which is read and from then on written to with each change (so
    ``MozillaCookieJar.save()`` saves what servers set), but not by copies. ``now``: the clock that expiry is
    measured with, unix seconds.

    What servers set is stored and sent according to RFC 6265bis. A cookie without a domain is sent to the
    hosts that the caller requests (with a ``base_url``: to its host), never to another origin that a redirect
    leads to. Iteration yields each name once; a lookup by a name that several cookies have raises
    CookieConflict.

    Raises TypeError for other types, ValueError for a name or value that can't be sent.
    """

    __slots__ = ("_jar", "_now", "_store")

    _jar: CookieJar | None

    @hide_arguments
    def __init__(self, cookies: CookieTypes | None = None, *, now: Callable[[], float] = _wall_clock) -> None:
        self._store = CookieStore()
        self._now = now
        self._jar = None
        if cookies is None:
            return
        if _is_jar(cookies):
            from .jar import JarMirror

            self._load_jar(cookies)
            self._store.mirror = JarMirror(cookies)
        elif isinstance(cookies, Cookies):
            self._store = cookies._store.copy()
        else:
            self._load(cookies)

    # Reading

    def __getitem__(self, name: str) -> str:
        """The cookie's value. Raises KeyError, or CookieConflict where several have this name."""
        cookie = self._find_one(name, None, None)
        if cookie is None:
            raise KeyError(name)
        return cookie.value

    @overload
    def get(
        self, name: str, default: None = None, domain: str | None = None, path: str | None = None
    ) -> str | None: ...
    @overload
    def get(self, name: str, default: str, domain: str | None = None, path: str | None = None) -> str: ...
    @overload
    def get(self, name: str, default: T, domain: str | None = None, path: str | None = None) -> str | T: ...
    def get(
        self, name: str, default: object = None, domain: str | None = None, path: str | None = None
    ) -> object:
        """The value of the cookie of this name, domain and path; None for either means any.

        Returns ``default`` if there is none; raises CookieConflict if there are several. A ``domain`` of ""
        means the cookies without one.
        """
        cookie = self._find_one(name, domain, path)
        return default if cookie is None else cookie.value

    def _find_one(self, name: str, domain: str | None, path: str | None) -> Cookie | None:
        found = self._find(name, domain, path)
        if len(found) > 1:
            places = ", ".join([f"{cookie.domain or 'any host'}{cookie.path}" for cookie in found])
            raise CookieConflict(
                f"Several cookies are named {short_repr(name)} ({places}); give domain or path"
            )
        return found[0] if found else None

    def _find(self, name: str, domain: str | None, path: str | None) -> list[Cookie]:
        if not self._store:
            return []
        wanted = None if domain is None else checked_domain(domain)
        return self._store.find(name, wanted, path, self._now())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._find(name, None, None))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([cookie.name for cookie in self._live()]))

    def __len__(self) -> int:
        return len({cookie.name for cookie in self._live()})

    def __bool__(self) -> bool:
        return bool(self._store) and self._store.any_live(self._now()) is not None

    def _live(self) -> list[Cookie]:
        return self._store.live(self._now()) if self._store else []

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Cookies):
            return set(self._live()) == set(other._live())
        if isinstance(other, Mapping):
            pairs = [(cookie.name, cookie.value) for cookie in self._live()]
            return len(pairs) == len(other) and dict(pairs) == dict(other)
        return NotImplemented

    def __repr__(self) -> str:
        if not hasattr(self, "_store"):  # the constructor failed
            return "<Cookies>"
        shown = ", ".join([f"{cookie!r}" for cookie in self._live()])
        return f"<Cookies [{shown}]>"

    # Writing

    @hide_arguments
    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    @hide_arguments
    def set(
        self,
        name: str,
        value: str,
        domain: str = "",
        path: str = "/",
        *,
        secure: bool = False,
        expires: float | None = None,
    ) -> None:
        """Store a cookie; it replaces one with the same name, domain and path.

        ``domain``: a host, also for its subdomains; "" for the hosts that the caller requests. ``path``: for
        requests below it. ``secure``: only over https. ``expires``: unix seconds, None for as long as this
        object lives.

        Raises ValueError for a name or value with control characters or ``;``, a name that is empty or has
        ``=``, a malformed domain or a path without a leading slash; TypeError for other types than str.
        """
        check_pair(name, value)
        check_path(name, path)
        cookie = Cookie(name, value, checked_domain(domain), path, secure=secure, expires=expires)
        self._store.put(cookie)

    def __delitem__(self, name: str) -> None:
        """Remove all cookies of this name. Raises KeyError if there is none."""
        found = self._find(name, None, None)
        if not found:
            raise KeyError(name)
        for cookie in found:
            self._store.drop(cookie)

    def popitem(self) -> tuple[str, str]:
        """Remove a name, and return it with its value. Raises KeyError if there is none, or
        CookieConflict."""
        cookie = self._store.any_live(self._now())
        if cookie is None:
            raise KeyError("there are no cookies")
        return cookie.name, self.pop(cookie.name)

    def delete(self, name: str, domain: str | None = None, path: str | None = None) -> None:
        """Remove the cookies of this name, domain and path (None: any); it is no error if there is none."""
        for cookie in self._find(name, domain, path):
            self._store.drop(cookie)

    def clear(self, domain: str | None = None, path: str | None = None) -> None:
        """Remove all cookies, or those of a domain, or of a path."""
        store = self._store
        for cookie in store if domain is None else store.of_domain(checked_domain(domain)):
            if path is None or cookie.path == path:
                store.drop(cookie)

    @hide_arguments
    def update(self, cookies: object = (), /, **named: str) -> None:
        """Add cookies of any kind that `Cookies` can be made of; those that have a domain keep it."""
        if isinstance(cookies, Cookies):
            for cookie in cookies._store:
                self._store.put(cookie.copy())
        elif _is_jar(cookies):
            self._load_jar(cookies)
        else:
            self._load(cookies)
        self._load(named)

    def _load_jar(self, jar: CookieJar) -> None:
        from .jar import from_jar_cookie

        for cookie in list(jar):
            self._store.put(from_jar_cookie(cookie))

    def _load(self, cookies: object) -> None:
        """Cookies of a mapping or pairs. Raises TypeError."""
        pairs = cookies.items() if isinstance(cookies, Mapping) else cookies
        if isinstance(pairs, str | bytes) or not isinstance(pairs, Iterable):
            raise TypeError(
                f"cookies must be a mapping, pairs, a CookieJar or Cookies, not {type(cookies).__name__}"
            )
        for pair in pairs:
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise TypeError(f"cookies must be pairs of name and value, not {type(pair).__name__}")
            self.set(*pair)

    # Requests and responses

    def header_for(self, url: URL, *, direct: bool = True, base_url: URL | None = None) -> bytes | None:
        """The Cookie header for a request to ``url``, None for none.

        Bytes, since a server's cookie is sent back as received, in any encoding. ``direct``: ``url`` has the
        origin that the caller requested; False for another origin that a redirect led to. ``base_url``: the
        client's, if it has one. The two decide about cookies without a domain.
        """
        if not self._store:
            return None
        if base_url is None:
            undomained = direct
        else:
            undomained = url.host == base_url.host and (direct or url.origin == base_url.origin)
        found = self._store.matching(url.host, url.path, url.is_ssl, self._now(), undomained)
        return b"; ".join([cookie.octets for cookie in found]) or None

    def set_cookie_header(self, request: Message) -> None:
        """Set the Cookie header of ``request``; the pairs that it has stay, and come first."""
        stored = self.header_for(request.url)
        header = join_cookie_headers(cookie_header(request.headers), stored)
        if stored is not None and header is not None:
            request.headers["Cookie"] = header

    def extract(self, url: URL, headers: Headers) -> None:
        """Store what a response to a request for ``url`` sets in its ``headers``."""
        if "set-cookie" not in headers:
            return
        now = self._now()
        for name, value in headers.raw:
            if name == b"set-cookie":
                field = read_set_cookie(value)
                if field is not None:
                    self._store.receive(field, url.host, url.path, url.is_ssl, now)

    def extract_cookies(self, response: Message) -> None:
        """Store what ``response`` sets. It must have a URL."""
        self.extract(response.url, response.headers)

    @property
    def jar(self) -> CookieJar:
        """These cookies as a ``http.cookiejar.CookieJar`` that reads and writes the same store."""
        if self._jar is None:
            from .jar import JarView

            self._jar = JarView(self._store, self._now)
        return self._jar

    # Copies

    def copy(self) -> Cookies:
        """An independent copy, whose changes are not written to a jar of the caller."""
        return Cookies(self, now=self._now)

    def __copy__(self) -> Cookies:
        return self.copy()

    def __getstate__(self) -> tuple[Any, Callable[[], float]]:
        return (self._store.__getstate__(), self._now)

    def __setstate__(self, state: tuple[Any, Callable[[], float]]) -> None:
        cookies, self._now = state
        self._store.__setstate__(cookies)
        self._jar = None

    def __reduce__(self) -> tuple[type[Self], tuple[()], object]:
        return (type(self), (), self.__getstate__())


def _is_jar(cookies: object) -> TypeGuard[CookieJar]:
    loaded = sys.modules.get("http.cookiejar")  # a jar exists only if it was imported
    return loaded is not None and isinstance(cookies, loaded.CookieJar)


def join_cookie_headers(*headers: str | bytes | None) -> bytes | None:
    """One Cookie header of several: of each, the pairs whose names no earlier one has; None for none."""
    given = [to_bytes(header) if isinstance(header, str) else header for header in headers if header]
    if len(given) < 2:
        return given[0] if given else None
    pairs: list[bytes] = []
    names: set[bytes] = set()
    for header in given:
        new = [pair for pair in _pairs(header) if _name(pair) not in names]
        names.update([_name(pair) for pair in new])
        pairs += new
    return b"; ".join(pairs)


def _pairs(header: bytes) -> list[bytes]:
    return [pair for text in header.split(b";") if (pair := text.strip(b" \t"))]


def _name(pair: bytes) -> bytes:
    """The name of a pair; that of a nameless cookie is empty."""
    name, equals, _ = pair.partition(b"=")
    return name.rstrip(b" \t") if equals else b""


def cookie_header(headers: Headers) -> str | None:
    """The Cookie header in ``headers``, several as one, as `to_text` shows its bytes; None without one."""
    if "cookie" not in headers:
        return None
    return to_text(b"; ".join([value for name, value in headers.raw if name == b"cookie"]))
