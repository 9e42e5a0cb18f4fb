"""The two clients under one set of verbs, so that a test of client logic is written once.

`World.call` makes a client over a handler (or any dispatcher), does what a test asks, and closes it. The
handler returns a `Response`; both clients take it from a `MockDispatcher`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import http3_client
from http3_models import MockDispatcher, Request, Response

Handler = Callable[[Any], Any]


class Session:
    """One client; its methods block in both worlds and give the client's own objects."""

    def __init__(self, world: World, client: Any, runner: asyncio.Runner | None) -> None:
        self.world = world
        self.client = client
        self._runner = runner

    def do(self, result: Any) -> Any:
        """What a verb of either kind gives."""
        return self._runner.run(_awaited(result)) if self._runner is not None else result

    def request(self, method: str, url: Any, **options: Any) -> Any:
        """``client.request``."""
        return self.do(self.client.request(method, url, **options))

    def get(self, url: Any, **options: Any) -> Any:
        """``client.get``."""
        return self.do(self.client.get(url, **options))

    def post(self, url: Any, **options: Any) -> Any:
        """``client.post``."""
        return self.do(self.client.post(url, **options))

    def send(self, request: Any, **options: Any) -> Any:
        """``client.send``."""
        return self.do(self.client.send(request, **options))

    def close(self) -> None:
        """Close the client, and the loop."""
        self.do(self.client.close())
        if self._runner is not None:
            self._runner.close()
            self._runner = None


class World:
    """``sync`` or ``async``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_async = name == "async"
        self.request_class: Any = _models().AsyncRequest if self.is_async else Request
        self.response_class: Any = _models().AsyncResponse if self.is_async else Response
        self.client_class: Any = http3_client.AsyncClient if self.is_async else http3_client.Client
        self._open: list[Session] = []

    def __repr__(self) -> str:
        return f"<World {self.name}>"

    def session(self, dispatch: Any = None, **options: Any) -> Session:
        """A client over a handler or a dispatcher."""
        if dispatch is not None:
            is_handler = callable(dispatch) and not hasattr(dispatch, "send")
            options["dispatch"] = MockDispatcher(dispatch) if is_handler else dispatch
        session = Session(self, self.client_class(**options), asyncio.Runner() if self.is_async else None)
        self._open.append(session)
        return session

    def close(self) -> None:
        """Close every session."""
        for session in self._open:
            session.close()


async def _awaited(result: Any) -> Any:
    return await result if hasattr(result, "__await__") else result


def _models() -> Any:
    import http3_models

    return http3_models


class Site:
    """A handler that remembers its requests and answers by path.

    ``pages`` maps a URL or path to a response, a list of responses (one after the other) or a function.
    """

    def __init__(self, pages: dict[str, Any] | None = None) -> None:
        self.pages = pages or {}
        self.requests: list[Any] = []

    def __call__(self, request: Any) -> Any:
        self.requests.append(request)
        page = self.pages.get(str(request.url).partition("#")[0], self.pages.get(request.url.path))
        if page is None:
            return Response(200, text=request.url.path)
        if isinstance(page, list):
            page = page.pop(0) if len(page) > 1 else page[0]
        return page(request) if not isinstance(page, Response) and callable(page) else page

    @property
    def urls(self) -> list[str]:
        """Where the requests went."""
        return [str(request.url) for request in self.requests]

    @property
    def last(self) -> Any:
        """The latest request."""
        return self.requests[-1]


def redirect(location: str | bytes, status: int = 302, **headers: str) -> Response:
    """A redirecting response; underscores in names of ``headers`` are hyphens."""
    fields = [("Location", location), *((name.replace("_", "-"), value) for name, value in headers.items())]
    return Response(status, headers=fields, content=b"moved")
