"""Hooks: called for every exchange, in both colours."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from http3_models import HttpError, LocalProtocolError, ReadError, Response, ResponseClosed, ResponseNotRead
from support.pages import Site, redirect
from support.worlds import World


def test_hooks_see_every_exchange_of_a_chain(world: World) -> None:
    log: list[tuple[str, Any, str]] = []
    hooks = {
        "request": [lambda request: log.append(("request", type(request), request.url.path))],
        "response": [lambda response: log.append(("response", type(response), str(response.status_code)))],
    }
    site = Site({"/a": redirect("/b"), "/b": [Response(401), Response(200)]})

    class Retry:
        def auth_flow(self, request: Any) -> Any:
            response = yield request
            if response.status_code == 401:
                yield request

    world.session(site, hooks=hooks, auth=Retry()).get("https://h/a")
    request, response = world.request_class, world.response_class
    assert log == [
        ("request", request, "/a"),
        ("response", response, "302"),
        ("request", request, "/b"),
        ("response", response, "401"),
        ("request", request, "/b"),
        ("response", response, "200"),
    ]


def test_a_request_hook_may_change_the_request_of_its_hop(world: World) -> None:
    def mark(request: Any) -> None:
        request.headers["X-Hook"] = request.url.path
        if request.url.path == "/a":
            request.headers["X-Once"] = "1"

    site = Site({"/a": redirect("/b")})
    session = world.session(site, hooks={"request": [mark]})
    session.get("https://h/a")
    assert [request.headers["x-hook"] for request in site.requests] == ["/a", "/b"]
    assert "x-once" not in site.last.headers
    assert "x-hook" not in session.client.headers


def test_what_a_hook_breaks_is_noticed_before_a_byte_is_sent(world: World) -> None:
    def break_it(request: Any) -> None:
        request.headers["X-Bad"] = "a\r\nb"

    site = Site()
    with pytest.raises(LocalProtocolError, match="X-Bad"):
        world.session(site, hooks={"request": [break_it]}).get("https://h/")
    assert site.requests == []


@pytest.mark.parametrize("kind", ["request", "response"])
def test_a_failing_hook_closes_the_response(world: World, kind: str) -> None:
    closed: list[int] = []

    def fail(_: Any) -> None:
        raise KeyError("hook")

    session = world.session(
        lambda _: Response(200, content=iter([b"x"]), on_close=lambda: closed.append(1)), hooks={kind: [fail]}
    )
    with pytest.raises(KeyError):
        session.get("https://h/", stream=True)
    assert closed == ([1] if kind == "response" else [])


def test_a_response_hook_may_raise_for_status(world: World) -> None:
    session = world.session(
        lambda _: Response(404), hooks={"response": [lambda response: response.raise_for_status()]}
    )
    with pytest.raises(HttpError):
        session.get("https://h/")


def test_hooks_may_be_added_later(world: World) -> None:
    log: list[str] = []
    session = world.session(Site())
    session.client.hooks["response"].append(lambda response: log.append(response.url.path))
    session.get("https://h/x")
    del session.client.hooks["request"]
    session.get("https://h/y")
    assert log == ["/x", "/y"]


def test_async_hooks(world: World) -> None:
    log: list[bytes] = []

    async def note(response: Any) -> None:
        log.append(await response.read())

    session = world.session(Site(), hooks={"response": [note]})
    if world.is_async:
        session.get("https://h/x")
        assert log == [b"/x"]
    else:
        with pytest.raises(TypeError, match="AsyncClient"):
            session.get("https://h/x")


def pieces(*data: bytes) -> Callable[..., Response]:
    """Makes responses whose body comes when it is read, as it does over a network."""
    return lambda status=200, **options: Response(status, content=iter(data), **options)


def in_both_colours(world: World, function: Any) -> list[Any]:
    """The function as a hook and, for `AsyncClient`, as a coroutine function too."""

    async def hook(response: Any) -> None:
        function(response)

    return [function, hook] if world.is_async else [function]


def test_hooks_find_the_body_of_a_response_that_will_be_read(world: World) -> None:
    for make in (pieces(b'{"a":', b" 1}"), lambda **_: Response(200, content=b'{"a": 1}')):
        seen: list[Any] = []

        def look(response: Any, seen: list[Any] = seen) -> None:
            seen.append((response.content, response.text))

        hooks = in_both_colours(world, look)
        response = world.session(lambda _, make=make: make(), hooks={"response": hooks}).get("https://h/")
        assert seen == [(b'{"a": 1}', '{"a": 1}')] * len(hooks)
        assert response.content == b'{"a": 1}'
        assert session_json(world, response) == {"a": 1}


def session_json(world: World, response: Any) -> Any:
    session = world.session(Site())
    return session.do(response.json())


def test_a_hook_may_read_the_body_as_ever(world: World) -> None:
    log: list[Any] = []

    def read(response: Any) -> Any:
        async def reading() -> None:
            log.append(await response.read())

        return reading() if world.is_async else log.append(response.read())

    session = world.session(lambda _: pieces(b"a", b"b")(), hooks={"response": [read]})
    assert session.get("https://h/").content == b"ab"
    assert session.do(session.get("https://h/", stream=True).read()) == b"ab"
    assert log == [b"ab", b"ab"]


@pytest.mark.parametrize("status", [404, 503])
@pytest.mark.parametrize("allow_redirects", [True, False])
def test_the_body_of_an_error_that_a_hook_raises_stays_readable(
    world: World, status: int, allow_redirects: bool
) -> None:
    for check in in_both_colours(world, lambda response: response.raise_for_status()):
        closed: list[int] = []
        make = pieces(b'{"why":', b" 1}")
        session = world.session(
            lambda _, make=make, closed=closed: make(status, on_close=lambda: closed.append(1)),
            hooks={"response": [check]},
        )
        with pytest.raises(HttpError) as caught:
            session.get("https://h/", allow_redirects=allow_redirects)
        error = caught.value
        assert (error.response.content, error.response.text) == (b'{"why": 1}', '{"why": 1}')
        assert session.do(error.response.json()) == {"why": 1}
        assert pickle.loads(pickle.dumps(error)).response.content == b'{"why": 1}'
        assert closed == [1]


def test_a_streamed_response_is_not_read_ahead(world: World) -> None:
    begun: list[int] = []

    def body() -> Iterator[bytes]:
        begun.append(1)
        yield b"x"

    told: list[str] = []

    def look(response: Any) -> None:
        with pytest.raises(ResponseNotRead) as caught:
            _ = response.content
        told.append(str(caught.value))

    session = world.session(lambda _: Response(200, content=body()), hooks={"response": [look]})
    response = session.get("https://h/", stream=True)
    assert begun == []
    assert "read()" in told[0]
    assert "stream=True" in told[0]
    assert session.do(response.read()) == b"x"


def test_of_a_streamed_response_a_short_error_stays_readable_too(world: World) -> None:
    short, long = pieces(b"why", b"?"), [b"x" * 1000] * 100
    site = Site({"/short": lambda _: short(500), "/long": lambda _: pieces(*long)(500)})
    session = world.session(site, hooks={"response": [lambda response: response.raise_for_status()]})
    with pytest.raises(HttpError) as caught:
        session.get("https://h/short", stream=True)
    assert caught.value.response.content == b"why?"
    assert caught.value.response.is_closed
    with pytest.raises(HttpError) as caught:
        session.get("https://h/long", stream=True)
    with pytest.raises(ResponseClosed, match=r"read\(\)"):
        _ = caught.value.response.content


def test_a_body_that_breaks_is_told_before_hooks_see_it(world: World) -> None:
    def body() -> Iterator[bytes]:
        yield b"x"
        raise ReadError("gone")

    seen: list[Any] = []
    session = world.session(lambda _: Response(404, content=body()), hooks={"response": [seen.append]})
    with pytest.raises(ReadError):
        session.get("https://h/")
    assert seen == []


# Redirects on the way


def test_hooks_find_the_short_bodies_of_redirects(world: World) -> None:
    seen: list[bytes] = []
    site = Site({"/a": lambda _: pieces(b"mo", b"ved")(302, headers={"Location": "/b"})})
    hooks = in_both_colours(world, lambda response: seen.append(response.content))
    session = world.session(site, hooks={"response": hooks[:1]})
    assert session.get("https://h/a").history[0].content == b"moved"
    response = session.get("https://h/a", allow_redirects=False)
    session.do(response.next())
    assert seen == [b"moved", b"/b", b"moved", b"/b"]
    assert session.do(session.get("https://h/missing", stream=False).read()) == b"/missing"


def test_long_bodies_of_redirects_are_left_to_hooks_or_closed(world: World) -> None:
    told: list[str] = []

    def look(response: Any) -> None:
        try:
            told.append(str(len(response.content)))
        except (ResponseNotRead, ResponseClosed) as exc:
            told.append(str(exc))

    many = [b"x" * 1000] * 100
    length = {"Content-Length": "100000"}
    site = Site(
        {
            "/said": lambda _: pieces(*many)(302, headers={"Location": "/unsaid", **length}),
            "/unsaid": lambda _: pieces(*many)(302, headers={"Location": "/end"}),
        }
    )
    response = world.session(site, hooks={"response": [look]}).get("https://h/said")
    assert "with allow_redirects=False" in told[0]
    assert told == [told[0], told[0], "4"]
    assert [earlier.is_closed for earlier in response.history] == [True, True]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_hook_may_stream_a_redirect_as_far_as_it_likes(world: World, most: int) -> None:
    closed: list[int] = []

    def some(response: Any) -> Any:
        if response.status_code != 302:
            return None
        iterator = response.stream()

        async def taking() -> None:
            taken = 0
            async for _ in iterator:
                taken += 1
                if taken == most:
                    break

        if world.is_async:
            return taking()
        for _ in range(most):
            next(iterator, None)
        return None

    def moved(_: Any) -> Response:
        headers = {"Location": "/b", "Content-Length": "100000"}
        return pieces(b"1", b"2")(302, headers=headers, on_close=lambda: closed.append(1))

    response = world.session(Site({"/a": moved}), hooks={"response": [some]}).get("https://h/a")
    assert response.content == b"/b"
    assert response.history[0].is_closed
    assert closed == [1]
