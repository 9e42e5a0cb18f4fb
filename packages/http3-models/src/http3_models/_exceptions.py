"""What goes wrong with a request, its response or the client, under one root.

Http3Error
  RequestError                    .request .delivery .timings
    TransportError
      Timeout                     ConnectTimeout ReadTimeout WriteTimeout PoolTimeout TotalTimeout
      NetworkError                ConnectError (TLSError AddressRefused ProxyError) ReadError WriteError
                                  NotConnected
      ProtocolError               LocalProtocolError RemoteProtocolError (ResponseTooLarge)
      UnsupportedProtocol         also an InvalidURL
    DecodingError                 DecodedSizeExceeded
    RedirectError                 TooManyRedirects RedirectLoop RedirectBodyUnavailable; .response
  HttpError                       .response .request; from raise_for_status()
  StreamException                 StreamConsumed ResponseNotRead ResponseClosed
  InvalidURL                      also a ValueError
  JSONDecodeError                 also a json.JSONDecodeError; from response.json()
  CookieConflict
  ClientClosed                    also a RuntimeError

Names in parentheses are subclasses. The tree is ordered by the cause: the network and the server
(TransportError), the response (DecodingError, RedirectError, HttpError, JSONDecodeError), or the caller
(StreamException, InvalidURL, ClientClosed). Exceptions of the libraries below are translated and stay visible
as ``__cause__``. Wrong arguments are TypeError and ValueError, a missing file of ``verify`` or ``cert`` is an
OSError; what the caller's own code raises passes as it is.

Exceptions can be pickled and deep-copied (process pools, Celery). Connections are left out, and a cause
becomes text. Secrets are left out too, since failures are logged and stored: in the request and the responses
of a pickled exception ``[secure]`` stands for the values of Authorization, Cookie, Set-Cookie and the like.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Self, cast

from ._redaction import without_secrets

if TYPE_CHECKING:
    from ._headers import Headers
    from ._request import AsyncRequest, Request
    from ._response import AsyncResponse, Response
    from ._response.either import EitherRequest, EitherResponse
    from ._timing import Timings


class Delivery(enum.StrEnum):
    """How far a failed request got: whether it can be sent again without harm."""

    NOT_SENT = "not_sent"
    """No byte of it was given to the kernel (HTTP/2: no byte of its HEADERS frame)."""

    REFUSED = "refused"
    """The server said that it did not process it (GOAWAY below its id, or REFUSED_STREAM)."""

    MAYBE_PROCESSED = "maybe_processed"
    """Anything else: the server may have acted on it."""


class _CauseText(Exception):
    """The cause of an exception that was pickled, as text."""


class Http3Error(Exception):
    """Root of what goes wrong with a request, its response or the client."""

    def __reduce__(self) -> tuple[Any, ...]:
        return self._parts({name: without_secrets(value) for name, value in self.__dict__.items()})

    def __copy__(self) -> Http3Error:
        rebuild, arguments = self._parts(self.__dict__)  # with its secrets: it is not stored
        copied: Http3Error = rebuild(*arguments)
        return copied

    def _parts(self, state: dict[str, Any]) -> tuple[Any, ...]:
        cause = self.__cause__ or (None if self.__suppress_context__ else self.__context__)
        text = f"{type(cause).__name__}: {cause}" if cause is not None else None
        if isinstance(cause, _CauseText):
            text = str(cause)
        return (type(self)._rebuild, (self.args, {**state, "cause": text}))

    @classmethod
    def _rebuild(cls, args: tuple[Any, ...], state: dict[str, Any]) -> Self:
        error = cls.__new__(cls, *args)
        error.args = args
        error.__dict__.update({key: value for key, value in state.items() if key != "cause"})
        if state.get("cause"):
            error.__cause__ = _CauseText(state["cause"])
        return error


class RequestError(Http3Error):
    """A request that did not end in a whole response.

    ``delivery`` (`Delivery` or None) says how far it got; ``timings`` (`Timings` or None) how long each phase
    took until then, in seconds.
    """

    delivery: Delivery | None
    timings: Timings | None

    def __init__(
        self,
        message: str = "",
        *,
        request: Request | AsyncRequest | None = None,
        delivery: Delivery | None = None,
        timings: Timings | None = None,
    ) -> None:
        super().__init__(message)
        self._request = request
        self.delivery = delivery
        self.timings = timings

    @property
    def request(self) -> EitherRequest:
        """The request that failed, of the client's kind. Raises RuntimeError where none is known."""
        if self._request is None:
            raise RuntimeError("this exception belongs to no request")
        return cast("EitherRequest", self._request)

    @request.setter
    def request(self, request: Request | AsyncRequest) -> None:
        self._request = request


def failed_request(error: RequestError) -> Request | AsyncRequest | None:
    """``error.request``, or None where none is known."""
    return error._request


def forget_request(error: RequestError) -> None:
    """Remove the request from the error."""
    error._request = None


class TransportError(RequestError):
    """The network or the protocol failed on the way."""


class Timeout(TransportError):
    """A limit of `TimeoutConfig` or `PoolLimits` ran out."""


class ConnectTimeout(Timeout):
    """Name lookup, connecting and TLS together took longer than ``connect_timeout``."""


class ReadTimeout(Timeout):
    """No byte of the response arrived for ``read_timeout``."""


class WriteTimeout(Timeout):
    """No byte of the request was accepted for ``write_timeout``."""


class PoolTimeout(Timeout):
    """No connection became available within ``pool_timeout``."""


class TotalTimeout(Timeout):
    """The whole call, redirects and body included, took longer than ``total_timeout``."""


class NetworkError(TransportError):
    """Connecting, reading or writing failed."""


class ConnectError(NetworkError):
    """No connection: the name does not resolve, or every address refused."""


class TLSError(ConnectError):
    """The TLS handshake failed: certificate, host name or protocol.

    With TLS 1.3 a server refuses a client certificate, or its absence, after the client's part of the
    handshake. Then ``delivery`` may be ``maybe_processed``.
    """


class AddressRefused(ConnectError):
    """The address is refused by the caller's `EgressPolicy`."""


class ProxyError(ConnectError):
    """The proxy could not be reached, refused to connect, or broke the protocol. The target got nothing.

    ``status_code`` (int), ``headers`` (`Headers`) and ``content`` (bytes, at most 64 KiB) are those of the
    answer to CONNECT; None where there was none, or the proxy speaks SOCKS.
    """

    status_code: int | None
    headers: Headers | None
    content: bytes | None

    def __init__(
        self,
        message: str = "",
        *,
        status_code: int | None = None,
        headers: Headers | None = None,
        content: bytes | None = None,
        delivery: Delivery | None = Delivery.NOT_SENT,
        **details: Any,
    ) -> None:
        super().__init__(message, delivery=delivery, **details)
        self.status_code = status_code
        self.headers = headers
        self.content = content


class ReadError(NetworkError):
    """The connection broke while a response was read."""


class WriteError(NetworkError):
    """The connection broke while a request was sent."""


class NotConnected(NetworkError):
    """The connection was closed before it could be used."""


class ProtocolError(TransportError):
    """A violation of HTTP."""


class LocalProtocolError(ProtocolError):
    """The request would not be valid HTTP; no byte of it was sent."""


class RemoteProtocolError(ProtocolError):
    """The response is not valid HTTP, or was cut off."""


class ResponseTooLarge(RemoteProtocolError):
    """A part of the response (head, trailers, a chunk's extension) is larger than `Limits` allow."""


class DecodingError(RequestError):
    """The body does not fit its Content-Encoding: it is malformed, cut off, or has data behind its end.

    ``delivery`` is `Delivery.MAYBE_PROCESSED`: the request was answered.
    """

    def __init__(
        self, message: str = "", *, delivery: Delivery | None = Delivery.MAYBE_PROCESSED, **details: Any
    ) -> None:
        super().__init__(message, delivery=delivery, **details)


class DecodedSizeExceeded(DecodingError):
    """The decoded body, or the work of decoding, exceeds ``max_decoded`` or ``max_ratio`` of `Limits`."""


class RedirectError(RequestError):
    """A redirect that was not followed. ``response`` is the one that redirects."""

    def __init__(
        self, message: str = "", *, response: Response | AsyncResponse | None = None, **details: Any
    ) -> None:
        super().__init__(message, **details)
        self._response = response

    @property
    def response(self) -> EitherResponse:
        """The redirecting response, of the client's kind. Raises RuntimeError where none is known."""
        if self._response is None:
            raise RuntimeError("this exception belongs to no response")
        return cast("EitherResponse", self._response)

    @response.setter
    def response(self, response: Response | AsyncResponse) -> None:
        self._response = response


class TooManyRedirects(RedirectError):
    """The chain is longer than ``max_redirects``."""


class RedirectLoop(RedirectError):
    """The next request would be identical to one already sent in this chain."""


class RedirectBodyUnavailable(RedirectError):
    """The body would have to be sent again, and can't be (it came from an iterator, say)."""


class HttpError(Http3Error):
    """A response of class 4xx or 5xx, raised by ``response.raise_for_status()``.

    ``response`` is of the client's kind: a `Response`, or in async code an `AsyncResponse`.
    """

    response: EitherResponse

    def __init__(self, message: str = "", *, response: Response | AsyncResponse) -> None:
        super().__init__(message)
        self.response = cast("EitherResponse", response)

    @property
    def request(self) -> EitherRequest:
        """The request that was answered. Raises RuntimeError where none is known."""
        return self.response.request


class StreamException(Http3Error):
    """The body can't be read in the state that it is in."""


class StreamConsumed(StreamException):
    """The body was streamed already; it comes only once."""


class ResponseNotRead(StreamException):
    """``content`` of a streamed response was asked for before ``read()``."""


class ResponseClosed(StreamException):
    """The response was closed before its body was read."""


class InvalidURL(Http3Error, ValueError):
    """The URL is malformed; the message says where and how."""


class UnsupportedProtocol(TransportError, InvalidURL):
    """The URL's scheme is neither http nor https."""


class UnsupportedRedirect(RedirectError, UnsupportedProtocol):
    """A redirect to a URL that is neither http nor https. It is caught by either base, and has no public name
    in `http3_models`."""

    __module__ = "http3_models.engine"


class CookieConflict(Http3Error):
    """Several cookies have this name; give domain or path."""


class ClientClosed(Http3Error, RuntimeError):
    """The client was closed."""
