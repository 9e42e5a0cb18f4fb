"""The next request of a redirect (RFC 9110 section 15.4). Pure: records in, a record or an error out.

The status code decides whether the method and the body stay. The origin decides about credentials: where the
next URL has another origin, the next request has none of the secret headers, of the headers that auth added,
of the request's own cookies, no Host that the caller set, and no client certificate. Cookies and certificate
do not come back in this chain, even if it returns to the first origin: then another server has chosen the
URL.

Errors are raised without ``.response``; `_call` adds it, and the hop by `add_hop_to_message`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    from collections.abc import Callable, Iterable

    from http3_models import Headers
    from http3_models.engine import RequestBody, ResponseState

__all__ = ["Chain", "NextHop", "add_hop_to_message", "is_redirect", "next_request", "same_origin"]


class Chain:
    """The state of one call's redirects.

    ``secret_headers`` are names in lower case. ``same_origin_so_far``: all hops were on the first one's
    origin.
    """

    __slots__ = ("_count", "_limit", "_sent", "same_origin_so_far", "secret_headers")

    def __init__(self, limit: int, secret_headers: frozenset[str]) -> None:
        self._limit = limit
        self._count = 0
        self._sent: set[tuple[str, str, str | None]] = set()
        self.secret_headers = secret_headers
        self.same_origin_so_far = True

    def add_secret_headers(self, names: Iterable[str]) -> None:
        """Add names, in lower case, of headers that auth added or changed."""
        self.secret_headers = self.secret_headers.union(names)

    def count_redirect(self, request: RequestState) -> None:
        """Count a redirect of ``request`` that will be followed. Raises TooManyRedirects."""
        self._count += 1
        if self._count > self._limit:
            raise TooManyRedirects(
                f"More than {self._limit} redirects (max_redirects), at {short_text(redacted(request.url))}"
            )

    def add_sent(self, request: RequestState) -> None:
        """Store a request that was sent, for `check_loop`."""
        self._sent.add(_identity(request))

    def check_loop(self, request: RequestState) -> None:
        """Raises RedirectLoop if the same request was sent already: it would get the same response."""
        if _identity(request) in self._sent:
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
    sent: RequestState, response: ResponseState, chain: Chain, *, hop_url: URL, hop_headers: Headers
) -> RequestState:
    """The request that follows a redirect, without its Cookie header.

    ``response`` is the redirect that answered ``sent``. ``hop_url`` and ``hop_headers`` are those of ``sent``
    before auth, hooks and a dispatcher changed it: Location is resolved against the URL that was sent to, and
    ``hop_url`` decides about the origin. Raises RedirectError, RedirectBodyUnavailable, UnsupportedRedirect.
    """
    url = _target(sent.url, response)
    method = _next_method(response.status_code, sent.method)
    drops_body = method != sent.method
    is_same_origin = same_origin(hop_url, url)
    chain.same_origin_so_far = chain.same_origin_so_far and is_same_origin
    return RequestState(
        method,
        url,
        _next_headers(
            hop_headers,
            hop_url,
            url,
            chain.secret_headers,
            is_same_origin=is_same_origin,
            drops_body=drops_body,
        ),
        EMPTY_BODY if drops_body else _body_again(sent.body, url),
        cookies=sent.cookies if chain.same_origin_so_far else None,
        explicit_cookie=sent.explicit_cookie if chain.same_origin_so_far else None,
        timeout=sent.timeout,
        deadline=sent.deadline,
        verify=sent.verify,
        proxy=sent.proxy,
        cert=sent.cert if chain.same_origin_so_far else None,
        without_cert=not chain.same_origin_so_far,
        asynchronous=sent.asynchronous,
    )


class NextHop:
    """``response.next`` of the redirect ``response``: calling it calls ``send``, its repr shows what that
    requests."""

    __slots__ = ("_response", "_send")

    def __init__(self, response: ResponseState, send: Callable[[], Any]) -> None:
        self._response = response
        self._send = send

    def __call__(self) -> Any:
        return self._send()

    def __repr__(self) -> str:
        response, sent = self._response, self._response.request
        assert sent is not None
        try:
            target = redacted(_target(sent.url, response))
        except RedirectError as exc:
            return f"<next: {exc}>"
        return f"<next: {_next_method(response.status_code, sent.method)} {target}>"


def _target(base: URL, response: ResponseState) -> URL:
    """The absolute URL of Location, by default with the fragment of ``base`` (RFC 9110 section 10.2.2)."""
    try:
        url = base.join(_location(response))
        check_http_scheme(url)
        url = URL(url)
        if base.fragment and not url.fragment:
            url = url.copy_with(fragment=base.fragment)
        return url.copy_with(userinfo="") if url.userinfo else url  # a server gives no credentials
    except UnsupportedProtocol as exc:
        raise UnsupportedRedirect(str(exc)) from exc
    except InvalidURL as exc:
        raise RedirectError(f"The redirect leads to an invalid URL: {exc}") from exc


def add_hop_to_message(error: RedirectError, sent: RequestState, response: ResponseState) -> None:
    """Put the request, the status and Location before the message of an error, without credentials."""
    hop = f"{sent.method} {short_text(redacted(sent.url))} was answered {response.status_code}"
    locations = " and ".join([_redacted_location(_decoded(value)) for value in _locations(response)[:2]])
    error.args = (f"{hop} with Location {locations}: {error}",)


def _redacted_location(location: str) -> str:
    try:
        return short_repr(redacted(URL(location, allow_relative=True)))
    except InvalidURL:
        return redacted_text(location)


def _locations(response: ResponseState) -> list[bytes]:
    """The different values of Location, in order."""
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
    hop_headers: Headers,
    old: URL,
    new: URL,
    secret_headers: frozenset[str],
    *,
    is_same_origin: bool,
    drops_body: bool,
) -> Headers:
    headers = hop_headers.copy()
    is_explicit_host = headers.get("host") not in (None, old.netloc)
    if "host" in headers and not (is_explicit_host and is_same_origin):
        headers["Host"] = new.netloc
    for name in {*headers} - {"host"}:
        is_secret = name == "cookie" or (not is_same_origin and name in secret_headers)
        if is_secret or (drops_body and (name.startswith("content-") or name == "transfer-encoding")):
            del headers[name]
    return headers


def _body_again(body: RequestBody, url: URL) -> RequestBody:
    if not body.can_send_again:
        raise RedirectBodyUnavailable(
            f"The redirect to {short_text(redacted(url))} asks for the request's body again, and it comes "
            "only once; send bytes or a seekable file"
        )
    return body
