"""The exception of `Response.json`. In a module of its own, since json takes 1 ms to import and is rarely
needed for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from .._brief import short_repr
from .._exceptions import Http3Error
from .decoding import detect_json_encoding
from .encodings import find_text_encoding

if TYPE_CHECKING:
    from .._records import ResponseState
    from .._response import AsyncResponse, Response
    from .._response.either import EitherRequest, EitherResponse


class JSONDecodeError(Http3Error, json.JSONDecodeError):
    """The body of a response is no JSON, or nested too deeply; from ``response.json()``.

    The message names URL, status and Content-Type and shows the beginning of the body. ``msg``, ``doc``,
    ``pos``, ``lineno`` and ``colno`` are those of `json.JSONDecodeError`; of bytes that are no text ``doc``
    has U+FFFD for what is broken.
    """

    def __init__(
        self,
        msg: str,
        doc: str,
        pos: int,
        *,
        body: str = "the response body",
        response: Response | AsyncResponse | None = None,
    ) -> None:
        super().__init__(msg, doc, pos)
        self._response = response
        place = f"line {self.lineno} column {self.colno} (char {pos})"
        shown = f"it begins with {short_repr(doc)}" if doc else "it is empty"
        self.args: tuple[Any, ...] = (f"{body[:1].upper()}{body[1:]} is no JSON: {msg}: {place}; {shown}",)

    @property
    def response(self) -> EitherResponse:
        """The response, of the client's kind. Raises RuntimeError where none is known."""
        if self._response is None:
            raise RuntimeError("this exception belongs to no response")
        return cast("EitherResponse", self._response)

    @property
    def request(self) -> EitherRequest:
        """The request that was answered. Raises RuntimeError where none is known."""
        return self.response.request


JSONDecodeError.__module__ = "http3_models"


def json_error(
    exc: ValueError | RecursionError,
    response: Response | AsyncResponse,
    state: ResponseState,
    encoding: str | None,
    options: dict[str, Any],
) -> JSONDecodeError | None:
    """The error of the codec or parser as an exception that names the response, whose state is ``state``.

    None for an exception that may come from a function in ``options``.
    """
    body = _described(state)
    if isinstance(exc, json.JSONDecodeError):
        return JSONDecodeError(exc.msg, exc.doc, exc.pos, body=body, response=response)
    content = response.content
    codec = find_text_encoding(encoding or "") or detect_json_encoding(content)
    text = content.decode(codec, "replace")
    message, pos = str(exc), 0  # an int of too many digits
    if isinstance(exc, UnicodeDecodeError):
        message = f"Not in {encoding or codec} ({exc.reason})"
        pos = len(content[: exc.start].decode(codec, "replace"))
    elif isinstance(exc, RecursionError):
        message = "Nested too deeply"
    elif options:
        return None
    return JSONDecodeError(message, text, pos, body=body, response=response)


def _described(state: ResponseState) -> str:
    from .._url import redacted

    asked = "" if state.request is None else f" of {state.request.method} {redacted(state.request.url)}"
    content_type = state.headers.get("content-type")
    kind = "no Content-Type" if content_type is None else f"Content-Type {short_repr(content_type)}"
    return f"the response body{asked} ({state.status_code}, {kind})"
