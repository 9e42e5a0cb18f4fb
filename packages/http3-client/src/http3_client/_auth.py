"""Authentication: it changes a request, and may send another one when it gets a challenge.

An `Auth` has one generator, ``auth_flow``: it yields a request, receives the response, and may yield another
request. It does no I/O, so both clients can use the same class:

    class TokenAuth(Auth):
        def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
            request.headers["X-Token"] = self.token
            response = yield request
            if response.status_code == 401:
                self.token = new_token()
                request.headers["X-Token"] = self.token
                yield request

`as_auth` makes an `Auth` of a tuple or a callable. `_call` runs the flow for the request and for its
redirects, as long as they stay on the first origin. `DigestAuth` is in `_digest`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from http3_models.engine import basic_credentials, hide_arguments, short_text

if TYPE_CHECKING:
    from http3_models import AsyncRequest, AsyncResponse, Request, Response
    from http3_models.engine import AuthFlow, basic_credentials, hide_arguments, short_text

    AnyRequest: TypeAlias = Request | AsyncRequest
    AnyResponse: TypeAlias = Response | AsyncResponse
    # A flow yields a Request or an AsyncRequest. Any lets a subclass name one of them and still yield from
    # the flow of its base.
    Flow: TypeAlias = Generator[Any, Response, None]
    ChosenAuth: TypeAlias = "Auth | Literal[False] | None"


class Auth:
    """Base class of authentication.

    ``requires_request_body``: True: the request's body is read into memory (``request.content``) before the
    flow starts. ``requires_response_body``: True: each response is read before the flow receives it. Default:
    False; the ``content`` of a response then raises ResponseNotRead. ``for_each_origin``: True: the flow runs
    for redirects to other origins as well, since it chooses what to send by the URL of each request; and a
    user name in the URL precedes it. Default: False, it sends nothing to other origins.
    """

    requires_request_body: bool = False
    requires_response_body: bool = False
    for_each_origin: bool = False

    def auth_flow(self, request: Request) -> Flow:
        """Yield the request to send, receive its response, and yield again or return.

        In both clients ``request`` is a `Request`, and the flow receives a `Response` for each request that
        it yields. The last response is returned to the caller; earlier ones are read, if they are short, so
        that their connection can be used again.
        """
        yield request


class BasicAuth(Auth):
    """Basic authentication (RFC 7617): user name and password in each request, encoded as UTF-8.

    Raises ValueError for a colon in the user name, which RFC 7617 does not allow.
    """

    @hide_arguments
    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        self._header = basic_credentials(username, password)

    def __repr__(self) -> str:
        return f"{type(self).__name__}([secure])"

    def auth_flow(self, request: Request) -> Flow:
        """Add the Authorization header."""
        request.headers["Authorization"] = self._header
        yield request


class BearerAuth(Auth):
    """A bearer token in each request (RFC 6750).

    Raises ValueError for a token that is not printable ASCII without spaces.
    """

    @hide_arguments
    def __init__(self, token: str) -> None:
        if not isinstance(token, str):
            raise TypeError(f"token must be a str, not {type(token).__name__}")
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("token must consist of printable ASCII characters without spaces")
        self._header = f"Bearer {token}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}([secure])"

    def auth_flow(self, request: Request) -> Flow:
        """Add the Authorization header."""
        request.headers["Authorization"] = self._header
        yield request


class AuthBase(Auth):
    """Base class of callable authentication (the API of http3 0.6.7): define ``__call__(request)``."""

    def __call__(self, request: Request) -> AnyRequest:
        """Return the request to send: ``request``, changed, or another."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__()")

    def auth_flow(self, request: Request) -> Flow:
        """Send what ``__call__`` returns."""
        yield self(request)


class HTTPBasicAuth(AuthBase, BasicAuth):
    """`BasicAuth`, callable, as in http3 0.6.7."""

    def __call__(self, request: Request) -> AnyRequest:
        """Add the Authorization header."""
        request.headers["Authorization"] = self._header
        return request


class CallableAuth(Auth):
    """An `Auth` that calls a function ``request -> request``."""

    def __init__(self, function: Callable[[Request], AnyRequest]) -> None:
        self._function = function

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._function!r})"

    def auth_flow(self, request: Request) -> Flow:
        """Send what the callable returns."""
        yield self._function(request)


class FlowAuth(Auth):
    """An `Auth` of an object that has ``auth_flow`` and is not an `Auth`."""

    def __init__(self, wrapped: AuthFlow) -> None:
        self._wrapped = wrapped
        self.requires_request_body = bool(getattr(wrapped, "requires_request_body", False))
        self.requires_response_body = bool(getattr(wrapped, "requires_response_body", False))
        self.for_each_origin = bool(getattr(wrapped, "for_each_origin", False))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._wrapped!r})"

    def auth_flow(self, request: Request) -> Flow:
        """The flow of the object."""
        return self._wrapped.auth_flow(request)


def as_auth(auth: object) -> ChosenAuth:
    """The value of ``auth=`` as an `Auth`; False (no auth at all) and None stay. Raises TypeError."""
    if auth is None or auth is False or isinstance(auth, Auth):
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
    hint = "; write BearerAuth(token) for a token" if isinstance(auth, str) else ""
    kind = type(auth).__name__
    raise TypeError(f"auth must be (user, password), a callable, an Auth or False, not {kind}{hint}")
