"""Hooks: called for every exchange, in both colours."""

from __future__ import annotations

from typing import Any

import pytest

from client_worlds import Site, World, redirect
from http3_models import LocalProtocolError, Response


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
    from http3_models import HttpError

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


def test_a_hook_may_read_the_body_in_a_sync_client() -> None:
    world = World("sync")
    log: list[bytes] = []
    session = world.session(
        lambda _: Response(200, content=iter([b"a", b"b"])),
        hooks={"response": [lambda response: log.append(response.read())]},
    )
    assert session.get("https://h/").content == b"ab"
    assert log == [b"ab"]
