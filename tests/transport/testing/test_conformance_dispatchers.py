"""Our dispatchers pass the public suite, and the suite can fail."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import http3_transport
from http3_models import ConcurrencyBackend, Dispatcher, MockDispatcher, Request, Response
from http3_transport.testing import DISPATCHER_CHECKS, answer, asgi_app, check_dispatcher, wsgi_app
from support.worlds import World

URL = "http://localhost"


@pytest.mark.parametrize("name", DISPATCHER_CHECKS)
def test_pool_conforms(world: World, name: str) -> None:
    assert isinstance(world.backend, ConcurrencyBackend)
    backend: ConcurrencyBackend = world.backend
    check_dispatcher(lambda: http3_transport.ConnectionPool(backend=backend), world.run, names=[name])


@pytest.mark.parametrize("name", DISPATCHER_CHECKS)
@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_asgi_dispatch_conforms(library: str, name: str) -> None:
    check_dispatcher(
        lambda: http3_transport.ASGIDispatch(asgi_app), World(library).run, url=URL, names=[name]
    )


@pytest.mark.parametrize("name", DISPATCHER_CHECKS)
def test_wsgi_dispatch_conforms(name: str) -> None:
    check_dispatcher(lambda: http3_transport.WSGIDispatch(wsgi_app), World("sync").run, url=URL, names=[name])


def handler(request: Request) -> Response:
    """`answer` for requests and responses of ours."""
    path, _, query = request.url.full_path.partition("?")
    headers = [(name.decode(), value.decode("latin-1")) for name, value in request.headers.raw]
    status, fields, content = answer(request.method, path, query, headers, request.read())
    return Response(
        status, headers=fields, content=b"" if request.method == "HEAD" else content, request=request
    )


@pytest.mark.parametrize("name", DISPATCHER_CHECKS)
def test_mock_dispatcher_conforms(name: str) -> None:
    check_dispatcher(lambda: MockDispatcher(handler), url=URL, names=[name])


Change = Callable[[Request, dict[str, Any]], None]


class Broken(Dispatcher):
    """Answers, but for one thing."""

    def __init__(self, change: Change) -> None:
        self.change = change

    def send(self, request: Request, *_: object, **__: object) -> Response:
        response = handler(request)
        parts: dict[str, Any] = {
            "status_code": response.status_code,
            "headers": response.headers,
            "content": response.read(),
        }
        self.change(request, parts)
        return Response(
            parts["status_code"], headers=parts["headers"], content=parts["content"], request=request
        )


def loses_the_body(request: Request, parts: dict[str, Any]) -> None:
    parts["content"] = parts["content"][:-1]


def gives_head_a_body(request: Request, parts: dict[str, Any]) -> None:
    parts["headers"]["Content-Length"] = "0"


def hides_errors(request: Request, parts: dict[str, Any]) -> None:
    parts["status_code"] = 200


def merges_headers(request: Request, parts: dict[str, Any]) -> None:
    parts["headers"] = {name: parts["headers"][name] for name in parts["headers"]}


@pytest.mark.parametrize(
    ("change", "name", "message"),
    [
        (loses_the_body, "request_and_response_arrive", "b'payload' must come back, but b'payloa' did"),
        (loses_the_body, "iterated_body_arrives", "must come back, but b'one two thre' did"),
        (loses_the_body, "large_bodies_arrive", "of GET: expected 1048576 bytes, got 1048575"),
        (loses_the_body, "many_requests_in_a_row", "the body b'0' must come back, but b'' did"),
        (gives_head_a_body, "head_has_no_body", "must stay 1048576, but is '0'"),
        (hides_errors, "errors_are_responses", "must be 400, but is 200"),
        (hides_errors, "redirects_are_responses", "must not be followed: expected 302, but got 200"),
        (hides_errors, "no_content_ends_at_once", "expected status 204 without a body, but got 200 with b''"),
        (merges_headers, "repeated_headers_stay_apart", "but has ['one, two']"),
    ],
)
def test_broken_dispatchers_are_found(change: Change, name: str, message: str) -> None:
    with pytest.raises(AssertionError, match=f"^{name}: .*{re.escape(message)}$"):
        check_dispatcher(lambda: Broken(change), url=URL, names=[name])


def test_a_dispatcher_that_hides_failures_is_found() -> None:
    with pytest.raises(AssertionError, match="no server listens"):
        check_dispatcher(
            lambda: MockDispatcher(lambda request: Response(502)), names=["failures_are_request_errors"]
        )
