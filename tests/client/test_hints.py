"""Arguments that http3 does not have: the TypeError names the called function, and says what to write."""

from __future__ import annotations

import inspect
import re
from typing import Any

import aiohttp
import httpx
import pytest
import requests

import http3
from http3_client._arguments.hints import CLIENT_HINTS, CLIENT_OPTIONS, HINTS, REQUEST_OPTIONS
from support.secrecy import leaks
from support.worlds import World

URL = "http://h/"
VERBS = ["get", "options", "head", "post", "put", "patch", "delete"]

NOT_ARGUMENTS = {"self", "method", "url", "str_or_url", "kwargs", "request"}
"""What peers take by position, as http3 does."""


def names(*functions: Any) -> set[str]:
    """The arguments that functions take."""
    found = [set(inspect.signature(function).parameters) for function in functions]
    return set().union(*found) - NOT_ARGUMENTS


OF_REQUESTS = names(
    requests.request,
    requests.Session.request,
    requests.Session.send,
    httpx.request,
    httpx.Client.request,
    httpx.Client.stream,
    httpx.Client.send,
    httpx.Client.build_request,
    aiohttp.ClientSession._request,
)
OF_CLIENTS = names(httpx.Client, httpx.AsyncClient, aiohttp.ClientSession) | set(requests.Session.__attrs__)


def refused(world: World, function: str, *args: Any, **options: Any) -> str:
    """What the TypeError of a client's method says."""
    session = world.session(lambda _: http3.Response(200))
    with pytest.raises(TypeError) as caught:
        session.do(getattr(session.client, function)(*args, **options))
    return str(caught.value)


def is_a_hint(text: str) -> bool:
    """The text says more than that there is no such argument."""
    return bool(re.search(r"has no argument '\w+': (?!did you mean|there are)", text))


@pytest.mark.parametrize("name", sorted(OF_REQUESTS - REQUEST_OPTIONS))
def test_what_peers_take_in_a_request(world: World, name: str) -> None:
    client = world.client_class.__name__
    for function in ("get", "post", "request"):
        args = ("GET", URL) if function == "request" else (URL,)
        text = refused(world, function, *args, **{name: None})
        assert text.startswith(f"{client}.{function}() has no argument '{name}': ")
        assert is_a_hint(text), text
    verb: Any
    for verb in (http3.get, http3.put):
        with pytest.raises(
            TypeError, match=rf"^http3\.{verb.__name__}\(\) has no argument '{name}': "
        ) as caught:
            verb(URL, **{name: None})
        assert is_a_hint(str(caught.value))


@pytest.mark.parametrize("name", sorted(OF_CLIENTS - set(inspect.signature(http3.Client).parameters)))
def test_what_peers_take_in_a_client(world: World, name: str) -> None:
    with pytest.raises(
        TypeError, match=rf"^{world.client_class.__name__}\(\) has no argument '{name}': "
    ) as caught:
        world.client_class(**{name: None})
    assert is_a_hint(str(caught.value)), caught.value


def test_the_tables_hold_no_name_that_exists() -> None:
    client = set(inspect.signature(http3.Client).parameters)
    request = set(inspect.signature(http3.Client.request).parameters) - {"self", "method", "url"}
    assert request == REQUEST_OPTIONS
    assert client - request == CLIENT_OPTIONS
    assert not set(HINTS) & (client | request)
    assert not set(CLIENT_HINTS) & (set(inspect.signature(http3.AsyncClient).parameters))


@pytest.mark.parametrize(
    ("function", "options", "words"),
    [
        (
            "get",
            {"follow_redirects": True},
            "get() has no argument 'follow_redirects': write allow_redirects=",
        ),
        ("post", {"content": b"x"}, "post() has no argument 'content': write data="),
        ("get", {"jsn": {}}, "get() has no argument 'jsn': did you mean json=?"),
        ("get", {"Timeout": 3}, "did you mean timeout=?"),
        ("get", {"zzz": 3}, "there are allow_redirects=, auth=, "),
        ("get", {"max_redirects": 3}, "write max_redirects= in the client: {client}(max_redirects=...)"),
        ("get", {"trust_env": False}, "{client}(trust_env=...)"),
        ("get", {"proxies": {"https": URL}}, "write proxy="),
        ("get", {"middleware": []}, "not supported yet"),
        (
            "get",
            {"content": b"", "http2": 1},
            "'content': write data=; it has no argument 'http2': write http_",
        ),
    ],
)
def test_what_is_said(world: World, function: str, options: Any, words: str) -> None:
    client = world.client_class.__name__
    text = refused(world, function, URL, **options)
    assert words.format(client=client) in text
    assert text.startswith(f"{client}.")


@pytest.mark.parametrize("verb", VERBS)
def test_arguments_by_position(world: World, verb: str) -> None:
    name = "data=" if verb in ("post", "put", "patch") else "params="
    text = refused(world, verb, URL, {"a": "1"})
    what = f"{verb}() takes the URL by position, and all else by name: write {name}"
    assert text.startswith(f"{world.client_class.__name__}.{what}")
    with pytest.raises(TypeError, match=rf"^http3\.{verb}\(\) takes the URL by position.*write {name}"):
        getattr(http3, verb)(URL, {"a": "1"})


def test_other_functions(world: World) -> None:
    client = world.client_class.__name__
    request = world.request_class("GET", URL)
    said = {
        refused(
            world, "send", request, headers={}
        ): "send() has no argument 'headers': write headers= in build_",
        refused(world, "send", request, True): "send() takes one argument by position, the request",
        refused(world, "send", request, follow_redirects=True): "write allow_redirects=",
        refused(world, "build_request", "GET", URL, content=b""): "build_request() has no argument 'content'",
        refused(world, "build_request", "GET", URL, auth=None): "write auth= in send() or request()",
        refused(world, "build_request", "GET", URL, {}): "build_request() takes the method and the URL by",
        refused(world, "request", "GET", URL, {}): "request() takes the method and the URL by position",
        refused(world, "stream", "GET", URL, stream=True): "stream() has no argument 'stream': leave it out",
        refused(world, "stream", "GET", URL, {}): "stream() takes the method and the URL by position",
        refused(world, "stream", "GET", URL, content=b""): "stream() has no argument 'content': write data=",
    }
    assert len(said) == 10
    for text, words in said.items():
        assert text.startswith(f"{client}."), text
        assert words in text
    with pytest.raises(TypeError, match=r"^http3\.request\(\) has no argument 'content': write data="):
        http3.request("POST", URL, content=b"")  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["json", "data", "stream", "allow_redirects", "files"])
def test_an_argument_of_a_request_in_a_client(world: World, name: str) -> None:
    with pytest.raises(
        TypeError, match=rf"\(\) has no argument '{name}': .*client\.\w+\(url, {name}=\.\.\.\)"
    ):
        world.client_class(**{name: None})


def test_a_runner_in_an_async_client() -> None:
    with pytest.raises(TypeError, match=r"^AsyncClient\(\) has no argument 'runner': only a Client has one"):
        http3.AsyncClient(runner=None)  # type: ignore[call-arg]


def test_other_errors_of_constructors_stay(world: World) -> None:
    with pytest.raises(TypeError, match="positional arguments"):
        world.client_class(*range(20))
    with pytest.raises(TypeError, match="max_redirects must be an int"):
        world.client_class(max_redirects="3")
    with pytest.raises(TypeError, match=r"BearerAuth\(token\)"):
        world.client_class(auth="token")


@pytest.mark.parametrize("name", ["verify", "max_redirects", "cert", "trust_env", "proxies", "no_such"])
def test_attributes_that_a_client_has_not(world: World, name: str) -> None:
    client = world.session(lambda _: http3.Response(200)).client
    kind = world.client_class.__name__
    with pytest.raises(AttributeError, match=f"^{kind} has no attribute '{name}' to be set") as caught:
        setattr(client, name, False)
    known = {"proxies": "write proxy=", "no_such": ""}
    assert known.get(name, f"write {kind}({name}=...)") in str(caught.value)

    class Own(world.client_class):  # type: ignore[misc, name-defined]
        """A subclass may have attributes of its own."""

    setattr(Own(), name, 3)


def test_a_subclass_and_its_overrides(world: World) -> None:
    class Own(world.client_class):  # type: ignore[misc, name-defined]
        def get(self, url: str, **options: Any) -> Any:
            return super().get(url, **options)

    client = Own(dispatch=http3.MockDispatcher(lambda _: http3.Response(200)))
    session = world.session(lambda _: http3.Response(200))
    with pytest.raises(TypeError, match=rf"^{world.client_class.__name__}\.get\(\) has no argument 'body'"):
        session.do(client.get(URL, body=b""))
    with pytest.raises(TypeError, match=r"^Own\(\) has no argument 'http2'"):
        Own(http2=True)
    session.do(client.close())


def test_no_traceback_shows_the_arguments(world: World) -> None:
    from support.secrecy import MARK

    session = world.session(lambda _: http3.Response(200))
    for function, args in (("get", (URL,)), ("request", ("GET", URL)), ("stream", ("GET", URL))):
        for surplus, options in (((MARK,), {}), ((), {"content": MARK, "auth": ("me", MARK)})):
            with pytest.raises(TypeError) as caught:
                session.do(getattr(session.client, function)(*args, *surplus, **options))
            assert not leaks(caught.value)
    with pytest.raises(TypeError) as caught:
        world.client_class(auth=("me", MARK), token=MARK)
    assert not leaks(caught.value)
    with pytest.raises(TypeError) as caught:
        http3.get(URL, auth=("me", MARK), token=MARK)  # type: ignore[call-arg]
    assert not leaks(caught.value)
