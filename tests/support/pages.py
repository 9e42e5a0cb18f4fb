"""A handler for a `MockDispatcher` that remembers its requests, and answers by path."""

from __future__ import annotations

from typing import Any

from http3_models import Response


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
