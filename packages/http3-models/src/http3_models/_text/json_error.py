"""The exception of `Response.json`. In a module of its own, since json takes 1 ms to import and is rarely
needed for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .._brief import short_repr
from .._exceptions import Http3Error
from .decoding import detect_json_encoding
from .encodings import find_text_encoding

if TYPE_CHECKING:
    from .._records import ResponseState


class JSONDecodeError(Http3Error, json.JSONDecodeError):
    """The body of a response is no JSON, or nested too deeply; from ``response.json()``.

    The message names URL, status and Content-Type and shows the beginning of the body. ``msg``, ``doc``,
    ``pos``, ``lineno`` and ``colno`` are those of `json.JSONDecodeError`.
    """

    def __init__(self, msg: str, doc: str, pos: int, *, body: str = "the response body") -> None:
        super().__init__(msg, doc, pos)
        place = f"line {self.lineno} column {self.colno} (char {pos})"
        shown = f"it begins with {short_repr(doc)}" if doc else "it is empty"
        self.args: tuple[Any, ...] = (f"{body[:1].upper()}{body[1:]} is no JSON: {msg}: {place}; {shown}",)


JSONDecodeError.__module__ = "http3_models"


def json_error(
    exc: ValueError | RecursionError,
    state: ResponseState,
    content: bytes,
    encoding: str | None,
    options: dict[str, Any],
) -> JSONDecodeError | None:
    """The error of the codec or parser as an exception that names the response.

    None for an exception that may come from a function in ``options``.
    """
    body = _described(state)
    if isinstance(exc, json.JSONDecodeError):
        return JSONDecodeError(exc.msg, exc.doc, exc.pos, body=body)
    codec = find_text_encoding(encoding or "") or detect_json_encoding(content)
    text = content.decode(codec, "replace")
    if isinstance(exc, UnicodeDecodeError):
        before = content[: exc.start].decode(codec, "replace")
        return JSONDecodeError(f"Not in {encoding or codec} ({exc.reason})", text, len(before), body=body)
    if isinstance(exc, RecursionError):
        return JSONDecodeError("Nested too deeply", text, 0, body=body)
    return None if options else JSONDecodeError(str(exc), text, 0, body=body)  # an int of too many digits


def _described(state: ResponseState) -> str:
    from .._url import redacted

    asked = "" if state.request is None else f" of {state.request.method} {redacted(state.request.url)}"
    content_type = state.headers.get("content-type")
    kind = "no Content-Type" if content_type is None else f"Content-Type {short_repr(content_type)}"
    return f"the response body{asked} ({state.status_code}, {kind})"
