"""Credentials are seen neither in tracebacks that are shown with variables, nor in pickles and copies of
exceptions, whatever failed."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio

import http3
from http3_transport.testing import HTTP2Frames, ScriptedConnection, ScriptedServer, Simulation
from support.secrecy import CREDENTIALS, HEADERS, MARK, SET_COOKIE, URL_CREDENTIALS, leaks
from support.servers import Authority
from support.worlds import World, do, raised

Answer = Callable[[ScriptedConnection], None]
AnswerFrames = Callable[[HTTP2Frames, int], None]

LIMIT = 0.1
"""Seconds: the timeouts that tests wait for."""

LARGE = 8_000_000
"""Bytes that no socket takes at once."""

HEAD = b"HTTP/1.1 200 OK\r\n" + SET_COOKIE

CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"

REDIRECT = b"HTTP/1.1 302 Go\r\nContent-Length: 0\r\n" + SET_COOKIE + b"Location: "

BAD_TRAILER = b"0\r\n" + SET_COOKIE[:-2] + b"\x00\r\n\r\n"


def answering(data: bytes, *, stalls: bool = False) -> Answer:
    """Reads a request, sends ``data``, and closes, or goes silent."""

    def script(connection: ScriptedConnection) -> None:
        while True:
            connection.read_request()
            connection.write(data)
            if stalls:
                connection.stall()
            if not data.startswith(b"HTTP/1.1 302"):
                return

    return script


def resetting(connection: ScriptedConnection) -> None:
    connection.read_until(b"\r\n\r\n")
    connection.reset()


HTTP11 = {
    "silence": answering(b"", stalls=True),
    "end": answering(b""),
    "reset": resetting,
    "silence-in-head": answering(HEAD, stalls=True),
    "end-in-head": answering(HEAD),
    "silence-in-body": answering(HEAD + b"Content-Length: 9\r\n\r\nabc", stalls=True),
    "end-in-body": answering(HEAD + b"Content-Length: 9\r\n\r\nabc"),
    "bad-value": answering(HEAD[:-2] + b"\x00\r\n\r\n"),
    "bad-name": answering(HEAD.replace(b"Set-Cookie:", b"Set-Cookie :") + b"\r\n"),
    "no-colon": answering(HEAD.replace(b"Set-Cookie:", b"Set-Cookie") + b"\r\n"),
    "no-status-line": answering(SET_COOKIE + b"\r\n"),
    "two-lengths": answering(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
    "many-fields": answering(HEAD + b"A: b\r\n" * 600 + b"\r\n"),
    "101": answering(HEAD.replace(b"200 OK", b"101 OK") + b"\r\n"),
    "bad-chunk": answering(CHUNKED + b"zz\r\n"),
    "bad-trailer": answering(CHUNKED + BAD_TRAILER),
    "bad-trailer-h11": answering(CHUNKED.replace(b"OK\r\n", b"OK\n") + BAD_TRAILER),
    "bad-gzip": answering(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
    "error-status": answering(HEAD.replace(b"200 OK", b"500 Oh") + b"Content-Length: 3\r\n\r\nabc"),
    "redirect-loop": answering(REDIRECT + b"/\r\n\r\n"),
    "bad-location": answering(REDIRECT + f"http://{URL_CREDENTIALS}@h h/\r\n\r\n".encode()),
    "other-scheme": answering(REDIRECT + f"ftp://{MARK}@h/\r\n\r\n".encode()),
}


def secret_client(world: World, **options: Any) -> Any:
    """Has secrets in all of its defaults."""
    defaults: dict[str, Any] = {
        "auth": CREDENTIALS,
        "cookies": {"own": MARK},
        "headers": {"X-Auth-Token": MARK},
        "timeout": http3.TimeoutConfig(5, read_timeout=LIMIT, write_timeout=LIMIT),
        **options,
    }
    return world.client(**defaults)


async def failure(client: Any, url: str, **options: Any) -> BaseException:
    """The exception of a request with secrets in all places, read to its end."""

    async def exchange() -> None:
        verb = client.get if options.get("data") is None else client.post
        headers = options.pop("headers", HEADERS)
        response = await do(verb(url, headers=headers, cookies={"b": MARK}, stream=True, **options))
        await do(response.read())
        response.raise_for_status()

    exc: BaseException = await raised(Exception, exchange)
    assert not leaks(exc)
    return exc


@pytest.mark.parametrize("name", HTTP11)
async def test_of_answers_over_http11(world: World, name: str) -> None:
    with ScriptedServer(HTTP11[name]) as server:
        client = secret_client(world)
        for data in (None, b"abc", iter([b"abc"])):
            assert isinstance(await failure(client, server.url, data=data), http3.Http3Error)


async def test_of_answers_over_tls(world: World, authority: Authority) -> None:
    context = authority.server_context()
    for name in ("silence", "silence-in-head", "end-in-head", "bad-value", "end-in-body"):
        with ScriptedServer(HTTP11[name], ssl_context=context) as server:
            client = secret_client(world, verify=authority.ca_file)
            await failure(client, server.url, data=b"abc")


async def test_of_writes(world: World, authority: Authority) -> None:
    """The server reads nothing: what is sent does not fit into the socket, or the connection breaks."""
    large = {**HEADERS, "X-Large": "x" * LARGE}
    scripts: tuple[Answer, ...] = (ScriptedConnection.stall, ScriptedConnection.reset)
    for script in scripts:
        with ScriptedServer(script) as server:
            await failure(secret_client(world), server.url, data=b"x" * LARGE)
            await failure(secret_client(world), server.url, headers=large)
    with ScriptedServer(ScriptedConnection.stall, ssl_context=authority.server_context()) as server:
        await failure(secret_client(world, verify=authority.ca_file), server.url, headers=large)


# HTTP/2.


def answering_frames(answer: AnswerFrames) -> Answer:
    """Reads a request and answers it by hand."""

    def script(connection: ScriptedConnection) -> None:
        frames = HTTP2Frames(connection)
        frames.handshake()
        while True:
            stream_id, _, _ = frames.read_request()
            answer(frames, stream_id)
            if connection.socket.fileno() < 0:
                return
            connection.stall()

    return script


FIELDS = [("set-cookie", f"sid={MARK}; Path=/")]


def _bad_block(frames: HTTP2Frames, stream_id: int) -> None:
    frames.send(1, 0x4, stream_id, frames.encode([(":status", "200"), *FIELDS]) + b"\xff\xff\xff\xff\xff\x7f")


def _bad_trailers(frames: HTTP2Frames, stream_id: int) -> None:
    frames.send_head(stream_id, 200, FIELDS)
    frames.send(1, 0x4 | 0x1, stream_id, frames.encode([("set-cookie", f"{MARK}\x00")]))


def _bad_length(frames: HTTP2Frames, stream_id: int) -> None:
    frames.send_head(stream_id, 200, [*FIELDS, ("content-length", "3")])
    frames.send_body(stream_id, b"abcdef")


def _silent_body(frames: HTTP2Frames, stream_id: int) -> None:
    frames.send_head(stream_id, 200, FIELDS)


def _reset(frames: HTTP2Frames, stream_id: int) -> None:
    frames.send_head(stream_id, 200, FIELDS)
    frames.send_reset(stream_id)


def _ended(frames: HTTP2Frames, stream_id: int) -> None:
    frames.send_head(stream_id, 200, FIELDS)
    frames.connection.reset()


def _head(*fields: tuple[str, str], status: int = 200, end: bool = False) -> AnswerFrames:
    return lambda frames, stream_id: frames.send_head(stream_id, status, fields, end=end)


HTTP2: dict[str, AnswerFrames] = {
    "silence": lambda frames, stream_id: None,
    "silence-in-body": _silent_body,
    "reset": _reset,
    "connection-reset": _ended,
    "goaway": lambda frames, stream_id: frames.send_goaway(0, 1),
    "bad-block": _bad_block,
    "bad-value": _head(("set-cookie", f"{MARK}\x00")),
    "bad-name": _head(*FIELDS, ("connection", "close")),
    "bad-trailers": _bad_trailers,
    "bad-length": _bad_length,
    "bad-frame": lambda frames, stream_id: frames.send(8, 0, stream_id, struct.pack(">L", 0)),
    "error-status": _head(*FIELDS, status=404, end=True),
    "too-large": _head(*FIELDS, *[("a", "b" * 999)] * 400),
}


@pytest.mark.parametrize("name", HTTP2)
async def test_of_answers_over_http2(world: World, name: str) -> None:
    with ScriptedServer(answering_frames(HTTP2[name])) as server:
        client = secret_client(world, http_versions=("HTTP/2",))
        for data in (None, b"abc"):
            assert isinstance(await failure(client, server.url, data=data), http3.Http3Error)


async def test_of_writes_over_http2(world: World) -> None:
    def script(connection: ScriptedConnection) -> None:
        HTTP2Frames(connection).handshake()
        connection.stall()

    with ScriptedServer(script) as server:
        client = secret_client(world, http_versions=("HTTP/2",))
        await failure(client, server.url, data=b"x" * LARGE)
        await failure(client, server.url, headers={**HEADERS, "X-Large": "x" * LARGE})


# Cancelled from outside.


@pytest.mark.parametrize("versions", [("HTTP/1.1",), ("HTTP/2",)])
@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_of_what_is_cancelled(library: str, versions: tuple[str, ...]) -> None:
    script = HTTP11["silence-in-head"] if versions == ("HTTP/1.1",) else answering_frames(HTTP2["silence"])

    async def main() -> BaseException:
        client = secret_client(World(library), timeout=5, http_versions=versions)
        try:
            if library == "asyncio":
                async with asyncio.timeout(LIMIT):
                    await client.get(server.url, headers=HEADERS)
            with trio.fail_after(LIMIT):
                await client.get(server.url, headers=HEADERS)
        except (TimeoutError, trio.TooSlowError) as exc:
            return exc
        finally:
            await client.close()
        raise AssertionError("it came to an end")

    with ScriptedServer(script) as server:
        exc = asyncio.run(main()) if library == "asyncio" else trio.run(main)
    assert not leaks(exc)


# Before anything is sent.


async def test_of_connecting(world: World, authority: Authority) -> None:
    client = secret_client(world, verify=authority.stranger_ca_file)
    with ScriptedServer(ScriptedConnection.stall, ssl_context=authority.server_context()) as server:
        for userinfo in (URL_CREDENTIALS, MARK, f"{MARK}:", f"{MARK}:x-oauth-basic"):
            url = server.url.replace("://", f"://{userinfo}@")
            assert isinstance(await failure(client, url), http3.TLSError)
    for userinfo in (URL_CREDENTIALS, MARK, f"{MARK}:"):
        refused = f"http://{userinfo}@{server.host}:{server.port}"
        assert isinstance(await failure(client, refused), http3.ConnectError)


async def test_of_client_certificates(world: World, authority: Authority) -> None:
    for cert in (
        (authority.client_cert, authority.client_key + "-gone", MARK),
        (authority.server_key, authority.client_key, MARK),
        (authority.client_cert, authority.client_key, MARK, MARK),
    ):
        client = secret_client(world)
        assert isinstance(await failure(client, "https://127.0.0.1:1", cert=cert), OSError | ValueError)


BAD_URLS = [
    f"http://{URL_CREDENTIALS}@127.0.0.1:bad/",
    f"http://{MARK}@h h/",
    f"http://{MARK}\t@h/",
    f"http://{URL_CREDENTIALS}@xn--a/",
    f"http://{URL_CREDENTIALS}@h..h/",
    f"//{URL_CREDENTIALS}@h/",
    f"ftp://{MARK}@h/",
]

BAD_OPTIONS: dict[str, dict[str, Any]] = {
    "line-feed": {"headers": {"Authorization": f"{MARK}\n", "Cookie": MARK}},
    "surrogate": {"headers": {"Authorization": f"{MARK}\ud800"}},
    "other-type": {"headers": {"Authorization": MARK, "X": 3}},
    "list-of-pairs": {"headers": [("Authorization", MARK), ("X", 3)]},
    "no-token": {"headers": {"Authorization": MARK, "X Y": "3"}},
    "framing": {"headers": {"Authorization": MARK, "Content-Length": "x"}},
    "cookie": {"cookies": {"a": f"{MARK};"}},
    "cookie-type": {"cookies": {"a": MARK, "b": 3}},
    "auth-colon": {"auth": ("a:b", MARK)},
    "auth-three": {"auth": ("a", MARK, "c")},
    "auth-type": {"auth": (3, MARK)},
    "json": {"json": {"a": object()}},
    "data": {"data": 3, "files": {"a": MARK}},
    "timeout": {"timeout": -1},
    "stream": {"stream": MARK and 3},
}


def secret_options(options: dict[str, Any]) -> dict[str, Any]:
    """The options, with secrets in all that they leave out."""
    return {"headers": HEADERS, "cookies": {"b": MARK}, "auth": CREDENTIALS, **options}


@pytest.mark.parametrize("url", BAD_URLS)
async def test_of_malformed_urls(world: World, url: str) -> None:
    client = secret_client(world)
    for call in (client.get, client.build_request):
        arguments = ("GET", url) if call == client.build_request else (url,)
        options = {} if call == client.build_request else {"auth": CREDENTIALS}
        if not (url.startswith("ftp") and call == client.build_request):
            assert not leaks(await raised(Exception, call, *arguments, headers=HEADERS, **options))


@pytest.mark.parametrize("name", BAD_OPTIONS)
async def test_of_wrong_options(world: World, name: str) -> None:
    client = secret_client(world)
    assert not leaks(await raised(Exception, client.get, "http://h/", **secret_options(BAD_OPTIONS[name])))
    if name not in ("timeout", "stream") and not name.startswith("auth"):
        given = secret_options(BAD_OPTIONS[name])
        del given["auth"]
        assert not leaks(await raised(Exception, client.build_request, "GET", "http://h/", **given))
        assert not leaks(await raised(Exception, world.request_class, "GET", "http://h/", **given))


async def test_of_a_closed_client(world: World) -> None:
    client = secret_client(world)
    await do(client.close())
    assert not leaks(await raised(http3.ClientClosed, client.get, "http://h/", **secret_options({})))
    request = world.request_class("GET", f"http://{MARK}@h/", headers=HEADERS)
    assert not leaks(await raised(http3.ClientClosed, client.send, request, auth=CREDENTIALS))


async def test_of_a_hook_that_spoils_the_request(world: World) -> None:
    def spoil(request: Any) -> None:
        request.headers["Authorization"] = f"{MARK}\n"

    client = secret_client(world, hooks={"request": [spoil]})
    assert not leaks(await raised(http3.LocalProtocolError, client.get, "http://h/", **secret_options({})))


async def test_of_dispatchers(world: World) -> None:
    """Of ours, used by themselves, and of others."""
    pool = http3.ConnectionPool()
    given = {"headers": HEADERS, "cookies": {"b": MARK}, "cert": ("a", "b", MARK)}
    if world.is_async:
        exc = await raised(Exception, pool.request, "GET", f"https://{MARK}@127.0.0.1:1", **given)
        assert not leaks(exc)
        await pool.close()

    class Broken(http3.AsyncDispatcher if world.is_async else http3.Dispatcher):  # type: ignore[misc]
        def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Any:
            raise http3.ReadError("broken", request=request)

    client = secret_client(world, dispatch=Broken())
    options = secret_options({"cert": given["cert"]})
    assert not leaks(await raised(http3.ReadError, client.get, f"http://{MARK}@h/", **options))


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("broken")


def wsgi_app(environ: Any, start_response: Any) -> Iterator[bytes]:
    raise RuntimeError("broken")


@pytest.mark.parametrize("app", [asgi_app, wsgi_app])
async def test_of_applications(world: World, app: Any) -> None:
    client = secret_client(world, app=app)
    assert not leaks(await raised(RuntimeError, client.post, "/", **secret_options({"data": b"x"})))


def test_of_the_request_functions() -> None:
    with ScriptedServer(HTTP11["end"]) as server:
        url = server.url.replace("://", f"://{MARK}@")
        for call in (http3.get, http3.post, http3.put, http3.patch, http3.delete, http3.head, http3.options):
            with pytest.raises(http3.RemoteProtocolError) as caught:
                call(url, headers=HEADERS, cookies={"b": MARK}, auth=CREDENTIALS)
            assert not leaks(caught.value)


WRONG: Any = 3
"""Of a type that none of them takes."""

WRONG_CERT: Any = ("a", "b", MARK, "c")

CONSTRUCTORS: dict[str, Callable[[], object]] = {
    "client": lambda: http3.Client(auth=CREDENTIALS, headers=HEADERS, cookies={"a": MARK}, timeout=-1),
    "async-client": lambda: http3.AsyncClient(CREDENTIALS, {"a": MARK}, headers=HEADERS, max_redirects=-1),
    "base-url": lambda: http3.Client(base_url=f"http://{URL_CREDENTIALS}@h h"),
    "client-cert": lambda: http3.Client(cert=WRONG_CERT),
    "client-auth": lambda: http3.Client(auth=("a:b", MARK)),
    "basic": lambda: http3.BasicAuth("a:b", MARK),
    "basic-type": lambda: http3.HTTPBasicAuth(WRONG, MARK),
    "bearer": lambda: http3.BearerAuth(f"{MARK} {MARK}"),
    "digest": lambda: http3.DigestAuth(WRONG, MARK),
    "ssl-config": lambda: http3.SSLConfig(cert=("a", "b", MARK), verify=WRONG),
    "overrides": lambda: http3.SSLConfig().with_overrides(cert=("a", WRONG, MARK)),
    "context": lambda: http3.SSLConfig(cert=("a", "b", MARK)).create_ssl_context(),
    "url": lambda: http3.URL(f"http://{URL_CREDENTIALS}@h h/"),
    "url-password": lambda: http3.URL("http://h/").copy_with(password=MARK, port=-1),
    "join": lambda: http3.URL("http://h/").join(f"//{URL_CREDENTIALS}@h h/"),
    "resolve": lambda: http3.URL("/", allow_relative=True).resolve_with(f"http://{URL_CREDENTIALS}@h h/"),
    "origin": lambda: http3.Origin(f"http://{URL_CREDENTIALS}@h h/"),
    "headers": lambda: http3.Headers({"Authorization": MARK, "X": WRONG}),
    "header": lambda: http3.Headers().__setitem__("Authorization", f"{MARK}\ud800"),
    "added-header": lambda: http3.Headers().add("Authorization", f"{MARK}\ud800"),
    "updated-headers": lambda: http3.Headers().update({"Authorization": MARK, "X": WRONG}),
    "cookies": lambda: http3.Cookies({"a": f"{MARK};"}),
    "cookie": lambda: http3.Cookies().set("a", f"{MARK};"),
    "cookie-item": lambda: http3.Cookies().__setitem__("a", f"{MARK};"),
    "updated-cookies": lambda: http3.Cookies().update({"a": MARK, "b": WRONG}),
    "request": lambda: http3.Request("GET", f"http://{URL_CREDENTIALS}@h h/", headers=HEADERS),
    "response": lambda: http3.Response(200, headers={"Set-Cookie": MARK, "X": WRONG}),
}


FAILING: dict[str, Callable[[], object]] = {
    "timeout": lambda: http3.TimeoutConfig(-1),
    "pool-limits": lambda: http3.PoolLimits(hard_limit=-1),
    "limits": lambda: http3.Limits(max_codings=-1),
    "egress": lambda: http3.EgressPolicy(deny=["x"]),
    "params": lambda: http3.QueryParams(WRONG),
    "pool": lambda: http3.ConnectionPool(timeout=-1),
    "connection": lambda: http3.HTTPConnection(f"ftp://{MARK}@h"),
    "connection-cert": lambda: http3.HTTPConnection("https://h", cert=WRONG_CERT),
    "asgi": lambda: http3.ASGIDispatch(WRONG),
    "wsgi": lambda: http3.WSGIDispatch(WRONG),
    "mock": lambda: http3.MockDispatcher(WRONG),
    "password": lambda: http3.BasicAuth("a", f"{MARK}\ud800"),
    "simulation": lambda: Simulation(WRONG / 2),
}
"""More of them, whose half-made objects stand in the traceback."""


@pytest.mark.parametrize("name", [*CONSTRUCTORS, *FAILING])
def test_of_constructors(name: str) -> None:
    with pytest.raises((TypeError, ValueError, OSError, http3.Http3Error)) as caught:
        {**CONSTRUCTORS, **FAILING}[name]()
    assert not leaks(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("auth", ("a:b", MARK)),
        ("headers", {"Authorization": MARK, "X": 3}),
        ("cookies", {"a": f"{MARK};"}),
        ("base_url", f"http://{URL_CREDENTIALS}@h h/"),
    ],
)
def test_of_settings(name: str, value: Any) -> None:
    with http3.Client() as client:
        with pytest.raises((TypeError, ValueError)) as caught:
            setattr(client, name, value)
        assert not leaks(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("headers", {"Authorization": MARK, "X": 3}), ("url", f"http://{URL_CREDENTIALS}@h h/")],
)
def test_of_attributes_of_requests(name: str, value: Any) -> None:
    request = http3.Request("GET", "http://h/")
    with pytest.raises((TypeError, ValueError)) as caught:
        setattr(request, name, value)
    assert not leaks(caught.value)


def test_code_of_callers_keeps_its_variables() -> None:
    """Only our own functions forget theirs."""

    def hook(request: Any) -> None:
        found = "of the caller"
        raise http3.ReadError(found)

    with http3.Client(hooks={"request": [hook]}) as client, pytest.raises(http3.ReadError) as caught:
        client.get("http://h/", headers=HEADERS)
    tb = caught.value.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    assert tb is not None
    assert tb.tb_frame.f_locals["found"] == "of the caller"


def test_certificates_are_not_seen(authority: Authority) -> None:
    """The key itself, and its password."""
    config = http3.SSLConfig(cert=(authority.client_cert, authority.client_key, MARK))
    assert MARK not in repr(config)
    assert MARK not in repr(config.cert)
    assert config.cert == (authority.client_cert, authority.client_key, MARK)
    assert isinstance(config.create_ssl_context(), ssl.SSLContext)
