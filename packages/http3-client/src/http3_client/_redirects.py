"""Where a redirect leads, and what goes along. Pure: records in, a record or an error out (RFC 9110 15.4).

What follows is decided by two questions. Does the method stay (a table)? And does the hop stay on its
origin? If not, everything secret is left behind: headers that carry credentials, those that auth put
there, cookies set by hand, a Host by hand, the client certificate. What was left behind once does not come
back in this chain, even if it returns to where it began: then another server has chosen the URL.

Errors leave here without ``.response``; `_engine`, which has the views, adds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from http3_models import (
    InvalidURL,
    RedirectBodyUnavailable,
    RedirectError,
    RedirectLoop,
    TooManyRedirects,
    UnsupportedProtocol,
)
from http3_models._brief import brief, cut
from http3_models._content import EmptyBody
from http3_models._headers import SECRET_HEADERS
from http3_models._records import RequestState
from http3_models._url import URL, redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from http3_models import Headers
    from http3_models._records import RequestBody, ResponseState

REDIRECT_CODES: Final = frozenset({301, 302, 303, 307, 308})

DEFAULT_SECRET_HEADERS: Final = SECRET_HEADERS
"""Names, in lower case, of headers that never cross to another origin."""


class Chain:
    """What the redirects of one call have to remember."""

    __slots__ = ("_count", "_limit", "_seen", "secrets", "stays")

    def __init__(self, limit: int, secrets: frozenset[str]) -> None:
        self._limit = limit
        self._count = 0
        self._seen: set[tuple[str, str, str | None]] = set()
        self.secrets = secrets
        self.stays = True
        """Whether every hop until now stayed on the first request's origin."""

    def add_secrets(self, names: Iterable[str]) -> None:
        """Header names, in lower case, that auth added or changed."""
        self.secrets = self.secrets.union(names)

    def count(self, request: RequestState) -> None:
        """One more redirect is about to be followed. Raises TooManyRedirects."""
        self._count += 1
        if self._count > self._limit:
            raise TooManyRedirects(
                f"More than {self._limit} redirects (max_redirects), at {redacted(request.url)}"
            )

    def remember(self, sent: RequestState) -> None:
        """A request that went out; so that its twin is recognised."""
        self._seen.add(_identity(sent))

    def admit(self, request: RequestState) -> None:
        """Raises RedirectLoop if the same was sent already: it would be answered the same way."""
        if _identity(request) in self._seen:
            raise RedirectLoop(
                f"Redirect loop: {request.method} {redacted(request.url)} was already sent in this chain, "
                "with the same cookies"
            )


def _identity(request: RequestState) -> tuple[str, str, str | None]:
    url = request.url
    return (request.method, f"{url.scheme}://{url.netloc}{url.full_path}", request.headers.get("cookie"))


def is_redirect(response: ResponseState) -> bool:
    """True for a status that redirects, with a Location to go to."""
    return response.status_code in REDIRECT_CODES and "location" in response.headers


def same_origin(old: URL, new: URL) -> bool:
    """Whether credentials for ``old`` may go to ``new``: the same origin, or (default ports) its https."""
    if old.origin == new.origin:
        return True
    return old.host == new.host and (old.scheme, old.port, new.scheme, new.port) == ("http", 80, "https", 443)


def next_request(sent: RequestState, plain: Headers, response: ResponseState, chain: Chain) -> RequestState:
    """The request that a redirect asks for, all but its Cookie header.

    ``sent`` is what was answered; ``plain`` its headers as they were before auth and hooks saw them.
    Raises RedirectError, RedirectBodyUnavailable, UnsupportedProtocol.
    """
    url = _target(sent.url, response)
    method = _next_method(response.status_code, sent.method)
    stays = same_origin(sent.url, url)
    chain.stays = chain.stays and stays
    return RequestState(
        method,
        url,
        _next_headers(plain, sent.url, url, chain.secrets, stays=stays, drops_body=method != sent.method),
        EmptyBody() if method != sent.method else _again(sent.body, url),
        cookies=sent.cookies if stays else None,
        hand_cookie=sent.hand_cookie if stays else None,
        timeout=sent.timeout,
        deadline=sent.deadline,
        verify=sent.verify,
        cert=sent.cert if chain.stays else None,
        anonymous=not chain.stays,
    )


def _target(base: URL, response: ResponseState) -> URL:
    """The absolute URL that Location names, with the fragment carried over (RFC 9110 10.2.2)."""
    location = _location(response, base)
    try:
        url = base.join(location)
        if url.scheme in ("http", "https"):
            url = _settled(URL(url), base)
    except InvalidURL as exc:
        raise RedirectError(f"The redirect of {redacted(base)} leads to an invalid URL: {exc}") from exc
    check_scheme(url)
    return url


def _settled(url: URL, base: URL) -> URL:
    """With the old fragment where the new one has none, and without userinfo: servers give no credentials."""
    if base.fragment and not url.fragment:
        url = url.copy_with(fragment=base.fragment)
    return url.copy_with(userinfo="") if url.userinfo else url


def check_scheme(url: URL) -> None:
    """Raises UnsupportedProtocol for what is neither http nor https."""
    if url.scheme not in ("http", "https"):
        raise UnsupportedProtocol(
            f"The scheme of {cut(redacted(url))} is {brief(url.scheme)}; only http and https are supported"
        )


def _location(response: ResponseState, base: URL) -> str:
    values = {value for name, value in response.headers.raw if name == b"location"}
    if len(values) > 1:
        raise RedirectError(f"The redirect of {redacted(base)} names {len(values)} different locations")
    value = values.pop()
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _next_method(status: int, method: str) -> str:
    if method == "HEAD":
        return method
    becomes_get = method == "POST" if status == 301 else status in (302, 303)
    return "GET" if becomes_get else method


def _next_headers(
    plain: Headers, old: URL, new: URL, secrets: frozenset[str], *, stays: bool, drops_body: bool
) -> Headers:
    headers = plain.copy()
    by_hand = headers.get("host") not in (None, old.netloc)
    if "host" in headers and not (by_hand and stays):
        headers["Host"] = new.netloc
    for name in set(headers):
        gone = name == "cookie" or (not stays and name in secrets)
        if gone or (drops_body and (name.startswith("content-") or name == "transfer-encoding")):
            del headers[name]
    return headers


def _again(body: RequestBody, url: URL) -> RequestBody:
    if not body.can_send_again:
        raise RedirectBodyUnavailable(
            f"The redirect to {redacted(url)} asks for the request's body again, and it comes only once; "
            "send bytes or a seekable file"
        )
    return body
