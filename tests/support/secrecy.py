"""What an exception gives away: in a traceback shown with variables, in its attributes, in a pickle."""

from __future__ import annotations

import base64
import copy
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import http3

TESTS = str(Path(__file__).parents[1])

MARK = "hushhush"
"""Stands in every secret of a test."""

CREDENTIALS = ("me" + MARK, "pw" + MARK)
URL_CREDENTIALS = f"me{MARK}:pw{MARK}"
BASIC = "Basic " + base64.b64encode(URL_CREDENTIALS.encode()).decode()

HEADERS = {
    "Authorization": f"Bearer {MARK}",
    "Cookie": f"a={MARK}",
    "Proxy-Authorization": f"Bearer {MARK}",
    "X-Api-Key": MARK,
    "X-Shown": "1",
}

SET_COOKIE = f"Set-Cookie: sid={MARK}; Path=/\r\n".encode()

_TOKENS = [base64.b64encode(text.encode()).decode() for text in (URL_CREDENTIALS, f"{MARK}:", f"me:pw{MARK}")]
_SECRETS = [MARK, *_TOKENS]


def leaks(exc: BaseException) -> list[str]:
    """Where secrets can be seen; empty if nowhere. Frames of the tests themselves are not looked at."""
    found = [f"message: {text}" for text in _messages(exc) if _is_secret(text)]
    found += _variables(traceback.TracebackException.from_exception(exc, capture_locals=True), set())
    if isinstance(exc, http3.Http3Error):
        found += [f"attribute {name}" for name, value in vars(exc).items() if _is_secret(repr(value))]
        found += [f"in a pickle: {secret}" for secret in _SECRETS if secret.encode() in pickle.dumps(exc)]
        found += [f"in a copy: {text}" for text in _texts_of(copy.deepcopy(exc)) if _is_secret(text)]
    return found


def _is_secret(text: str) -> bool:
    return any(secret in text for secret in _SECRETS)


def _messages(exc: BaseException | None) -> Iterator[str]:
    if exc is not None:
        yield f"{exc!r} {exc} {getattr(exc, '__notes__', '')}"
        yield from _messages(exc.__cause__)
        yield from _messages(exc.__context__)


def _variables(shown: traceback.TracebackException | None, seen: set[int]) -> list[str]:
    if shown is None or id(shown) in seen:
        return []
    seen.add(id(shown))
    found = [
        f"{Path(frame.filename).name}, {frame.name}: {name} = {text[:200]}"
        for frame in shown.stack
        if not frame.filename.startswith(TESTS)
        for name, text in (frame.locals or {}).items()
        if _is_secret(text)
    ]
    return found + _variables(shown.__cause__, seen) + _variables(shown.__context__, seen)


def _texts_of(exc: Any) -> Iterator[str]:
    """The headers of all messages that it carries, undisguised."""
    for value in vars(exc).values():
        if isinstance(value, http3.Request | http3.AsyncRequest | http3.Response | http3.AsyncResponse):
            yield from _fields_of(value)


def _fields_of(message: Any) -> Iterator[str]:
    yield repr(message.headers.raw)
    if isinstance(message, http3.Request | http3.AsyncRequest):
        yield str(message.url)
        yield repr(dict(message.cookies))
        return
    yield repr(message.trailers.raw)
    for earlier in message.history:
        yield from _fields_of(earlier)
    if message._state.request is not None:
        yield from _fields_of(message.request)
