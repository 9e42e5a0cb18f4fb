"""The store of cookies: which are accepted, and which are sent (RFC 6265bis sections 5.7 and 5.8).

Pure: the time is passed in (unix seconds), nothing is read or written. The store is indexed by domain, so
that a request looks at cookies of its host and the host's parents only; by name, for look-ups; and Secure
cookies by the domains above theirs, for what plain http must not change. An empty store costs nothing. This
module ensures that no cookie is sent to a host, path or scheme that it is not for.

Beyond the RFC there are cookies without a domain: ``cookies={"session": "abc"}`` names no host. Their domain
is "", and an argument of `CookieStore.matching` decides whether they are sent. Of such a cookie and one of
its name that a server set only the newer is sent, so that a session that the server renewed is not sent
twice, and one that it ended is not sent again.

The bounds are those of browsers; only cookies that servers set are counted and evicted.

Threads may share a store: each change is one operation on a dict, and loops run over copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from .cookie import Cookie, accepted, domain_matches, domains_of, is_overridden, path_matches
from .set_cookie import SetCookie

if TYPE_CHECKING:
    from _typeshed import SupportsRichComparison

MAX_PER_DOMAIN: Final = 180
MAX_COOKIES: Final = 3000
# Removed beside those that are too many, since finding the oldest means sorting all.
_EXTRA_ROOM: Final = 300
# A Secure cookie is indexed under so many of its domain's parents at most; cookies of hosts with more labels,
# which are rare, are found under the longest of these. So a host of 127 labels takes no more memory than
# others.
_MAX_PARENTS: Final = 8

Place = tuple[str, str, str, bool]
"""A cookie's domain and key, which identify it."""

Bucket = dict[tuple[str, str, bool], Cookie]


class Mirror(Protocol):
    """Is called for each change: it repeats them in the caller's CookieJar."""

    def put(self, cookie: Cookie) -> None:
        """``cookie`` was stored; it may replace the one with its domain and key."""

    def drop(self, cookie: Cookie) -> None:
        """``cookie`` was removed."""


class CookieStore:
    """Cookies by domain. All methods that look at expiry take ``now`` in unix seconds."""

    __slots__ = ("_domains", "_names", "_received", "_secure", "_tick", "mirror")

    def __init__(self) -> None:
        self._domains: dict[str, Bucket] = {}
        self._names: dict[str, dict[Place, Cookie]] = {}
        self._secure: dict[tuple[str, str], dict[Place, Cookie]] = {}  # by domain or parent, and name
        self._received = 0  # from servers; threads may make it inexact, `_make_room` counts again
        self._tick = 0
        self.mirror: Mirror | None = None

    def __bool__(self) -> bool:
        return bool(self._domains)

    def __iter__(self) -> Iterator[Cookie]:
        """All cookies, by age; expired ones too."""
        return iter(sorted(self._all(), key=_age))

    def _all(self) -> list[Cookie]:
        return [cookie for bucket in list(self._domains.values()) for cookie in list(bucket.values())]

    @property
    def version(self) -> int:
        """Grows with each change."""
        return self._tick

    def copy(self) -> CookieStore:
        """A store with copies of the cookies, without the mirror."""
        twin = CookieStore()
        for cookie in self:
            twin._add(cookie.copy())
        twin._tick = self._tick
        return twin

    def __getstate__(self) -> tuple[object, ...]:
        """For pickle and deep copies: all but the mirror, whose jar is the caller's and can't be pickled."""
        return ([cookie.fields() for cookie in self._all()], self._tick)

    def __setstate__(self, state: tuple[list[dict[str, Any]], int]) -> None:
        CookieStore.__init__(self)
        cookies, self._tick = state
        for fields in cookies:
            self._add(Cookie.of(fields))

    # The indexes

    def _add(self, cookie: Cookie) -> Cookie | None:
        """Add it to all indexes; it replaces the one with its domain and key, which is returned."""
        bucket = self._domains.setdefault(cookie.domain, {})
        old = bucket.get(cookie.key)
        bucket[cookie.key] = cookie
        self._names.setdefault(cookie.name, {})[_place(cookie)] = cookie
        if cookie.secure:
            for parent in _parents(cookie.domain):
                self._secure.setdefault((parent, cookie.name), {})[_place(cookie)] = cookie
        elif old is not None:
            self._unindex_secure(old)
        self._received += cookie.from_server - (old is not None and old.from_server)
        return old

    def _remove(self, cookie: Cookie) -> Cookie | None:
        """Remove the cookie with this one's domain and key from all indexes, and return it."""
        old = self._domains.get(cookie.domain, {}).get(cookie.key)
        if old is None:
            return None
        _discard(self._domains, old.domain, old.key)
        _discard(self._names, old.name, _place(old))
        self._unindex_secure(old)
        self._received -= old.from_server
        return old

    def _unindex_secure(self, old: Cookie) -> None:
        if old.secure:
            for parent in _parents(old.domain):
                _discard(self._secure, (parent, old.name), _place(old))

    def named(self, domain: str, name: str) -> list[Cookie]:
        """The cookies of a domain that have this name, searched in the smaller of the two indexes."""
        bucket, named = self._domains.get(domain), self._names.get(name)
        if bucket is None or named is None:
            return []
        if len(bucket) <= len(named):
            return [cookie for cookie in list(bucket.values()) if cookie.name == name]
        return [cookie for cookie in list(named.values()) if cookie.domain == domain]

    def _related_secure(self, domain: str, name: str) -> list[Cookie]:
        """The Secure cookies of this name of the domain, its parents and its subdomains."""
        above = [cookie for each in domains_of(domain) for cookie in self.named(each, name) if cookie.secure]
        family = self._secure.get((_parents(domain)[0], name), {})
        return above + [cookie for cookie in list(family.values()) if domain_matches(cookie.domain, domain)]

    # Storing

    def receive(self, field: SetCookie, host: str, path: str, is_secure: bool, now: float) -> Cookie | None:
        """Store the cookie of a response from ``host`` to a request for ``path`` (RFC 6265bis section 5.7).

        ``is_secure``: the response came over TLS. Returns the cookie, or None if it was refused. A cookie
        that is expired already removes the stored one.
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
        """True if plain http would override a Secure cookie (RFC 6265bis section 5.7 step 17)."""
        return any(
            path_matches(new.path, old.path) and not old.is_expired(now)
            for old in self._related_secure(new.domain, new.name)
        )

    def _override(self, new: Cookie) -> None:
        """Note in the cookies without a domain of this name that a server set or ended one."""
        for old in self.named("", new.name):
            scopes = [scope for scope in old.overridden if scope != (new.domain, new.host_only, new.path)]
            scopes.append((new.domain, new.host_only, new.path))
            old.overridden = tuple(scopes[-MAX_PER_DOMAIN:])

    def put(self, cookie: Cookie) -> None:
        """Store ``cookie`` unchanged; it replaces one with its domain and key, and keeps that one's age."""
        self._tick += 1
        old = self._add(cookie)
        cookie.changed = cookie.used = self._tick
        cookie.created = self._tick if old is None else old.created
        if self.mirror is not None:
            self.mirror.put(cookie)

    def drop(self, cookie: Cookie) -> None:
        """Remove the cookie with this one's domain and key, if there is one."""
        old = self._remove(cookie)
        if old is None:
            return
        self._tick += 1
        if self.mirror is not None:
            self.mirror.drop(old)

    def _make_room(self, domain: str, now: float) -> None:
        """Evict in the order of RFC 6265bis section 5.7: expired; in a full domain not Secure; least used."""
        if len(self._domains.get(domain, ())) > MAX_PER_DOMAIN:
            self._evict(list(self._domains[domain].values()), MAX_PER_DOMAIN, 0, _last_use_in_domain, now)
        if self._received > MAX_COOKIES:
            cookies = self._all()
            self._received = sum([cookie.from_server for cookie in cookies])
            self._evict(cookies, MAX_COOKIES, _EXTRA_ROOM, _last_use, now)

    def _evict(
        self,
        cookies: list[Cookie],
        most: int,
        room: int,
        order: Callable[[Cookie], SupportsRichComparison],
        now: float,
    ) -> None:
        received: list[Cookie] = []
        for cookie in cookies:
            if cookie.is_expired(now):
                self.drop(cookie)
            elif cookie.from_server:
                received.append(cookie)
        if len(received) > most:
            received.sort(key=order)
            for cookie in received[: len(received) - most + room]:
                self.drop(cookie)

    # Finding

    def find(self, name: str, domain: str | None, path: str | None, now: float) -> list[Cookie]:
        """The cookies of this name, by age; of this ``domain`` and ``path`` unless these are None."""
        named = list(self._names.get(name, {}).values()) if domain is None else self.named(domain, name)
        found = [
            cookie for cookie in named if (path is None or cookie.path == path) and not cookie.is_expired(now)
        ]
        return sorted(found, key=_age)

    def of_domain(self, domain: str) -> list[Cookie]:
        """The cookies of this domain, not of its subdomains; expired ones too."""
        return list(self._domains.get(domain, {}).values())

    def live(self, now: float) -> list[Cookie]:
        """All cookies that are not expired, by age."""
        return [cookie for cookie in self if not cookie.is_expired(now)]

    def any_live(self, now: float) -> Cookie | None:
        """One of the cookies that are not expired; None if there is none."""
        try:
            first = next(iter(next(iter(self._domains.values())).values()))
        except (StopIteration, RuntimeError):  # there is none, or another thread changes them
            first = None
        if first is None or first.is_expired(now):
            first = next((cookie for cookie in self._all() if not cookie.is_expired(now)), None)
        return first

    def matching(self, host: str, path: str, is_secure: bool, now: float, undomained: bool) -> list[Cookie]:
        """The cookies for a request, in the order of its Cookie header (RFC 6265bis 5.8.3).

        Longer paths come first, then older cookies. ``undomained``: cookies without a domain are sent, too.
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
        """``found`` and the cookies without a domain; of two with the same name the one that changed last."""
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


def _last_use(cookie: Cookie) -> int:
    return cookie.used


def _last_use_in_domain(cookie: Cookie) -> tuple[bool, int]:
    return (cookie.secure, cookie.used)


def _place(cookie: Cookie) -> Place:
    return (cookie.domain, *cookie.key)


def _parents(domain: str) -> list[str]:
    """The domain and its parents, nearest first; the last `_MAX_PARENTS` of them."""
    return domains_of(domain)[-_MAX_PARENTS:]


K = TypeVar("K")
M = TypeVar("M")
C = TypeVar("C")


def _discard(index: dict[K, dict[M, C]], key: K, member: M) -> None:
    """Remove a member of an index's entry, and an entry that is empty then."""
    members = index.get(key, {})
    members.pop(member, None)
    if not members:
        index.pop(key, None)
