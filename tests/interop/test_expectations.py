"""`Expect: 100-continue` answered by 417: sent once more without it (RFC 9110 section 10.1.1)."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import pytest

import http3
from http3_transport.testing import HTTP2Frames, ScriptedConnection, ScriptedServer, response_bytes
from support.worlds import World, do

EXPECT = {"Expect": "100-continue"}


class Got(NamedTuple):
    """A request as the server got it; the body of one that was refused is None."""

    method: str
    path: str
    expect: str | None
    body: bytes | None


class Strict:
    """A server that refuses expectations, as many as it is told to, and redirects from /moved to /end."""

    def __init__(self, version: str, *, refusals: int = 99, waits_for_body: bool = False) -> None:
        self.got: list[Got] = []
        self.refusals = refusals
        self.waits_for_body = waits_for_body
        self.options: dict[str, Any] = {"http_versions": (version,)}
        self.server = ScriptedServer(self._http2 if version == "HTTP/2" else self._http1)
        self.url = self.server.url

    def answer(self, method: str, path: str, expect: str | None, body: bytes | None) -> int:
        """The status."""
        self.got.append(Got(method, path, expect, body))
        if expect is not None and self.refusals:
            self.refusals -= 1
            return 417
        return 307 if path == "/moved" else 200

    def _http1(self, connection: ScriptedConnection) -> None:
        while True:
            head = connection.read_until(b"\r\n\r\n").decode()
            method, path, _ = head.split("\r\n")[0].split(" ")
            pairs = (line.partition(":") for line in head.lower().split("\r\n")[1:])
            fields = {name: value.strip() for name, _, value in pairs}
            expect, body = fields.get("expect"), None
            if expect is not None and not self.refusals:
                connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if expect is None or self.waits_for_body or not self.refusals:
                body = self._body(connection, fields)
            status = self.answer(method, path, expect, body)
            headers = {"Location": "/end"} if status == 307 else {}
            connection.write(response_bytes(b"answer", status=f"{status} X", headers=headers))

    def _body(self, connection: ScriptedConnection, fields: dict[str, str]) -> bytes:
        if "transfer-encoding" not in fields:
            return connection.read_exactly(int(fields.get("content-length", "0")))
        body = b""
        while size := int(connection.read_until(b"\r\n"), 16):
            body += connection.read_exactly(size + 2)[:-2]
        connection.read_until(b"\r\n")
        return body

    def _http2(self, connection: ScriptedConnection) -> None:
        frames = HTTP2Frames(connection)
        frames.handshake()
        heads: dict[int, dict[str, str]] = {}
        bodies: dict[int, bytes] = {}
        while True:
            frame = frames.read()
            stream, ended = frame.stream_id, frame.type in (0, 1) and frame.flags & 1
            if frame.type == 1:
                heads[stream], bodies[stream] = frames.decode(frame.payload), b""
            elif frame.type == 0 and stream in bodies:
                bodies[stream] += frame.payload
            head = heads.get(stream, {})
            refused = frame.type == 1 and "expect" in head and not self.waits_for_body
            if refused and not self.refusals:
                frames.send_head(stream, 100)
                refused = False
            if not (refused or ended):
                continue
            body = None if refused else bodies[stream]
            status = self.answer(head[":method"], head[":path"], head.get("expect"), body)
            frames.send_head(stream, status, [("location", "/end")] if status == 307 else [])
            frames.send_body(stream, b"answer")
            if refused:
                frames.send_reset(stream, 0)
            del heads[stream], bodies[stream]


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


BODIES: dict[str, Any] = {
    "bytes": lambda: b"hello",
    "file": lambda: io.BytesIO(b"hello"),
    "iterator": lambda: iter([b"he", b"llo"]),
    "form": lambda: {"hello": ""},
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("stream", [False, True])
async def test_it_is_sent_once_more_without(world: World, version: str, kind: str, stream: bool) -> None:
    strict = Strict(version)
    seen: list[tuple[str, Any]] = []
    hooks: Any = {
        "request": [lambda request: seen.append(("request", request.headers.get("expect")))],
        "response": [lambda response: seen.append(("response", response.status_code))],
    }
    body = b"hello=" if kind == "form" else b"hello"
    with strict.server:
        client = world.client(**strict.options, hooks=hooks)
        response = await do(client.post(strict.url + "/", data=BODIES[kind](), headers=EXPECT, stream=stream))
        assert (response.status_code, await do(response.read())) == (200, b"answer")
        assert "expect" not in response.request.headers
        (refused,) = response.history
        assert (refused.status_code, refused.content) == (417, b"answer")
        assert refused.request.headers["expect"] == "100-continue"
        assert response.elapsed >= refused.elapsed
        assert (await do(client.get(strict.url + "/after"))).status_code == 200
    assert strict.got[:2] == [Got("POST", "/", "100-continue", None), Got("POST", "/", None, body)]
    assert seen[:4] == [
        ("request", "100-continue"),
        ("response", 417),
        ("request", "100-continue"),
        ("response", 200),
    ]


async def test_a_hook_that_expects_again_is_refused_once(world: World, version: str) -> None:
    def insist(request: Any) -> None:
        request.headers["Expect"] = "100-Continue"

    strict = Strict(version)
    with strict.server:
        client = world.client(**strict.options, hooks={"request": [insist]})
        assert (await do(client.post(strict.url + "/", data=b"hello"))).status_code == 200
    first, second = strict.got
    assert (str(first.expect).lower(), second.expect) == ("100-continue", None)


async def test_other_expectations_stay_and_are_the_callers(world: World, version: str) -> None:
    strict = Strict(version)
    with strict.server:
        client = world.client(**strict.options)
        headers = {"Expect": "100-continue, x-other"}
        if version == "HTTP/2":
            response = await do(client.post(strict.url + "/", data=b"hello", headers=headers))
            assert [earlier.status_code for earlier in response.history] == [417]
            assert [got.expect for got in strict.got] == ["100-continue, x-other", "x-other"]
        response = await do(client.post(strict.url + "/", data=b"hello", headers={"Expect": "x-other"}))
        assert (response.status_code, response.history) == (417, [])


async def test_a_body_that_is_gone_is_not_missed(
    world: World, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server waited for the body all the same: one that comes only once was sent, others are again."""
    for module in ("_http1.upload", "_http2.exchange"):
        monkeypatch.setattr(f"http3_transport.{module}.CONTINUE_WAIT", 0.05)
    strict = Strict(version, waits_for_body=True)
    with strict.server:
        client = world.client(**strict.options)
        response = await do(client.post(strict.url + "/", data=iter([b"hello"]), headers=EXPECT))
        assert (response.status_code, response.content, response.history) == (417, b"answer", [])
        response = await do(client.post(strict.url + "/", data=b"hello", headers=EXPECT))
        assert (response.status_code, len(response.history)) == (200, 1)
    assert [(got.expect, got.body) for got in strict.got] == [
        ("100-continue", b"hello"),
        ("100-continue", b"hello"),
        (None, b"hello"),
    ]


async def test_redirects_and_auth_go_on_from_there(world: World, version: str) -> None:
    class Twice(http3.Auth):
        def auth_flow(self, request: Any) -> Any:
            yield request
            yield request

    strict = Strict(version, refusals=1)
    with strict.server:
        client = world.client(**strict.options, auth=Twice())
        response = await do(client.post(strict.url + "/moved", data=b"hello", headers=EXPECT))
        assert (response.status_code, response.url.path) == (200, "/end")
        assert [earlier.status_code for earlier in response.history] == [417, 307, 307, 200]
    assert [got.path for got in strict.got] == ["/moved", "/moved", "/moved", "/end", "/end"]
    assert [got.body for got in strict.got] == [None, *[b"hello"] * 4]


async def test_a_417_that_nothing_was_expected_for_is_returned(world: World, version: str) -> None:
    strict = Strict(version)
    strict.answer = lambda *_: 417  # type: ignore[method-assign]
    with strict.server:
        client = world.client(**strict.options)
        response = await do(client.post(strict.url + "/", data=b"hello"))
        assert (response.status_code, response.history) == (417, [])
        response = await do(client.post(strict.url + "/", data=b"hello", headers=EXPECT))
        assert (response.status_code, len(response.history)) == (417, 1)  # not a third time
