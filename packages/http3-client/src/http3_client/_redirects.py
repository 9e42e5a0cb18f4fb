"""Where a redirect leads, and what goes along. Pure: records in, a record or an error out (RFC 9110 15.4).

What follows is decided by two questions. Does the method stay (a table)? And does the hop stay on its
origin? If not, everything secret is left behind: headers that carry credentials, those that auth put
there, cookies set by hand, a Host by hand, the client certificate. What was left behind once does not come
back in this chain, even if it returns to where it began: then another server has chosen the URL.

Errors leave here without ``.response``; `_call`, which has the views, adds it, and has `tell_where` say which
hop it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from http3_models import (
    URL,
    InvalidURL,
    RedirectBodyUnavailable,
    RedirectError,
    RedirectLoop,
    TooManyRedirects,
    UnsupportedProtocol,
)
from http3_models.engine import (
    EMPTY_BODY,
    RequestState,
    UnsupportedRedirect,
    check_http_scheme,
    is_redirect,
    redacted,
    redacted_text,
    short_repr,
    short_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from http3_models import Headers
    from http3_models.engine import RequestBody, ResponseState

__all__ = ["Chain", "is_redirect", "next_request", "same_origin", "tell_where"]


class Chain:
    """What the redirects of one call have to remember."""

    __slots__ = ("_count", "_limit", "_seen", "same_origin_so_far", "secrets")

    def __init__(self, limit: int, secrets: frozenset[str]) -> None:
        self._limit = limit
        self._count = 0
        self._seen: set[tuple[str, str, str | None]] = set()
        self.secrets = secrets
        self.same_origin_so_far = True
        """Whether every hop until now stayed on the first request's origin."""

    def add_secrets(self, names: Iterable[str]) -> None:
        """Header names, in lower case, that auth added or changed."""
        self.secrets = self.secrets.union(names)

    def count(self, request: RequestState) -> None:
        """One more redirect is about to be followed. Raises TooManyRedirects."""
        self._count += 1
        if self._count > self._limit:
            raise TooManyRedirects(
                f"More than {self._limit} redirects (max_redirects), at {short_text(redacted(request.url))}"
            )

    def remember(self, sent: RequestState) -> None:
        """A request that went out; so that its twin is recognised."""
        self._seen.add(_identity(sent))

    def admit(self, request: RequestState) -> None:
        """Raises RedirectLoop if the same was sent already: it would be answered the same way."""
        if _identity(request) in self._seen:
            raise RedirectLoop(
                f"Redirect loop: {request.method} {short_text(redacted(request.url))} was already sent in "
                "this chain, with the same cookies"
            )


def _identity(request: RequestState) -> tuple[str, str, str | None]:
    url = request.url
    return (request.method, f"{url.scheme}://{url.netloc}{url.full_path}", request.headers.get("cookie"))


def same_origin(old: URL, new: URL) -> bool:
    """Whether credentials for ``old`` may go to ``new``: the same origin, or (default ports) its https."""
    if old.origin == new.origin:
        return True
    return old.host == new.host and (old.scheme, old.port, new.scheme, new.port) == ("http", 80, "https", 443)


def next_request(
    sent: RequestState, plain: Headers, response: ResponseState, chain: Chain, asked: URL | None = None
) -> RequestState:
    """The request that a redirect asks for, all but its Cookie header.

    ``sent`` is what was answered; ``plain`` its headers and ``asked`` its URL (None: the same) as they were
    before auth, hooks and the dispatcher saw them. A Location is resolved against where it was sent, but
    what is trusted is where the client meant to send it. Raises RedirectError, RedirectBodyUnavailable, and
    UnsupportedRedirect.
    """
    url = _target(sent.url, response)
    method = _next_method(response.status_code, sent.method)
    asked = sent.url if asked is None else asked
    stays = same_origin(asked, url)
    chain.same_origin_so_far = chain.same_origin_so_far and stays
    return RequestState(
        method,
        url,
        _next_headers(plain, asked, url, chain.secrets, stays=stays, drops_body=method != sent.method),
        EMPTY_BODY if method != sent.method else _again(sent.body, url),
        cookies=sent.cookies if chain.same_origin_so_far else None,
        explicit_cookie=sent.explicit_cookie if chain.same_origin_so_far else None,
        timeout=sent.timeout,
        deadline=sent.deadline,
        verify=sent.verify,
        cert=sent.cert if chain.same_origin_so_far else None,
        without_cert=not chain.same_origin_so_far,
        asynchronous=sent.asynchronous,
    )


def _target(base: URL, response: ResponseState) -> URL:
    """The absolute URL that Location names, with the fragment carried over (RFC 9110 10.2.2)."""
    try:
        url = base.join(_location(response))
        check_http_scheme(url)
        return _settled(URL(url), base)
    except UnsupportedProtocol as exc:
        raise UnsupportedRedirect(str(exc)) from exc
    except InvalidURL as exc:
        raise RedirectError(f"The redirect leads to an invalid URL: {exc}") from exc


def _settled(url: URL, base: URL) -> URL:
    """With the old fragment where the new one has none, and without userinfo: servers give no credentials."""
    if base.fragment and not url.fragment:
        url = url.copy_with(fragment=base.fragment)
    return url.copy_with(userinfo="") if url.userinfo else url


def tell_where(error: RedirectError, sent: RequestState, response: ResponseState) -> None:
    """Have an error say which hop it was and what Location was given; credentials are left out."""
    hop = f"{sent.method} {short_text(redacted(sent.url))} was answered {response.status_code}"
    locations = " and ".join([_shown(_decoded(value)) for value in _locations(response)[:2]])
    error.args = (f"{hop} with Location {locations}: {error}",)


def _shown(location: str) -> str:
    try:
        return short_repr(redacted(URL(location, allow_relative=True)))
    except InvalidURL:
        return redacted_text(location)


def _locations(response: ResponseState) -> list[bytes]:
    """The different values that are given, in order."""
    return list(dict.fromkeys(value for name, value in response.headers.raw if name == b"location"))


def _location(response: ResponseState) -> str:
    values = _locations(response)
    if len(values) > 1:
        raise RedirectError(f"The redirect names {len(values)} different locations")
    return _decoded(values[0])


def _decoded(value: bytes) -> str:
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
    is_by_hand = headers.get("host") not in (None, old.netloc)
    if "host" in headers and not (is_by_hand and stays):
        headers["Host"] = new.netloc
    for name in {*headers} - {"host"}:
        gone = name == "cookie" or (not stays and name in secrets)
        if gone or (drops_body and (name.startswith("content-") or name == "transfer-encoding")):
            del headers[name]
    return headers


def _again(body: RequestBody, url: URL) -> RequestBody:
    if not body.can_send_again:
        raise RedirectBodyUnavailable(
            f"The redirect to {short_text(redacted(url))} asks for the request's body again, and it comes "
            "only once; send bytes or a seekable file"
        )
    return body
