"""Cookies in store: which are taken in, which are sent where (RFC 6265bis sections 5.7 and 5.8).

Pure: the time is passed in (unix seconds), nothing is read or written. The store is indexed by domain, so a
request looks at its host and the host's parents and at no other cookie; an empty store costs nothing. This
file owns the rule that no cookie reaches a host, a path or a scheme that it must not.

Beyond the RFC there are cookies without a domain: a caller who writes ``cookies={"session": "abc"}`` names
no host. They lie under the domain "" and go where the caller of `CookieStore.matching` says they may. Of
such a cookie and one with its name that a server set, only the newer is sent, so that a session a server
renewed is not sent twice, and one that it ended does not come back.

Bounds are those of browsers; only cookies that servers set count and are evicted.

Threads may share a store: each change is one operation on a dict, and loops run over copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from ._cookie import Cookie, accepted, domain_matches, domains_of, is_overridden, path_matches
from ._set_cookie import SetCookie

if TYPE_CHECKING:
    from _typeshed import SupportsRichComparison

MAX_PER_DOMAIN: Final = 180
MAX_COOKIES: Final = 3000
# Once the store is full, room for some more is made as well: finding the oldest means looking at all.
_ROOM: Final = 300


class Mirror(Protocol):
    """Whoever wants to know of every change: the caller's own CookieJar."""

    def put(self, cookie: Cookie) -> None:
        """``cookie`` is new, or replaced the one with its domain and key."""

    def drop(self, cookie: Cookie) -> None:
        """``cookie`` is gone."""


class CookieStore:
    """Cookies by domain. All methods that look at expiry take ``now`` in unix seconds."""

    __slots__ = ("_domains", "_size", "_tick", "mirror")

    def __init__(self) -> None:
        self._domains: dict[str, dict[tuple[str, str, bool], Cookie]] = {}
        self._size = 0  # may drift a little between threads; `_make_room` counts anew
        self._tick = 0
        self.mirror: Mirror | None = None

    def __bool__(self) -> bool:
        return bool(self._domains)

    def __iter__(self) -> Iterator[Cookie]:
        """All cookies, by age; expired ones too."""
        return iter(sorted(self._all(), key=_age))

    def _all(self) -> list[Cookie]:
        return [cookie for bucket in list(self._domains.values()) for cookie in list(bucket.values())]

    def copy(self) -> CookieStore:
        """A store with the same cookies; without the mirror."""
        twin = CookieStore()
        for cookie in self:
            bucket = twin._domains.setdefault(cookie.domain, {})
            bucket[cookie.key] = cookie.copy()
        twin._size, twin._tick = self._size, self._tick
        return twin

    def __getstate__(self) -> tuple[object, ...]:
        """For pickle and deep copies: all but the mirror, whose jar is the caller's and can't be pickled."""
        return (self._domains, self._size, self._tick)

    def __setstate__(self, state: tuple[dict[str, dict[tuple[str, str, bool], Cookie]], int, int]) -> None:
        self._domains, self._size, self._tick = state
        self.mirror = None

    # Taking in

    def receive(self, field: SetCookie, host: str, path: str, is_secure: bool, now: float) -> Cookie | None:
        """Store what a response from ``host`` said in answer to a request for ``path`` (RFC 6265bis 5.7).

        ``is_secure``: it came over TLS. Returns the cookie, or None if it was refused; a cookie that is
        expired already takes the stored one with it.
        """
        cookie = accepted(field, host, path, is_secure, now)
        if cookie is None or (not is_secure and self._would_shadow_secure(cookie, now)):
            return None
        self._override(cookie)
        if cookie.is_expired(now):
            self.drop(cookie)
            return cookie
        self.put(cookie)
        self._make_room(cookie.domain, now)
        return cookie

    def _would_shadow_secure(self, new: Cookie, now: float) -> bool:
        """True if plain http would set what a Secure cookie covers (RFC 6265bis 5.7 step 17)."""
        return any(
            old.secure
            and old.name == new.name
            and path_matches(new.path, old.path)
            and not old.is_expired(now)
            for domain, bucket in list(self._domains.items())
            if domain and (domain_matches(new.domain, domain) or domain_matches(domain, new.domain))
            for old in list(bucket.values())
        )

    def _override(self, new: Cookie) -> None:
        """Note in cookies without a domain that a server gave, or ended, the one with this name."""
        for old in list(self._domains.get("", {}).values()):
            if old.name == new.name:
                scopes = [scope for scope in old.overridden if scope != (new.domain, new.host_only, new.path)]
                scopes.append((new.domain, new.host_only, new.path))
                old.overridden = tuple(scopes[-MAX_PER_DOMAIN:])

    def put(self, cookie: Cookie) -> None:
        """Store ``cookie`` as it is; one with the same domain and key is replaced and lends it its age."""
        self._tick += 1
        bucket = self._domains.setdefault(cookie.domain, {})
        old = bucket.get(cookie.key)
        cookie.changed = cookie.used = self._tick
        cookie.created = self._tick if old is None else old.created
        bucket[cookie.key] = cookie
        self._size += old is None
        if self.mirror is not None:
            self.mirror.put(cookie)

    def drop(self, cookie: Cookie) -> None:
        """Remove the cookie with this one's domain and key, if there is one."""
        bucket = self._domains.get(cookie.domain, {})
        old = bucket.pop(cookie.key, None)
        if old is None:
            return
        self._size -= 1
        if not bucket:
            self._domains.pop(cookie.domain, None)
        if self.mirror is not None:
            self.mirror.drop(old)

    def _make_room(self, domain: str, now: float) -> None:
        """Evict as RFC 6265bis 5.7 orders: expired; in a full domain not Secure; then the least used."""
        if len(self._domains.get(domain, ())) > MAX_PER_DOMAIN:
            self._evict(list(self._domains[domain].values()), MAX_PER_DOMAIN, 0, _worth_in_domain, now)
        if self._size > MAX_COOKIES:
            cookies = self._all()
            self._size = len(cookies)
            self._evict(cookies, MAX_COOKIES, _ROOM, _worth, now)

    def _evict(
        self,
        cookies: list[Cookie],
        most: int,
        room: int,
        worth: Callable[[Cookie], SupportsRichComparison],
        now: float,
    ) -> None:
        received: list[Cookie] = []
        for cookie in cookies:
            if cookie.is_expired(now):
                self.drop(cookie)
            elif cookie.from_server:
                received.append(cookie)
        if len(received) > most:
            received.sort(key=worth)
            for cookie in received[: len(received) - most + room]:
                self.drop(cookie)

    # Giving out

    def find(self, name: str, domain: str | None, path: str | None, now: float) -> list[Cookie]:
        """The cookies of this name; ``domain`` and ``path`` narrow it down where they are not None."""
        return [
            cookie
            for cookie in self.live(now)
            if cookie.name == name
            and (domain is None or cookie.domain == domain)
            and (path is None or cookie.path == path)
        ]

    def live(self, now: float) -> list[Cookie]:
        """All cookies that are not expired, by age."""
        return [cookie for cookie in self if not cookie.is_expired(now)]

    def matching(self, host: str, path: str, is_secure: bool, now: float, undomained: bool) -> list[Cookie]:
        """The cookies for a request, in the order of its Cookie header (RFC 6265bis 5.8.3).

        Longer paths come first, then older cookies. ``undomained``: cookies without a domain may go there.
        """
        found: list[Cookie] = []
        for domain in domains_of(host):
            if domain in self._domains:
                self._collect(found, domain, domain == host, path, is_secure, now)
        if undomained and "" in self._domains:
            found = self._with_undomained(found, host, path, is_secure, now)
        if len(found) > 1:
            found.sort(key=_order)
        self._tick += 1
        for cookie in found:
            cookie.used = self._tick
        return found

    def _collect(
        self, found: list[Cookie], domain: str, is_host: bool, path: str, is_secure: bool, now: float
    ) -> None:
        for cookie in list(self._domains.get(domain, {}).values()):
            if cookie.is_expired(now):
                self.drop(cookie)
            elif (
                (is_host or not cookie.host_only)
                and (is_secure or not cookie.secure)
                and path_matches(path, cookie.path)
            ):
                found.append(cookie)

    def _with_undomained(
        self, found: list[Cookie], host: str, path: str, is_secure: bool, now: float
    ) -> list[Cookie]:
        """``found`` and the cookies without a domain; of two with one name the one that changed last."""
        own: list[Cookie] = []
        self._collect(own, "", True, path, is_secure, now)
        own = [cookie for cookie in own if not is_overridden(cookie, host, path)]
        changed = {cookie.name: cookie.changed for cookie in own}
        later = [cookie for cookie in found if cookie.changed > changed.get(cookie.name, -1)]
        names = {cookie.name for cookie in later}
        return later + [cookie for cookie in own if cookie.name not in names]


def _age(cookie: Cookie) -> int:
    return cookie.created


def _order(cookie: Cookie) -> tuple[int, int]:
    return (-len(cookie.path), cookie.created)


def _worth(cookie: Cookie) -> int:
    return cookie.used


def _worth_in_domain(cookie: Cookie) -> tuple[bool, int]:
    return (cookie.secure, cookie.used)
