"""What the loggers of http3 say, when they say it, and that they never disturb a request."""

from __future__ import annotations

import gc
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import http3
from http3_transport.testing import HTTP2Frames, ScriptedConnection, ScriptedServer
from support.proxy_server import ProxyServer
from support.servers import Authority
from support.worlds import World, collect, do, raised

NAMES = ("http3", "http3.client", "http3.pool", "http3.tls", "http3.http1", "http3.http2")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ENDS = r"127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+"
AFTER = r", \d+\.\d{3} s after the start"


class Records(logging.Handler):
    """Keeps the records of the loggers of http3."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.kept: list[logging.LogRecord] = []
        self.also: Callable[[], object] = lambda: None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.kept.append(record)
        self.also()

    def lines(self) -> list[str]:
        """``pool: opened ...``, and forget them."""
        lines = [f"{record.name.removeprefix('http3.')}: {record.getMessage()}" for record in self.kept]
        self.kept.clear()
        return lines

    def check(self, *patterns: str) -> None:
        """The lines match the patterns, in which ENDS, AFTER and URL may stand."""
        lines = self.lines()
        for line, pattern in zip(lines, patterns, strict=False):
            expected = re.escape(pattern).replace("ENDS", ENDS).replace("AFTER", AFTER)
            assert re.fullmatch(expected, line), (line, pattern)
        assert len(lines) == len(patterns), lines


@pytest.fixture
def records() -> Iterator[Records]:
    """Of all loggers of http3, none of which is on yet."""
    logger, handler = logging.getLogger("http3"), Records()
    logger.addHandler(handler)
    root_level = logging.getLogger().level
    yield handler
    logger.removeHandler(handler)
    logging.getLogger().setLevel(root_level)
    for name in NAMES:
        logging.getLogger(name).setLevel(logging.NOTSET)
        logging.getLogger(name).disabled = False


@pytest.fixture
def debug(records: Records) -> Records:
    """The same, and they are on."""
    logging.getLogger("http3").setLevel(logging.DEBUG)
    return records


def http11(connection: ScriptedConnection) -> None:
    """Answers each request."""
    while True:
        connection.read_request()
        connection.write(OK)


def http2(connection: ScriptedConnection) -> None:
    """The same over HTTP/2."""
    frames = HTTP2Frames(connection)
    frames.handshake()
    while True:
        stream_id, _, _ = frames.read_request()
        frames.send_head(stream_id, 200, [])
        frames.send_body(stream_id, b"ok")


# What is said


async def test_of_http11(world: World, debug: Records) -> None:
    with ScriptedServer(http11) as server:
        client = world.client()
        for _ in range(2):
            await do(client.get(server.url + "/a?b=c"))
        await do(client.close())
    line = f"GET {server.url}/a?b=cAFTER"
    debug.check(
        f"pool: opened ENDS, HTTP/1.1: {line}",
        f"http1: sent on ENDS: {line}",
        f"http1: received 200 on ENDS: {line}",
        f"pool: reused ENDS: {line}",
        f"http1: sent on ENDS: {line}",
        f"http1: received 200 on ENDS: {line}",
        f"pool: closed ENDS: {server.url}",
    )


@pytest.mark.parametrize(("version", "script"), [("HTTP/1.1", http11), ("HTTP/2", http2)])
async def test_of_tls(world: World, debug: Records, authority: Authority, version: str, script: Any) -> None:
    alpn = {"HTTP/1.1": "http/1.1", "HTTP/2": "h2"}[version]
    with ScriptedServer(script, ssl_context=authority.server_context(alpn)) as server:
        client = world.client(verify=authority.ca_file)
        await do(client.post(server.url, data=b"x"))
        await do(client.close())
    name, stream = ("http1", "") if version == "HTTP/1.1" else ("http2", ", stream 1")
    line = f"POST {server.url}AFTER"
    debug.check(
        f"tls: TLSv1.3, ALPN {alpn} on ENDS: {line}",
        f"pool: opened ENDS, {version}: {line}",
        f"{name}: sent on ENDS{stream}: {line}",
        f"{name}: received 200 on ENDS{stream}: {line}",
        f"pool: closed ENDS: {server.url}",
    )


async def test_of_http2(world: World, debug: Records) -> None:
    with ScriptedServer(http2) as server:
        client = world.client(http_versions=("HTTP/2",))
        for data in (b"", iter([b"a", b"b"])):
            await do(client.post(server.url, data=data))
        await do(client.close())
    line = f"POST {server.url}AFTER"
    debug.check(
        f"pool: opened ENDS, HTTP/2: {line}",
        f"http2: sent on ENDS, stream 1: {line}",
        f"http2: received 200 on ENDS, stream 1: {line}",
        f"pool: reused ENDS: {line}",
        f"http2: sent on ENDS, stream 3: {line}",
        f"http2: received 200 on ENDS, stream 3: {line}",
        f"pool: closed ENDS: {server.url}",
    )


@pytest.mark.parametrize("kind", ["http", "socks5"])
@pytest.mark.parametrize("tls", [False, True])
async def test_of_proxies(world: World, debug: Records, authority: Authority, kind: str, tls: bool) -> None:
    context = authority.server_context("http/1.1") if tls else None
    with (
        ProxyServer(kind, credentials="me:hunter2") as proxy,
        ScriptedServer(http11, ssl_context=context) as server,
    ):
        client = world.client(
            proxy=proxy.url.replace("//", "//me:hunter2@"),
            verify=authority.ca_file,
            http_versions=("HTTP/1.1",),
        )
        assert (await do(client.get(server.url))).content == b"ok"
        await do(client.close())
    assert not [record for record in debug.kept if "hunter2" in f"{record.getMessage()} {record.args}"]
    line = f"GET {server.url}AFTER"
    debug.check(
        *([f"tls: TLSv1.3, ALPN http/1.1 on ENDS: {line}"] if tls else []),
        f"pool: opened ENDS, HTTP/1.1, through {proxy.url}: {line}",
        f"http1: sent on ENDS: {line}",
        f"http1: received 200 on ENDS: {line}",
        f"pool: closed ENDS: {server.url}",
    )


async def test_of_an_answer_before_the_end_of_an_upload(world: World, debug: Records) -> None:
    def early(connection: ScriptedConnection) -> None:
        connection.read(10)
        connection.write(OK)
        connection.stall()

    with ScriptedServer(early) as server:
        response = await do(world.client().post(server.url, data=iter([b"a" * 10])))
        assert response.status_code == 200
    said = [line.partition(" on ")[0] for line in debug.lines()]
    assert said[1:3] == ["http1: sent", "http1: received 200"]


async def test_of_a_connection_that_the_server_closes(world: World, debug: Records) -> None:
    def script(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.write(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    with ScriptedServer(script) as server:
        client = world.client()
        await do(client.get(server.url))
        assert debug.lines()[-1].startswith("pool: closed 127.0.0.1:")


async def test_of_a_request_that_is_sent_again(world: World, debug: Records) -> None:
    served: list[int] = []

    def script(connection: ScriptedConnection) -> None:
        served.append(len(served))
        connection.read_request()
        connection.write(OK)
        connection.read_request()
        if served[1:]:
            connection.write(OK)

    with ScriptedServer(script) as server:
        client = world.client()
        await do(client.get(server.url))
        debug.kept.clear()
        await do(client.get(server.url))
    lines = [re.sub(ENDS, "ENDS", re.sub(AFTER, "", line)) for line in debug.lines()]
    url = f"GET {server.url}"
    why = "The server closed the connection without sending a response"
    assert lines[:5] == [
        f"pool: reused ENDS: {url}",
        f"http1: sent on ENDS: {url}",
        f"pool: closed ENDS: {server.url}",
        f"pool: replayed {url}; the first try failed: {why}: {url}",
        f"pool: opened ENDS, HTTP/1.1: {url}",
    ]


async def test_of_redirects(world: World, debug: Records) -> None:
    def page(request: Any) -> http3.Response:
        if request.url.path == "/":
            return http3.Response(302, headers={"Location": "https://you:hunter2@other/b?c=d"})
        return http3.Response(200)

    client = world.client(dispatch=http3.MockDispatcher(page))
    await do(client.get("https://me:hunter2@h/"))
    debug.check("client: redirected by 302: GET https://h/ to GET https://other/b?c=d")
    response = await do(client.get("https://h/", allow_redirects=False))
    await do(response.next())
    assert len(debug.lines()) == 1


async def test_of_auth(world: World, debug: Records) -> None:
    challenge = {"WWW-Authenticate": 'Digest realm="hunter2", nonce="hunter2", qop="auth"'}

    def page(request: Any) -> http3.Response:
        if "authorization" in request.headers:
            return http3.Response(200)
        return http3.Response(401, headers=challenge)

    client = world.client(dispatch=http3.MockDispatcher(page), auth=http3.DigestAuth("me", "hunter2"))
    assert (await do(client.get("https://h/a"))).status_code == 200
    debug.check("client: retried after 401 (auth): GET https://h/a")


async def test_of_expectations(world: World, debug: Records) -> None:
    def page(request: Any) -> http3.Response:
        return http3.Response(417 if "expect" in request.headers else 200)

    client = world.client(dispatch=http3.MockDispatcher(page))
    await do(client.post("https://h/", data=b"x", headers={"Expect": "100-continue"}))
    debug.check("client: retried after 417 (without Expect): POST https://h/")


async def test_of_a_pool_and_a_connection_used_alone(world: World, debug: Records) -> None:
    async def fetch(dispatcher: Any) -> None:
        response = await dispatcher.request("GET", server.url)
        await response.read()
        await dispatcher.close()

    with ScriptedServer(http11) as server:
        for dispatcher in (
            http3.ConnectionPool(backend=world.backend),
            http3.HTTPConnection(server.url, backend=world.backend),
        ):
            await fetch(dispatcher)
            said = [line.partition(" ")[0:3:2] for line in debug.lines()]
            assert [first for first, _ in said] == ["pool:", "http1:", "http1:", "pool:"]


# When it is said


ON: list[tuple[str, int, set[str]]] = [
    ("http3", logging.DEBUG, {"http1", "pool"}),
    ("http3", 1, {"http1", "pool"}),
    ("http3.pool", logging.DEBUG, {"pool"}),
    ("http3.http1", logging.DEBUG, {"http1"}),
    ("http3.tls", logging.DEBUG, set()),
    ("http3", logging.INFO, set()),
    ("", logging.DEBUG, {"http1", "pool"}),
    ("", logging.NOTSET, {"http1", "pool"}),
    ("", logging.INFO, set()),
]


@pytest.mark.parametrize(("name", "level", "wanted"), ON)
async def test_levels(world: World, records: Records, name: str, level: int, wanted: set[str]) -> None:
    logging.getLogger(name).setLevel(level)
    with ScriptedServer(http11) as server:
        await do(world.client().get(server.url))
    assert {record.name.removeprefix("http3.") for record in records.kept} == wanted
    assert {record.levelno for record in records.kept} <= {logging.DEBUG}


async def test_a_child_may_be_off(world: World, debug: Records) -> None:
    logging.getLogger("http3.pool").setLevel(logging.WARNING)
    logging.getLogger("http3.http1").disabled = True
    with ScriptedServer(http11) as server:
        await do(world.client().get(server.url))
        assert not debug.kept
        logging.getLogger("http3.http1").disabled = False
        logging.disable(logging.DEBUG)
        try:
            await do(world.client().get(server.url))
        finally:
            logging.disable(logging.NOTSET)
    assert not debug.kept


async def test_levels_may_change_under_way(world: World, records: Records) -> None:
    logger = logging.getLogger("http3")
    with ScriptedServer(http11) as server:
        client = world.client()
        for _ in range(2):
            await do(client.get(server.url))
            assert not records.kept
            logger.setLevel(logging.DEBUG)
            await do(client.get(server.url))
            assert [line[:12] for line in records.lines()] == ["pool: reused", "http1: sent ", "http1: recei"]
            logger.setLevel(logging.NOTSET)
        await do(client.get(server.url))
        await do(client.close())
    assert not records.kept


async def test_records_name_the_place(world: World, debug: Records) -> None:
    with ScriptedServer(http11) as server:
        await do(world.client().get(server.url))
    places = [(record.module, record.funcName) for record in debug.kept]
    assert places[:3] == [("scope", "open"), ("connection", "exchange"), ("connection", "exchange")]


# It disturbs nothing


async def test_errors_of_handlers_and_filters_stay_there(
    world: World, debug: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: logging.LogRecord) -> bool:
        raise OSError("the disk is full")

    loggers = [logging.getLogger(name) for name in NAMES]
    for logger in loggers:
        logger.addFilter(fail)
    try:
        with ScriptedServer(http11) as server:
            client = world.client()
            for _ in range(2):
                assert (await do(client.get(server.url))).content == b"ok"
    finally:
        for logger in loggers:
            logger.removeFilter(fail)
    assert "OSError: the disk is full" in capsys.readouterr().err


class Interruption(BaseException):
    """Like KeyboardInterrupt."""


@pytest.mark.parametrize("script", [http11, http2])
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("place", range(4))
async def test_an_interruption_of_a_handler_loses_no_connection(
    world: World, debug: Records, authority: Authority, script: Any, tls: bool, place: int
) -> None:
    """Nor a socket, of which a ResourceWarning would tell."""

    def strike() -> None:
        if len(debug.kept) == place + 1:
            raise Interruption

    alpn, version = ("http/1.1", "HTTP/1.1") if script is http11 else ("h2", "HTTP/2")
    context = authority.server_context(alpn) if tls else None
    with ScriptedServer(script, ssl_context=context) as server:
        limits = http3.PoolLimits(hard_limit=1)
        pool = http3.ConnectionPool(
            backend=world.backend, pool_limits=limits, http_versions=(version,), verify=authority.ca_file
        )
        client = world.client(dispatch=pool)
        debug.also = strike
        await raised(Interruption, twice, client, server.url)
        debug.also = lambda: None
        gc.collect()
        assert (await do(client.get(server.url))).status_code == 200
        assert len(pool.keepalive_connections) == 1
        assert not pool.active_connections


async def twice(client: Any, url: str) -> None:
    """Two requests."""
    for _ in range(2):
        await do(client.get(url))


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
async def test_handlers_run_under_no_lock(world: World, debug: Records, version: str) -> None:
    """A handler may look at the pool, whose lock is not reentrant."""
    seen: list[str] = []
    with ScriptedServer(http2 if version == "HTTP/2" else http11) as server:
        pool = http3.ConnectionPool(backend=world.backend, http_versions=(version,))
        debug.also = lambda: seen.append(f"{pool} {pool.active_connections} {pool.keepalive_connections}")
        client = world.client(dispatch=pool)
        for _ in range(2):
            response = await do(client.get(server.url, stream=True))
            await collect(response.stream())
        await do(client.close())
    assert len(seen) == len(debug.kept) == 7
