"""`URL` and `Origin`: immutable values.

A URL has its parts (`parse`) and the two texts that every request needs; origin and normal form are computed
when first used. Parsing is cached by text, and since a URL never changes, the cache returns the URL itself:
the second request to a URL costs a dictionary look-up.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypedDict, Unpack

from .._brief import short_repr, short_text
from .._exceptions import Delivery, InvalidURL, UnsupportedProtocol
from .._redaction import forget_locals, hide_arguments
from .parse import (
    DEFAULT_PORTS,
    Parts,
    authority,
    normal_form,
    parse,
    redacted_text,
    redacted_userinfo,
    resolve,
    unsplit,
)
from .percent import percent_decode
from .query import query_of
from .suggestion import did_you_mean

if TYPE_CHECKING:
    from .query import QueryParamTypes

_CACHED_URLS = 1024
"""About as many as a busy crawler or test run uses repeatedly; about 1 KiB each."""

_CACHED_LENGTH = 2048
"""Longer URLs are rarely used twice, and would make the cache's memory nearly unbounded."""


class URLParts(TypedDict, total=False):
    """What ``URL.copy_with`` takes. None (or "" for a text) removes the part."""

    scheme: str
    authority: str
    """``userinfo@host:port``; sets these three."""
    userinfo: str | None
    """``username:password``, percent-encoded; sets both."""
    username: str | None
    """Plain text; is encoded."""
    password: str | None
    """Plain text; is encoded."""
    host: str
    port: int | None
    """None: the scheme's default."""
    full_path: str
    """Path and query, or ``*`` (RFC 9112, section 3.2.4)."""
    path: str
    query: str | None
    fragment: str | None


class URL:
    """An absolute URL, or with ``allow_relative=True`` a relative reference too (RFC 3986).

    ``url`` is a str or a URL. ``params`` (what `QueryParams` takes) are appended to its query.

    It is normalised: scheme and host in lower case, the host in IDNA's ASCII form, no default port, no
    literal ``.`` and ``..`` segments, disallowed characters encoded; valid percent escapes stay byte for
    byte. URLs are equal if their normal forms are (RFC 3986 section 6). A URL equals a str that is parsed to
    an equal URL, and hashes as the str of its normal form: ``url in {"https://example.org/"}`` works. A str
    that is in no normal form (``"HTTPS://Example.org"``) equals the URL too, but has a hash of its own: sets
    and dicts don't find one by the other. A str that is no URL is unequal.

    Raises InvalidURL, which says what is wrong: no scheme or host (unless relative ones are allowed), ``//``
    missing, a space or control character in scheme or authority, a tab, CR or LF anywhere, a bad host,
    label or port, a backslash in the authority. Raises TypeError for other types.
    """

    __slots__ = ("_full_path", "_key", "_netloc", "_origin", "_parts", "_text")

    _parts: Parts
    _text: str
    _full_path: str
    _netloc: str | None
    _origin: Origin | None
    _key: str | None

    def __new__(  # noqa: PYI034 - the cache holds URLs, not instances of some subclass
        cls, url: str | URL, allow_relative: bool = False, params: QueryParamTypes | None = None
    ) -> URL:
        try:
            if isinstance(url, URL):
                made = url if type(url) is cls else _make(cls, url._parts, url._full_path)
            elif isinstance(url, str):
                text = str.__str__(url)
                kept = cls is URL and len(text) <= _CACHED_LENGTH
                made = _cached(text) if kept else _make(cls, parse(text))
            else:
                raise TypeError(f"url must be a str or URL, not {type(url).__name__}")
            if not allow_relative:
                _require_absolute(made, url)
        except InvalidURL as exc:
            text = ""
            forget_locals(exc)
            raise
        finally:
            del url
        return made if params is None else made._with_params(params)

    @property
    def scheme(self) -> str:
        """In lower case; "" in a relative reference."""
        return self._parts.scheme

    @property
    def authority(self) -> str:
        """``userinfo@host:port`` as far as present, with the password."""
        return authority(self._parts)

    @property
    def netloc(self) -> str:
        """``host:port`` as in a Host header: IPv6 in brackets, no default port, no userinfo."""
        netloc = self._netloc
        if netloc is None:
            self._netloc = netloc = authority(self._parts, userinfo=False)
        return netloc

    @property
    def userinfo(self) -> str:
        """``username:password`` as sent, percent-encoded; "" where absent."""
        return self._parts.userinfo

    @property
    def username(self) -> str:
        """Decoded; "" where absent."""
        return _decoded(self._parts.userinfo.partition(":")[0])

    @property
    def password(self) -> str:
        """Decoded; "" where absent."""
        return _decoded(self._parts.userinfo.partition(":")[2])

    @property
    def host(self) -> str:
        """ASCII, lower case; an IPv6 address without brackets. "" in a relative reference."""
        return self._parts.host or ""

    @property
    def port(self) -> int | None:
        """The port to connect to; by default 80 or 443, None for other schemes and relative references."""
        port = self._parts.port
        return DEFAULT_PORTS.get(self._parts.scheme) if port is None else port

    @property
    def path(self) -> str:
        """As sent, percent-encoded; "/" where a URL with a host has none."""
        return self._parts.path or ("" if self._parts.host is None else "/")

    @property
    def query(self) -> str:
        """As sent, percent-encoded, without ``?``."""
        return self._parts.query or ""

    @property
    def full_path(self) -> str:
        """Path and query: the target in a request line."""
        return self._full_path

    @property
    def fragment(self) -> str:
        """Percent-encoded, without ``#``. It is never sent."""
        return self._parts.fragment or ""

    @property
    def is_ssl(self) -> bool:
        """True for https."""
        return self._parts.scheme == "https"

    @property
    def is_absolute_url(self) -> bool:
        """True if scheme and host are there."""
        return bool(self._parts.scheme and self._parts.host)

    @property
    def is_relative_url(self) -> bool:
        """True if scheme or host are missing."""
        return not self.is_absolute_url

    @property
    def origin(self) -> Origin:
        """Scheme, host and port: the same object each time, cheap to compare and to hash."""
        if self._origin is None:
            self._origin = Origin(self)
        return self._origin

    @hide_arguments
    def copy_with(self, **parts: Unpack[URLParts]) -> URL:
        """A copy with some parts replaced; see `URLParts`.

        Each part is encoded where needed and can't affect another: ``path="a?b"`` has no query.
        Raises InvalidURL, or TypeError for an unknown part or a wrong type.
        """
        from .edit import with_parts

        made = _make(type(self), *with_parts(self._parts, self._full_path, parts))
        if self.is_absolute_url:
            _require_absolute(made, made)
        return made

    def join(self, url: str | URL) -> URL:
        """Resolve a reference against this URL (RFC 3986 section 5, strict). Raises InvalidURL."""
        try:
            reference = URL(url, allow_relative=True)
        finally:
            del url
        if not (self._parts.scheme or reference._parts.scheme):
            raise InvalidURL(
                f"Can't resolve {redacted_text(str(reference))} against {redacted_text(self._text)}, "
                "which has no scheme"
            )
        return _make(type(self), resolve(self._parts, reference._parts))

    def resolve_with(self, base: str | URL) -> URL:
        """``base.join(self)``."""
        try:
            base = URL(base, allow_relative=True)
        except InvalidURL:
            del base
            raise
        return base.join(self)

    def _with_params(self, params: QueryParamTypes) -> URL:
        added = query_of(params)
        if not added:
            return self
        parts = self._parts
        query = f"{parts.query}&{added}" if parts.query else added
        if parts.fragment is not None or self._full_path == "*":
            return _make(type(self), parts._replace(query=query))
        # Only the query is new: the rest is copied (-4 us).
        url = object.__new__(type(self))
        url._parts = Parts(*parts[:5], query, None)
        url._text = f"{self._text.partition('?')[0]}?{query}"
        url._full_path = f"{self._full_path.partition('?')[0]}?{query}"
        url._netloc, url._origin, url._key = self._netloc, self._origin, None
        return url

    def _normal_form(self) -> str:
        if self._key is None:
            self._key = unsplit(normal_form(self._parts))
        return self._key

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, str):
            try:
                other = _make(URL, parse(str.__str__(other)))
            except ValueError:
                return False
        elif not isinstance(other, URL):
            return NotImplemented
        same_target = (self._full_path == "*") == (other._full_path == "*")
        return same_target and self._normal_form() == other._normal_form()

    def __hash__(self) -> int:
        return hash(self._normal_form())

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({redacted(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self)._rebuild, (self._text, self._full_path))

    @classmethod
    def _rebuild(cls, text: str, full_path: str) -> URL:
        return _make(cls, parse(text), full_path)

    def __copy__(self) -> URL:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> URL:
        return self


class _OriginFields(NamedTuple):
    is_ssl: bool
    host: str
    port: int


class Origin(_OriginFields):
    """Scheme, host and port of a URL: what connections and credentials belong to.

    ``Origin(url)`` takes a str or a URL. ``host`` is ASCII, IPv6 without brackets; ``port`` is 0 where
    neither URL nor scheme name one. A tuple, so that the pool's look-ups hash and compare it without running
    Python code. Raises InvalidURL for a relative reference.
    """

    __slots__ = ()

    def __new__(cls, url: str | URL) -> Self:
        try:
            url = URL(url)
        except InvalidURL:
            del url
            raise
        return tuple.__new__(cls, (url.is_ssl, url.host, url.port or 0))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_ssl else 'http'}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"Origin({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Origin, (str(self),))


def redacted(url: URL) -> str:
    """The URL for messages and reprs: ``[secure]`` stands for its password.

    A user name without a password may be a token, and is hidden as well.
    """
    userinfo = url._parts.userinfo
    return unsplit(url._parts._replace(userinfo=redacted_userinfo(userinfo))) if userinfo else url._text


def check_http_scheme(url: URL) -> None:
    """Raise UnsupportedProtocol for anything but http and https."""
    if url.scheme not in ("http", "https"):
        shown = short_text(redacted(url))
        raise UnsupportedProtocol(
            f"The scheme of {shown} is {short_repr(url.scheme)}; it must be http or https",
            delivery=Delivery.NOT_SENT,
        )


def _make(cls: type[URL], parts: Parts, full_path: str | None = None) -> URL:
    """A URL of normalised parts."""
    url = object.__new__(cls)
    url._parts = parts
    url._text = unsplit(parts)
    if full_path == "*":
        url._full_path = full_path
    else:
        url._full_path = url.path if parts.query is None else f"{url.path}?{parts.query}"
    url._netloc = url._origin = url._key = None
    return url


@lru_cache(maxsize=_CACHED_URLS)
def _cached(text: str) -> URL:
    return _make(URL, parse(text))


def parse_url(text: str) -> URL:
    """The absolute URL of a text, without the cache. Raises InvalidURL."""
    url = _make(URL, parse(text))
    _require_absolute(url, text)
    return url


def _require_absolute(url: URL, given: str | URL) -> None:
    """Raise InvalidURL, which shows what was ``given``, for a relative reference."""
    if url._parts.scheme and url._parts.host:
        return
    text = given._text if isinstance(given, URL) else str.__str__(given)
    if not url._parts.scheme:
        why = f"it has no scheme{did_you_mean(text)}"
    elif url._parts.host is None:
        why = f"'//' is missing after {short_repr(url._parts.scheme + ':')}{did_you_mean(text)}"
    else:
        why = "there is no host"
    raise InvalidURL(f"Invalid URL {redacted_text(text)}: {why}")


def _decoded(text: str) -> str:
    """The decoded text: UTF-8, or else ISO-8859-1."""
    data = percent_decode(text)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
