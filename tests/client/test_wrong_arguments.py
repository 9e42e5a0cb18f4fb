"""Wrong arguments of constructors: the exception names the argument, on one line that stays short."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import pytest

import http3
from http3_models.engine import short_repr


class Huge:
    def __repr__(self) -> str:
        return "x" * 30_000


class Lines:
    def __repr__(self) -> str:
        return "line\n" * 300


class NoRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class HugeClass(type):
    def __repr__(cls) -> str:
        return "X" * 30_000


LONG = "ab c" * 1000

VALUES: dict[str, Any] = {
    "huge": Huge(),
    "lines": Lines(),
    "no repr": NoRepr(),
    "class": Huge,
    "metaclass": HugeClass("Made", (), {}),
    "partial": partial(print, LONG),
    "text": LONG,
    "bytes": LONG.encode(),
    "text of lines": "line\n" * 3000,
    "NULs": "\0" * 9999,
    "surrogates": "\ud800" * 9999,
    "URL": f"{'z' * 9999}://h/",
    "large": 10**5000,
    "negative": -(10**5000),
    "list": [LONG] * 100,
    "tuple": (Huge(), Huge(), Huge(), NoRepr()),
    "pair": (LONG, "b\0"),
    "pairs": [(LONG, "b\0")],
    "names": {LONG: "x"},
    "values": {"a": "b\0" * 9999},
    "names and values": {LONG: Huge()},
    "hooks": {"request": [NoRepr()]},
    "names that are none": {NoRepr(): [1]},
}

BASES: dict[Any, dict[str, Any]] = {
    http3.Client: {},
    http3.AsyncClient: {},
    http3.ConnectionPool: {},
    http3.TimeoutConfig: {},
    http3.PoolLimits: {},
    http3.Limits: {},
    http3.SSLConfig: {},
    http3.EgressPolicy: {},
    http3.WSGIDispatch: {"app": print},
    http3.ASGIDispatch: {"app": print},
    http3.MockDispatcher: {"handler": print},
    http3.Request: {"method": "GET", "url": "http://h/"},
    http3.AsyncRequest: {"method": "GET", "url": "http://h/"},
    http3.Response: {"status_code": 200},
    http3.AsyncResponse: {"status_code": 200},
    http3.Headers: {},
    http3.QueryParams: {},
    http3.Cookies: {},
}


@pytest.mark.parametrize("cls", BASES)
def test_messages_are_short(cls: Any) -> None:
    parameters = set(inspect.signature(cls).parameters) - {"protocol"}
    refused = 0
    for name in parameters:
        for label, value in VALUES.items():
            try:
                cls(**{**BASES[cls], name: value})
            except (TypeError, ValueError, LookupError, http3.Http3Error) as exc:
                text = str(exc)
                # A URL is shown up to 200 characters, each of which may take six to write.
                most = 1400 if isinstance(exc, http3.InvalidURL) else 300
                assert len(text) < most, (name, label, text[:200])
                assert "\n" not in text, (name, label, text[:200])
                refused += 1
    assert refused >= len(parameters)


def test_brief() -> None:
    assert short_repr("short") == "'short'"
    assert short_repr([1, "a"]) == "[1, 'a']"
    assert short_repr("a" * 78) == repr("a" * 78)
    assert short_repr("a" * 79) == "'" + "a" * 79 + "..."
    assert short_repr(b"a" * 10**6) == "b'" + "a" * 78 + "..."
    assert short_repr(Lines()) == ("line " * 16).rstrip() + " ..."
    assert short_repr(NoRepr()) == "<NoRepr object>"
    assert short_repr(10**5000) == "<int object>"


@pytest.mark.parametrize("client", [http3.Client, http3.AsyncClient])
@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("dispatch", http3.MockDispatcher),
        ("dispatch", http3.ConnectionPool),
        ("backend", http3.AsyncioBackend),
        ("backend", http3.BlockingBackend),
        ("auth", http3.BasicAuth),
        ("auth", http3.DigestAuth),
    ],
)
def test_a_class_in_place_of_an_instance(client: Any, name: str, cls: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} must be an instance, not the class {cls.__name__}"):
        client(**{name: cls})


def test_a_class_of_runners() -> None:
    class Runner:
        def run(self, coroutine: Any) -> Any: ...

    with pytest.raises(TypeError, match="runner must be an instance, not the class Runner"):
        http3.Client(runner=Runner)  # type: ignore[arg-type]


def test_a_class_that_needs_no_instance() -> None:
    class Answers:
        @staticmethod
        def send(request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> http3.Response:
            return http3.Response(200)

        @classmethod
        def close(cls) -> None: ...

    with http3.Client(dispatch=Answers) as client:  # type: ignore[arg-type]
        assert client.get("http://h/").ok
