"""What every dispatcher must do, sync or async. Each check is a coroutine function that gets a `Caller`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from http3_models import AsyncDispatcher, AsyncResponse, Dispatcher, RequestError, Response

from .backends import refusing_address
from .reporting import RunFunction, named, picked, run_without_loop
from .server import LARGE, Server
from .steps import same_bytes


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
    assert response.status_code == 200, f"the status must be 200, but is {response.status_code}"
    assert content == b"payload", f"the body b'payload' must come back, but {content[:50]!r} did"
    for name, what, values in (
        ("X-Method", "the method POST", ["POST"]),
        ("X-Seen", "the header X-Given: yes", ["yes"]),
        ("X-Query", "params={'a': 'b c'}", ["a=b+c", "a=b%20c"]),
    ):
        got = response.headers.get(name)
        assert got in values, f"{what} must arrive as {' or '.join(values)}, but arrived as {got!r}"


async def response_knows_its_request(caller: Caller) -> None:
    """The response leads back to the request, and its URL."""
    response, _ = await caller.send("GET", "/echo?x=1")
    method, url = getattr(response.request, "method", None), f"{caller.url}/echo?x=1"
    assert method == "GET", f"response.request must be the GET, but is {response.request!r}"
    assert str(response.url) == url, f"response.url must be {url}, but is {response.url}"


async def iterated_body_arrives(caller: Caller) -> None:
    """A body that comes in pieces, its length unknown."""

    def pieces() -> Iterator[bytes]:
        yield from (b"one ", b"two ", b"three")

    _, content = await caller.send("POST", "/echo", data=pieces())
    assert content == b"one two three", (
        f"the pieces b'one ', b'two ', b'three' must come back, but {content[:50]!r} did"
    )


async def large_bodies_arrive(caller: Caller) -> None:
    """A mebibyte in either direction."""
    _, content = await caller.send("GET", "/large")
    same_bytes("the body of GET", content, LARGE)
    _, content = await caller.send("PUT", "/echo", data=LARGE)
    same_bytes("the body of PUT, sent back", content, LARGE)


async def head_has_no_body(caller: Caller) -> None:
    """Though it says how long the body would be."""
    response, content = await caller.send("HEAD", "/large")
    assert content == b"", f"a response to HEAD must have no body, but has {len(content)} bytes"
    length = response.headers.get("Content-Length")
    assert length == str(len(LARGE)), f"Content-Length must stay {len(LARGE)}, but is {length!r}"


async def errors_are_responses(caller: Caller) -> None:
    """4xx and 5xx are no exceptions; whether to raise is for the caller to say."""
    for status in (400, 404, 500, 503):
        response, _ = await caller.send("GET", f"/status/{status}")
        assert response.status_code == status, f"the status must be {status}, but is {response.status_code}"


async def redirects_are_responses(caller: Caller) -> None:
    """Following them is the client's business."""
    response, _ = await caller.send("GET", "/redirect")
    assert response.status_code == 302, (
        f"a redirect must not be followed: expected 302, but got {response.status_code}"
    )
    location = response.headers.get("Location")
    assert location == "/echo", f"Location must be '/echo', but is {location!r}"


async def no_content_ends_at_once(caller: Caller) -> None:
    """204 has no body, and the next request works."""
    for _ in range(3):
        response, content = await caller.send("GET", "/empty")
        assert (response.status_code, content) == (204, b""), (
            f"expected status 204 without a body, but got {response.status_code} with {content[:50]!r}"
        )


async def repeated_headers_stay_apart(caller: Caller) -> None:
    """Two lines of one name are two values."""
    response, _ = await caller.send("GET", "/twice")
    values = response.headers.getlist("X-Twice")
    assert values == ["one", "two"], f"X-Twice must have the values 'one' and 'two', but has {values}"


async def many_requests_in_a_row(caller: Caller) -> None:
    """None gets the answer to another."""
    for number in range(30):
        _, content = await caller.send("POST", "/echo", data=str(number).encode())
        sent = str(number).encode()
        assert content == sent, f"the body {sent!r} must come back, but {content[:50]!r} did"


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
        raise AssertionError("no server listens: a RequestError must be raised, but there was a response")
    assert message, "the exception must have a message, but its text is empty"


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


def check_dispatcher(
    make: Callable[[], Dispatcher | AsyncDispatcher],
    run: RunFunction | None = None,
    *,
    url: str | None = None,
    names: Iterable[str] | None = None,
) -> None:
    """Check that a `Dispatcher` or `AsyncDispatcher` keeps its contract.

    ``make()`` returns a new one for each check. ``run(function, *args)`` runs a coroutine function as
    `trio.run` does; None for a `Dispatcher`, whose calls do not suspend. ``names`` are those of the checks to
    run; None for all of `DISPATCHER_CHECKS`.

    Requests go to a server that the suite starts. For a dispatcher that can't reach it, ``url`` is what to
    call instead, answered by `wsgi_app`, `asgi_app` or `answer`.

    Raises AssertionError that begins with the check's name and says what was expected and what happened.
    """

    async def one(name: str, base: str) -> None:
        caller = Caller(make(), base, url is None)
        try:
            await DISPATCHER_CHECKS[name](caller)
        finally:
            await caller.close()

    for name in picked(DISPATCHER_CHECKS, names):
        if url is not None:
            (run or run_without_loop)(named, one, name, url)
            continue
        with Server() as server:
            (run or run_without_loop)(named, one, name, server.url)
