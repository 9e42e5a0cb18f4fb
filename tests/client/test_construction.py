"""What a client sends through: chosen when it is made, opened by its first request."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from typing import Any, ClassVar

import pytest

import http3_client
import http3_transport
from http3_client import AsyncClient, Client
from http3_models import (
    AsyncDispatcher,
    ClientClosed,
    Dispatcher,
    EgressPolicy,
    InvalidURL,
    Limits,
    MockDispatcher,
    PoolLimits,
    Response,
    TimeoutConfig,
)
from http3_models.engine import RequestState, ResponseState, copy_response, view_request
from support.pages import Site, redirect
from support.worlds import World


class Pool(AsyncDispatcher):
    """Stands in for `ConnectionPool`; what it is made with is remembered."""

    made: ClassVar[list[Pool]] = []
    site: ClassVar[Site] = Site()

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.blocks = getattr(options["backend"], "blocks", False)
        self.closed = 0
        self.threads: list[str] = []
        self.made.append(self)

    async def exchange(self, request: RequestState) -> ResponseState:
        import threading

        from http3_models import Request

        if self.closed:
            raise ClientClosed("the pool is closed")
        self.threads.append(threading.current_thread().name)
        answer: Response = self.site(view_request(Request, request))
        return copy_response(answer._state, request)

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[Pool]:
    monkeypatch.setitem(http3_transport.__dict__, "ConnectionPool", Pool)
    Pool.made, Pool.site = [], Site()
    return Pool.made


def test_nothing_is_opened_before_the_first_request(world: World, pools: list[Pool]) -> None:
    session = world.session()
    assert pools == []
    session.get("http://h/")
    session.get("http://h/")
    assert len(pools) == 1
    session.do(session.client.close())
    assert pools[0].closed == 1


def test_a_client_that_sent_nothing_closes_nothing(world: World, pools: list[Pool]) -> None:
    session = world.session()
    session.do(session.client.close())
    assert pools == []


def test_the_pool_gets_the_clients_options(world: World, pools: list[Pool]) -> None:
    limits, pool_limits = Limits(max_decoded=9), PoolLimits(hard_limit=3)
    egress = EgressPolicy(allow=["10.0.0.0/8"])
    session = world.session(
        verify="/ca.pem",
        cert="/c.pem",
        timeout=3,
        pool_limits=pool_limits,
        http_versions=("HTTP/1.1",),
        trust_env=False,
        replay=False,
        limits=limits,
        egress=egress,
    )
    session.get("http://h/")
    backend = pools[0].options.pop("backend")
    assert pools[0].options == {
        "verify": "/ca.pem",
        "cert": "/c.pem",
        "timeout": TimeoutConfig(3),
        "pool_limits": pool_limits,
        "http_versions": ("HTTP/1.1",),
        "trust_env": False,
        "replay": False,
        "limits": limits,
        "egress": egress,
        "network": None,
        "proxy": False,
    }
    assert backend is None if world.is_async else type(backend) is http3_transport.BlockingBackend
    assert pools[0].threads == ["MainThread"]


def test_a_backend_that_suspends_runs_on_a_loop_of_its_own(pools: list[Pool]) -> None:
    backend = http3_transport.AsyncioBackend()
    with Client(backend=backend) as client:
        assert client.get("http://h/").ok
    assert pools[0].options["backend"] is backend
    assert pools[0].threads == ["http3-loop"]
    with Client(backend=http3_transport.BlockingBackend()) as client:
        assert client.get("http://h/").ok
    assert pools[1].threads == ["MainThread"]


# app=


class FakeASGI(AsyncDispatcher):
    blocks = False

    def __init__(self, app: Any, raise_app_exceptions: bool) -> None:
        self.app, self.raise_app_exceptions = app, raise_app_exceptions

    async def exchange(self, request: RequestState) -> ResponseState:
        await asyncio.sleep(0)
        text = f"asgi {request.url} {self.raise_app_exceptions}"
        return copy_response(Response(200, text=text)._state, request)


class FakeWSGI(Dispatcher):
    blocks = True

    def __init__(self, app: Any, raise_app_exceptions: bool) -> None:
        self.app, self.raise_app_exceptions = app, raise_app_exceptions

    async def exchange(self, request: RequestState) -> ResponseState:
        text = f"wsgi {request.url} {self.raise_app_exceptions}"
        return copy_response(Response(200, text=text)._state, request)


@pytest.fixture
def app_dispatchers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(http3_transport.__dict__, "ASGIDispatch", FakeASGI)
    monkeypatch.setitem(http3_transport.__dict__, "WSGIDispatch", FakeWSGI)


async def asgi_app(scope: Any, receive: Any, send: Any) -> None: ...


def wsgi_app(environ: Any, start_response: Any) -> Any: ...


@pytest.mark.usefixtures("app_dispatchers")
@pytest.mark.parametrize(("app", "kind"), [(asgi_app, "asgi"), (wsgi_app, "wsgi")])
def test_both_clients_take_both_kinds_of_app(world: World, app: Any, kind: str) -> None:
    session = world.session(app=app)
    assert session.get("/x?y").text == f"{kind} http://localhost/x?y True"
    assert session.get("x").text == f"{kind} http://localhost/x True"
    assert session.get("https://h/x").text == f"{kind} https://h/x True"
    with pytest.raises(InvalidURL):
        session.get("//other/x")
    session = world.session(app=app, base_url="https://h/v1", raise_app_exceptions=False)
    assert session.get("/x").text == f"{kind} https://h/v1/x False"


def test_an_app_that_is_neither(world: World) -> None:
    with pytest.raises(TypeError, match="ASGIDispatch"):
        world.client_class(app=lambda *args: None)


# Without http3-transport


def test_without_a_transport_a_client_says_what_to_install(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "http3_transport", None)
    for options in ({}, {"app": wsgi_app}):
        with pytest.raises(ImportError, match=r"pip install http3-client\[transport\]"):
            world.client_class(**options)
    assert world.session(Site()).get("https://h/").ok


ALONE = """
    import sys

    blocked = ["http3_transport", "h11", "h2", "ssl", "socket", "_ssl", "_socket", "trio"]
    for name in blocked:
        sys.modules[name] = None

    import http3_client
    from http3_client import AsyncClient, BasicAuth, Client, DigestAuth
    from http3_models import AsyncDispatcher, AsyncResponse, Dispatcher, MockDispatcher, Response

    def page(request):
        if request.url.path == "/login":
            return Response(302, headers={"Location": "/", "Set-Cookie": "s=1"})
        headers = request.headers
        return Response(200, json={"cookie": headers["cookie"], "auth": headers["authorization"]})

    class Own(Dispatcher):
        def send(self, request, verify=None, cert=None, timeout=None):
            return page(request)

    class OwnAsync(AsyncDispatcher):
        async def send(self, request, verify=None, cert=None, timeout=None):
            response = page(request)
            return AsyncResponse(response.status_code, headers=response.headers, content=response.content)

    expected = {"cookie": "s=1", "auth": "Basic dTpw"}
    for dispatch in (Own(), MockDispatcher(page)):
        with Client(dispatch=dispatch, auth=("u", "p")) as client:
            assert client.get("https://h/login").json() == expected

    def run(coroutine):
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value
        raise AssertionError("it suspended")

    async def main():
        for dispatch in (OwnAsync(), MockDispatcher(page)):
            async with AsyncClient(dispatch=dispatch, auth=BasicAuth("u", "p")) as client:
                assert await (await client.get("https://h/login")).json() == expected

    run(main())
    try:
        Client()
    except ImportError as exc:
        assert "http3-client[transport]" in str(exc)
    else:
        raise AssertionError
    assert all(sys.modules[name] is None for name in blocked)
    assert "asyncio" not in sys.modules
    print("fine")
"""


def test_the_client_works_without_transport_ssl_and_socket() -> None:
    import subprocess

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(ALONE)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("fine", "")


def test_importing_and_making_a_client_loads_nothing_heavy() -> None:
    import subprocess

    program = """
        import sys
        import http3_client
        heavy = "ssl socket asyncio select threading inspect h11 h2 trio certifi hashlib".split()
        assert not [name for name in heavy if name in sys.modules]
        http3_client.Client(), http3_client.AsyncClient()
        assert not [name for name in heavy if name in sys.modules]
        print("fine")
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("fine", "")


# The request functions


@pytest.mark.parametrize("verb", ["get", "options", "head", "post", "put", "patch", "delete"])
def test_each_function_uses_a_client_of_its_own(pools: list[Pool], verb: str) -> None:
    response = getattr(http3_client, verb)(
        "http://h/x", params={"q": 1}, headers={"X-A": "1"}, auth=("u", "p"), timeout=2
    )
    assert response.status_code == 200
    sent = Pool.site.last
    assert (sent.method, str(sent.url)) == (verb.upper(), "http://h/x?q=1")
    assert sent.headers["authorization"] == "Basic dTpw"
    assert len(pools) == 1
    assert pools[0].closed == 1


def test_functions_follow_redirects_but_head(pools: list[Pool]) -> None:
    Pool.site.pages["/a"] = redirect("/b", Set_Cookie="n=1")
    assert http3_client.get("http://h/a").url.path == "/b"
    assert Pool.site.last.headers["cookie"] == "n=1"
    assert http3_client.head("http://h/a").status_code == 302
    assert http3_client.request("GET", "http://h/a", allow_redirects=False).status_code == 302


def test_next_of_a_function_goes_on(pools: list[Pool]) -> None:
    Pool.site.pages.update({"/a": redirect("/b", Set_Cookie="n=1"), "/b": redirect("/c")})
    response = http3_client.get("http://h/a", allow_redirects=False)
    while response.next is not None:
        response = response.next()
    assert response.url.path == "/c"
    assert [earlier.url.path for earlier in response.history] == ["/a", "/b"]
    assert Pool.site.last.headers["cookie"] == "n=1"
    assert [pool.closed for pool in pools] == [1, 1, 1]


def test_a_streamed_response_outlives_its_function(pools: list[Pool]) -> None:
    closed: list[int] = []
    Pool.site.pages["/s"] = lambda _: Response(
        200, content=iter([b"a", b"b"]), on_close=lambda: closed.append(1)
    )
    with http3_client.get("http://h/s", stream=True) as response:
        assert closed == []
        assert next(iter(response.stream())) == b"a"
    assert closed == [1]


def test_unknown_options_of_functions(pools: list[Pool]) -> None:
    with pytest.raises(TypeError, match="tiemout"):
        http3_client.get("http://h/", tiemout=3)  # type: ignore[call-arg]
    assert pools == []


def test_clients_are_cheap_to_make() -> None:
    """Under a millisecond, a twentieth of what an SSL context takes; usually it is some microseconds."""
    from time import process_time

    for make in (Client, AsyncClient):
        make()
        started = process_time()
        for _ in range(20):
            make()
        assert (process_time() - started) / 20 < 0.001


def test_a_race_for_the_first_request_opens_one_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(dispatch=MockDispatcher(Site()))
    engine = client._engine
    opened = engine._open_transport

    def racing() -> Any:
        engine._open_transport = opened
        engine._get_transport()  # another thread was faster
        return MockDispatcher(Site())

    engine._open_transport = racing
    first = engine._get_transport()
    assert engine._get_transport() is first
    client.close()
