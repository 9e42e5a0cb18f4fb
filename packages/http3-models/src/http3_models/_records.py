"""The records that pass between clients and transports: `RequestState` and `ResponseState`.

The four public classes (`Request`, `AsyncRequest`, `Response`, `AsyncResponse`) are views of them; making a
view copies nothing. Client, pool and connections pass the records, so the same code serves the sync and the
async client.

Bodies are objects with ``async read_chunk()``. In a sync client no await inside it ever suspends, so
`run_sync` runs such a coroutine to its end without an event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from ._body_state import UNREAD, BodyState
from ._exceptions import Delivery, TotalTimeout
from ._timing import PhaseTimes
from ._url import redacted

if TYPE_CHECKING:
    from ._body_protocols import RequestBody, ResponseBody
    from ._config import CertTypes, Limits, TimeoutConfig, VerifyTypes
    from ._cookies import Cookies
    from ._headers import Headers
    from ._proxies.proxy import Proxy
    from ._proxies.rules import ProxyRules
    from ._timing import ConnectionInfo
    from ._url import URL

T = TypeVar("T")


class Deadline:
    """The moment at which the ``total_timeout`` of a call ends.

    It goes with the request through redirects, auth rounds, replays and the reading of the body. ``limit`` is
    ``total_timeout`` in seconds; ``now`` the dispatcher's clock.
    """

    __slots__ = ("limit", "moment", "now")

    limit: float
    moment: float
    now: Callable[[], float]

    def __init__(self, limit: float, now: Callable[[], float]) -> None:
        self.limit = limit
        self.now = now
        self.moment = now() + limit

    def remaining(self) -> float:
        """Seconds left; zero or less once it has passed."""
        return self.moment - self.now()

    def check(self, request: RequestState, delivery: Delivery, note: str = "") -> None:
        """Raise the TotalTimeout of `error` if no time is left."""
        if self.remaining() <= 0:
            raise self.error(request, delivery, note)

    def error(
        self, request: RequestState, delivery: Delivery, note: str = "", *, phase: str | None = None
    ) -> TotalTimeout:
        """The TotalTimeout for ``request``; ``note`` ends its message. Without ``phase`` the message names
        the read phase, or says that nothing was sent, depending on ``delivery``."""
        where = "in the read phase" if phase is None else f"in the {phase} phase"
        if phase is None and delivery is Delivery.NOT_SENT:
            where = "before the request was sent"
        total = f"The call took longer than its total_timeout of {self.limit:g} s {where}"
        text = f"{total}: {describe(request)}{note}"
        return TotalTimeout(text, delivery=delivery, timings=request.phases.freeze())


class WholeBody:
    """Base class of a `ResponseBody` that can be read whole at less cost than piece by piece.

    Not a protocol, since it is checked by isinstance().
    """

    __slots__ = ()

    @property
    def deadline(self) -> Deadline | None:
        """The deadline that `read_whole` applies while it waits."""
        raise NotImplementedError

    @property
    def received(self) -> int:
        """Bytes of the body that have arrived."""
        raise NotImplementedError

    async def read_whole(self) -> bytes:
        """The whole body. Called instead of the first `ResponseBody.read_chunk`; raises the same."""
        raise NotImplementedError


class RequestState:
    """A request: what the public request classes show, and the options it is sent with.

    ``headers`` are complete once ``left_out`` is None: they are what will be sent, apart from what HTTP/2
    rewrites. Before, they are what the caller wrote, and a client that sends the request adds its defaults,
    without the names in ``left_out`` (in lower case).
    ``explicit_cookie`` is a Cookie header that the caller wrote (None: none), as `cookie_header` returns it;
    ``cookies`` are those given for this request only; ``computed_cookie`` is the header that a client made of
    them and of its store.
    ``timeout`` is set by the client; where ``verify`` or ``cert`` is None, the dispatcher's own applies.
    ``proxy``: the one to use, False for none, None for the dispatcher's choice.
    ``without_cert``: no client certificate is presented, not even the dispatcher's own.
    ``asynchronous``: an async client sends it: a transport may suspend, and shows it as `AsyncRequest`.
    ``phases`` is new for each exchange.
    """

    __slots__ = (
        "asynchronous",
        "body",
        "cert",
        "computed_cookie",
        "cookies",
        "deadline",
        "explicit_cookie",
        "headers",
        "left_out",
        "method",
        "phases",
        "proxy",
        "timeout",
        "url",
        "verify",
        "without_cert",
    )

    method: str
    url: URL
    headers: Headers
    body: RequestBody
    cookies: Cookies | None
    explicit_cookie: str | None
    timeout: TimeoutConfig | None
    deadline: Deadline | None
    verify: VerifyTypes | None
    cert: CertTypes | None
    proxy: Proxy | ProxyRules | Literal[False] | None
    without_cert: bool
    left_out: frozenset[bytes] | None
    asynchronous: bool
    phases: PhaseTimes

    def __init__(
        self,
        method: str,
        url: URL,
        headers: Headers,
        body: RequestBody,
        *,
        cookies: Cookies | None = None,
        explicit_cookie: str | None = None,
        timeout: TimeoutConfig | None = None,
        deadline: Deadline | None = None,
        verify: VerifyTypes | None = None,
        cert: CertTypes | None = None,
        proxy: Proxy | ProxyRules | Literal[False] | None = None,
        without_cert: bool = False,
        left_out: frozenset[bytes] | None = None,
        asynchronous: bool = False,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.cookies = cookies
        self.explicit_cookie = explicit_cookie
        self.computed_cookie: str | None = None
        self.timeout = timeout
        self.deadline = deadline
        self.verify = verify
        self.cert = cert
        self.proxy = proxy
        self.without_cert = without_cert
        self.left_out = left_out
        self.asynchronous = asynchronous
        self.phases = PhaseTimes()

    def __repr__(self) -> str:
        return f"<RequestState {self.method} {redacted(self.url)}>"

    def _without_secrets(self) -> RequestState:
        """A copy for pickles and tracebacks, without credentials, cookies and the options of the call."""
        url = self.url.copy_with(userinfo="") if self.url.userinfo else self.url
        copied = RequestState(self.method, url, self.headers._without_secrets(), self.body)
        copied.phases = self.phases
        return copied


class ResponseState:
    """A response: its head, and the object that its body is read from.

    ``url`` is the URL that was answered, if it is not that of ``request``. ``body_state`` says how far
    ``body`` has been read; ``content`` is the decoded body once it was read whole. ``elapsed`` is in seconds,
    from the call to the head. ``unclaimed`` is deleted by the reader of the body: of several threads only one
    can do that. ``phases``: None where those of ``request`` apply. ``received``: see `bytes_received`.
    """

    __slots__ = (
        "body",
        "body_state",
        "connection",
        "content",
        "default_encoding",
        "elapsed",
        "headers",
        "history",
        "limits",
        "phases",
        "protocol",
        "reason_phrase",
        "received",
        "request",
        "status_code",
        "trailers",
        "unclaimed",
        "url",
    )

    def __init__(
        self,
        *,
        status_code: int,
        reason_phrase: str,
        protocol: str,
        headers: Headers,
        body: ResponseBody | None,
        request: RequestState | None = None,
        connection: ConnectionInfo | None = None,
        url: URL | None = None,
    ) -> None:
        self.status_code: int = status_code
        self.reason_phrase: str = reason_phrase
        self.protocol: str = protocol
        self.headers: Headers = headers
        self.body: ResponseBody | None = body
        self.body_state: BodyState = UNREAD
        self.request: RequestState | None = request
        self.connection: ConnectionInfo | None = connection
        self.url: URL | None = url
        self.history: list[ResponseState] = []
        self.elapsed: float | None = None
        self.content: bytes | None = None
        self.trailers: Headers | None = None
        self.phases: PhaseTimes | None = None
        self.received: int | None = None
        self.default_encoding: str | Callable[[bytes], str] | None = None
        self.limits: Limits | None = None
        self.unclaimed: bool = True

    def __repr__(self) -> str:
        return f"<ResponseState {self.status_code} {self.reason_phrase}>"


def describe(request: RequestState) -> str:
    """``GET https://host/path, 1.204 s after the start``: the end of messages about a request."""
    elapsed = request.phases.elapsed()
    after = "" if elapsed is None else f", {elapsed:.3f} s after the start"
    return f"{request.method} {redacted(request.url)}{after}"


class SyncRunner(Protocol):
    """What a `Response` runs its coroutines with: `run_sync`, or ``run`` of a client's runner."""

    def __call__(self, coroutine: Coroutine[Any, Any, T], /) -> T: ...


def run_sync(coroutine: Coroutine[Any, Any, T], /) -> T:
    """Run a coroutine that never suspends, and return its result.

    Raises RuntimeError if it suspends: then something in it needs an event loop.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("this needs an event loop, and ran where there is none")
