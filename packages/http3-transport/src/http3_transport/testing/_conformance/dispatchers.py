"""What every dispatcher must do, sync or async. Each check is a coroutine function that gets a `Caller`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from http3_models import AsyncDispatcher, AsyncResponse, Dispatcher, RequestError, Response
from http3_models.engine import run_sync

from .backends import refusing_address
from .server import LARGE, Server
from .streams import RunFunction


class Caller:
    """Makes requests of either kind of dispatcher and reads the responses whole."""

    def __init__(self, dispatcher: Dispatcher | AsyncDispatcher, url: str, is_remote: bool) -> None:
        self.dispatcher = dispatcher
        self.url = url
        self.is_remote = is_remote

    async def send(self, method: str, path: str, **options: Any) -> tuple[Response | AsyncResponse, bytes]:
        """The response and its body. ``path`` may be a URL."""
        url = path if "://" in path else self.url + path
        if isinstance(self.dispatcher, Dispatcher):
            response = self.dispatcher.request(method, url, **options)
            return response, response.read()
        async_response = await self.dispatcher.request(method, url, **options)
        return async_response, await async_response.read()

    async def close(self) -> None:
        """Close the dispatcher."""
        if isinstance(self.dispatcher, Dispatcher):
            self.dispatcher.close()
        else:
            await self.dispatcher.close()


DispatcherCheck = Callable[[Caller], Awaitable[None]]


async def request_and_response_arrive(caller: Caller) -> None:
    """Method, query, headers and body go there; status, headers and body come back."""
    response, content = await caller.send(
        "POST", "/echo", data=b"payload", params={"a": "b c"}, headers={"X-Given": "yes"}
    )
    assert response.status_code == 200, f"status {response.status_code}"
    assert content == b"payload", f"the body came back as {content[:50]!r}"
    for name, value in (("X-Method", "POST"), ("X-Seen", "yes")):
        assert response.headers[name] == value, f"{name} is {response.headers[name]!r}"
    assert response.headers["X-Query"] in ("a=b+c", "a=b%20c"), f"query {response.headers['X-Query']!r}"


async def response_knows_its_request(caller: Caller) -> None:
    """The response leads back to the request, and its URL."""
    response, _ = await caller.send("GET", "/echo?x=1")
    assert getattr(response.request, "method", None) == "GET", "response.request is missing"
    assert str(response.url) == f"{caller.url}/echo?x=1", f"response.url is {response.url}"


async def iterated_body_arrives(caller: Caller) -> None:
    """A body that comes in pieces, its length unknown."""

    def pieces() -> Iterator[bytes]:
        yield from (b"one ", b"two ", b"three")

    _, content = await caller.send("POST", "/echo", data=pieces())
    assert content == b"one two three", f"the body came back as {content!r}"


async def large_bodies_arrive(caller: Caller) -> None:
    """A mebibyte in either direction."""
    _, content = await caller.send("GET", "/large")
    assert content == LARGE, f"{len(content)} of {len(LARGE)} bytes came, or others"
    _, content = await caller.send("PUT", "/echo", data=LARGE)
    assert content == LARGE, f"{len(content)} of {len(LARGE)} bytes went, or others"


async def head_has_no_body(caller: Caller) -> None:
    """Though it says how long the body would be."""
    response, content = await caller.send("HEAD", "/large")
    assert content == b"", f"HEAD gave {len(content)} bytes"
    assert response.headers["Content-Length"] == str(len(LARGE)), "Content-Length was not handed on"


async def errors_are_responses(caller: Caller) -> None:
    """4xx and 5xx are no exceptions; whether to raise is for the caller to say."""
    for status in (400, 404, 500, 503):
        response, _ = await caller.send("GET", f"/status/{status}")
        assert response.status_code == status, f"{status} came as {response.status_code}"


async def redirects_are_responses(caller: Caller) -> None:
    """Following them is the client's business."""
    response, _ = await caller.send("GET", "/redirect")
    assert response.status_code == 302, f"the redirect came as {response.status_code}"
    assert response.headers["Location"] == "/echo", f"Location is {response.headers['Location']!r}"


async def no_content_ends_at_once(caller: Caller) -> None:
    """204 has no body, and the next request works."""
    for _ in range(3):
        response, content = await caller.send("GET", "/empty")
        assert (response.status_code, content) == (204, b""), f"{response.status_code}, {content!r}"


async def repeated_headers_stay_apart(caller: Caller) -> None:
    """Two lines of one name are two values."""
    response, _ = await caller.send("GET", "/twice")
    assert response.headers.getlist("X-Twice") == ["one", "two"], f"{response.headers.getlist('X-Twice')}"


async def many_requests_in_a_row(caller: Caller) -> None:
    """None gets the answer to another."""
    for number in range(30):
        _, content = await caller.send("POST", "/echo", data=str(number).encode())
        assert content == str(number).encode(), f"request {number} was answered with {content!r}"


async def failures_are_request_errors(caller: Caller) -> None:
    """A server that refuses: an exception of http3 with a message."""
    if not caller.is_remote:
        return
    host, port = refusing_address()[1][:2]
    try:
        await caller.send("GET", f"http://{host}:{port}/")
    except RequestError as exc:
        message = str(exc)
    else:
        raise AssertionError("no server listens, and yet there was a response")
    assert message, "the exception says nothing"


DISPATCHER_CHECKS: dict[str, DispatcherCheck] = {
    check.__name__: check
    for check in (
        request_and_response_arrive,
        response_knows_its_request,
        iterated_body_arrives,
        large_bodies_arrive,
        head_has_no_body,
        errors_are_responses,
        redirects_are_responses,
        no_content_ends_at_once,
        repeated_headers_stay_apart,
        many_requests_in_a_row,
        failures_are_request_errors,
    )
}
"""All checks of a dispatcher by name."""


def run_without_loop(function: Any, /, *args: object) -> Any:
    """Enough for a sync dispatcher, whose calls never suspend."""
    return run_sync(function(*args))


def check_dispatcher(
    make: Callable[[], Dispatcher | AsyncDispatcher],
    run: RunFunction = run_without_loop,
    *,
    url: str | None = None,
    names: Iterable[str] = DISPATCHER_CHECKS,
) -> None:
    """Check that a `Dispatcher` or `AsyncDispatcher` keeps its contract.

    ``make`` is called once for each check, inside ``run(function, *args)``, which runs a coroutine function
    (a sync dispatcher needs none). Requests go to a server that the suite starts; a dispatcher which leads
    elsewhere gives the ``url`` to call, and has it answered by `wsgi_app`, `asgi_app` or `answer`. ``names``
    picks from `DISPATCHER_CHECKS`, all by default. Raises AssertionError that names the check and what is
    wrong.
    """

    async def one(name: str, base: str) -> None:
        caller = Caller(make(), base, url is None)
        try:
            await DISPATCHER_CHECKS[name](caller)
        except AssertionError as exc:
            raise AssertionError(f"{name}: {exc}") from exc
        except Exception as exc:
            raise AssertionError(f"{name}: {type(exc).__name__}: {exc}") from exc
        finally:
            await caller.close()

    for name in names:
        if url is not None:
            run(one, name, url)
            continue
        with Server() as server:
            run(one, name, server.url)
