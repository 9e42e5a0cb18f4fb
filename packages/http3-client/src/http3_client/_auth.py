"""Authentication: what is put into a request, and what is answered to a challenge.

An `Auth` is a class with one plain generator, ``auth_flow``: it yields a request, is given the response,
and may yield another. No I/O happens in it, so the same class serves both clients:

    class TokenAuth(Auth):
        def auth_flow(self, request):
            request.headers["X-Token"] = self.token
            response = yield request
            if response.status_code == 401:
                self.token = new_token()
                request.headers["X-Token"] = self.token
                yield request

Tuples and callables are wrapped here, once, by `as_auth`. The flow runs on each hop of a redirect chain
that stays on the first request's origin; `_engine` sees to that. `DigestAuth` lives in `_digest`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, TypeAlias, cast

from http3_models.engine import forget_text, hide_arguments, short_text

if TYPE_CHECKING:
    from http3_models import AsyncRequest, AsyncResponse, Request, Response
    from http3_models.engine import AuthFlow

    AnyRequest: TypeAlias = Request | AsyncRequest
    AnyResponse: TypeAlias = Response | AsyncResponse
    Flow: TypeAlias = Generator[AnyRequest, Response, None]


class Auth:
    """Base class of authentication; itself it adds nothing, so ``auth=Auth()`` switches the client's off.

    ``requires_request_body``: True has the request's body in memory (``request.content``) before the flow
    starts. ``requires_response_body``: True has each response read before the flow is given it; else its
    ``content`` raises ResponseNotRead.
    """

    requires_request_body: bool = False
    requires_response_body: bool = False

    def auth_flow(self, request: AnyRequest) -> Flow:
        """Yield the request to send, be given its response, yield again or return.

        In both clients the flow is given a `Request`, and a `Response` for each request that it yields.
        The last response is the caller's; the bodies of earlier ones are read to their end, within bounds,
        so that their connection can be used again.
        """
        yield request


class BasicAuth(Auth):
    """User name and password in each request (RFC 7617), as UTF-8.

    Raises ValueError for a colon in the user name, which the scheme can't express.
    """

    @hide_arguments
    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        self._header = basic_credentials(username, password)

    def __repr__(self) -> str:
        return f"{type(self).__name__}([secure])"

    def auth_flow(self, request: AnyRequest) -> Flow:
        """Add the Authorization header."""
        request.headers["Authorization"] = self._header
        yield request


class BearerAuth(Auth):
    """A token in each request (RFC 6750).

    Raises ValueError for a token with characters that a header can't carry.
    """

    @hide_arguments
    def __init__(self, token: str) -> None:
        if not isinstance(token, str):
            raise TypeError(f"token must be a str, not {type(token).__name__}")
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("token must be of printable ASCII characters without spaces")
        self._header = f"Bearer {token}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}([secure])"

    def auth_flow(self, request: AnyRequest) -> Flow:
        """Add the Authorization header."""
        request.headers["Authorization"] = self._header
        yield request


class AuthBase(Auth):
    """Base class of callable authentication, as in http3 0.6.7: a subclass defines ``__call__(request)``."""

    def __call__(self, request: AnyRequest) -> AnyRequest:
        """Change the request, or make another, and return it."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__()")

    def auth_flow(self, request: AnyRequest) -> Flow:
        """Send what ``__call__`` returns."""
        yield self(request)


class HTTPBasicAuth(AuthBase):
    """`BasicAuth` under its name of 0.6.7, and callable."""

    @hide_arguments
    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        self._header = basic_credentials(username, password)

    def __repr__(self) -> str:
        return f"{type(self).__name__}([secure])"

    def __call__(self, request: AnyRequest) -> AnyRequest:
        """Add the Authorization header."""
        request.headers["Authorization"] = self._header
        return request


class CallableAuth(Auth):
    """Wraps a callable ``request -> request``."""

    def __init__(self, function: Callable[[AnyRequest], AnyRequest]) -> None:
        self._function = function

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._function!r})"

    def auth_flow(self, request: AnyRequest) -> Flow:
        """Send what the callable returns."""
        yield self._function(request)


class FlowAuth(Auth):
    """Wraps what has ``auth_flow`` without being an `Auth`."""

    def __init__(self, wrapped: AuthFlow) -> None:
        self._wrapped = wrapped
        self.requires_request_body = bool(getattr(wrapped, "requires_request_body", False))
        self.requires_response_body = bool(getattr(wrapped, "requires_response_body", False))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._wrapped!r})"

    def auth_flow(self, request: AnyRequest) -> Flow:
        """The flow of what is wrapped."""
        return self._wrapped.auth_flow(request)


def basic_credentials(username: str | bytes, password: str | bytes) -> str:
    """The value of an Authorization header, RFC 7617."""
    user, secret = _utf8("username", username), _utf8("password", password)
    if b":" in user:
        raise ValueError("username must not hold a colon: Basic authentication can't express it")
    from base64 import b64encode

    return "Basic " + b64encode(user + b":" + secret).decode("ascii")


def _utf8(name: str, value: str | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError as exc:
            forget_text(exc)
            raise ValueError(f"{name} can't be encoded as UTF-8: it has a lone surrogate") from exc
    raise TypeError(f"{name} must be a str or bytes, not {type(value).__name__}")


def as_auth(auth: object) -> Auth | None:
    """Whatever ``auth=`` was given, as an `Auth`; None stays None. Raises TypeError for what it can't be."""
    if auth is None or isinstance(auth, Auth):
        return auth
    if callable(getattr(auth, "auth_flow", None)):
        if isinstance(auth, type):
            shown = short_text(auth.__name__)
            raise TypeError(f"auth must be an instance, not the class {shown}; pass {shown}(...)")
        return FlowAuth(cast("AuthFlow", auth))
    if isinstance(auth, tuple):
        if len(auth) != 2:
            raise TypeError("auth as a tuple is (user, password)")
        return BasicAuth(*auth)
    if callable(auth):
        return CallableAuth(auth)
    raise TypeError(f"auth must be (user, password), a callable or an Auth, not {type(auth).__name__}")
