"""The scripted servers that users get, seen from raw sockets and from clients."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import http3
from http3_transport.testing import (
    HTTP2Frames,
    ScriptedConnection,
    ScriptedServer,
    cutting,
    responding,
    response_bytes,
)
from http3_transport.testing._scripted.frames import GOAWAY, PING, RST_STREAM, WINDOW_UPDATE
from support.servers import Authority

RESPONSE = response_bytes(b"0123456789", headers={"X-Mark": "1"})


def connect(server: ScriptedServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=10)


def everything(sock: socket.socket) -> bytes:
    """Until the server ends; it may have left something unread, which makes a reset of it."""
    data = b""
    with suppress(ConnectionResetError):
        while piece := sock.recv(65536):
            data += piece
    return data


def test_a_response_is_bytes() -> None:
    assert RESPONSE == b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-Mark: 1\r\n\r\n0123456789"
    assert response_bytes(status="204 No Content", headers={"Content-Length": "x"}).startswith(
        b"HTTP/1.1 204 No"
    )


def test_requests_are_answered_in_turn() -> None:
    with ScriptedServer(responding(response_bytes(b"1"), response_bytes(b"2"))) as server:
        with http3.Client() as client:
            assert [client.get(server.url).text for _ in range(3)] == ["1", "2", "2"]
        assert server.connections == 1
        assert "open" in repr(server)
    assert "closed" in repr(server)


def test_scripts_are_for_connections() -> None:
    def first(connection: ScriptedConnection) -> None:
        connection.read_request()

    with ScriptedServer(first, responding(RESPONSE)) as server, http3.Client() as client:
        with pytest.raises(http3.RemoteProtocolError, match="without sending a response"):
            client.post(server.url)
        for _ in range(2):
            assert client.post(server.url).status_code == 200
        assert server.connections == 2


@pytest.mark.parametrize("size", range(0, len(RESPONSE), 7))
@pytest.mark.parametrize(
    ("end", "error"), [("close", http3.RemoteProtocolError), ("reset", http3.NetworkError)]
)
def test_cut_at_any_byte(size: int, end: Any, error: type[Exception]) -> None:
    with ScriptedServer(cutting(RESPONSE, size, end)) as server, pytest.raises(error):
        http3.get(server.url)


def test_stalling() -> None:
    with ScriptedServer(cutting(RESPONSE, 30, "stall")) as server, pytest.raises(http3.ReadTimeout):
        http3.get(server.url, timeout=0.1)


def test_unknown_ends() -> None:
    with pytest.raises(ValueError, match="close, cut, reset, stall"):
        cutting(RESPONSE, 1, "slam")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a script at least"):
        ScriptedServer()


def test_what_a_script_finds_wrong_is_raised() -> None:
    def script(connection: ScriptedConnection) -> None:
        assert connection.read_request().method == "PUT"

    with pytest.raises(AssertionError, match="GET"), ScriptedServer(script) as server:
        with pytest.raises(http3.RemoteProtocolError):
            http3.get(server.url)


def test_what_the_block_raises_says_more() -> None:
    def script(connection: ScriptedConnection) -> None:
        raise ValueError("in the script")

    with pytest.raises(KeyError, match="in the block"), ScriptedServer(script) as server:
        connect(server).close()
        raise KeyError("in the block")


def test_requests_as_they_came() -> None:
    received: list[Any] = []

    def script(connection: ScriptedConnection) -> None:
        for _ in range(2):
            received.append(connection.read_request())
            connection.write(RESPONSE)

    with ScriptedServer(script) as server, http3.Client() as client:
        client.put(f"{server.url}/a?b", data=b"body")
        client.put(f"{server.url}/c", data=iter([b"in ", b"pieces"]))
    assert [request.body for request in received] == [b"body", b"in pieces"]
    assert received[0].method == "PUT"
    assert received[0].target == "/a?b"
    assert received[0].headers["content-length"] == "4"
    assert received[0].head.startswith(b"PUT /a?b HTTP/1.1\r\nHost: ")


def test_reading_by_hand() -> None:
    read: list[bytes] = []

    def script(connection: ScriptedConnection) -> None:
        read.append(connection.read_until(b";"))
        read.append(connection.read(2))
        read.append(connection.read_exactly(3))
        with pytest.raises(ConnectionAbortedError):
            connection.read_exactly(100)
        connection.write(b"done")

    with ScriptedServer(script) as server, connect(server) as sock:
        sock.sendall(b"one;two-four")
        sock.shutdown(socket.SHUT_WR)
        assert everything(sock) == b"done"
    assert read == [b"one;", b"tw", b"o-f"]


def test_what_never_comes() -> None:
    def script(connection: ScriptedConnection) -> None:
        with pytest.raises(ValueError, match="not among the first"):
            connection.read_until(b"\n")

    with ScriptedServer(script) as server, connect(server) as sock:
        sock.sendall(bytes(1_200_000))
        everything(sock)


def test_a_script_has_a_limit() -> None:
    with (
        pytest.raises(TimeoutError),
        ScriptedServer(lambda connection: connection.read(), limit=0.05) as server,
    ):
        with connect(server) as sock:
            assert everything(sock) == b""


def test_dripping_and_finishing() -> None:
    def script(connection: ScriptedConnection) -> None:
        connection.drip(b"abc", 0.001)
        connection.finish()
        assert connection.read_exactly(2) == b"ok"

    with ScriptedServer(script) as server, connect(server) as sock:
        assert everything(sock) == b"abc"
        sock.sendall(b"ok")


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_flood_ends_with_the_client(leave: str) -> None:
    sent: list[int] = []
    with ScriptedServer(lambda connection: sent.append(connection.flood(bytes(1000)))) as server:
        with connect(server) as sock:
            sock.recv(1000)
            if leave == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert sent[0] >= 1000


@pytest.mark.parametrize("secure", [False, True])
def test_a_stall_ends_with_the_client_or_the_server(secure: bool, authority: Authority) -> None:
    ended: list[float] = []

    def script(connection: ScriptedConnection) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.stall(0.01)
        connection.stall()
        ended.append(time.monotonic())

    context = authority.server_context() if secure else None
    options: Any = {"verify": authority.ca_file, "timeout": 0.2}
    with ScriptedServer(script, ssl_context=context) as server:
        with pytest.raises(http3.ReadTimeout):
            http3.get(server.url, **options)
        failed: list[Exception] = []

        def wait() -> None:
            try:
                http3.get(server.url, verify=authority.ca_file)
            except http3.RequestError as exc:
                failed.append(exc)

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.1)
    waiting.join()
    assert failed
    assert len(ended) >= 1


def test_tls_with_and_without_its_end(authority: Authority) -> None:
    def closing(connection: ScriptedConnection) -> None:
        assert connection.alpn_protocol is None
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall")
        connection.close()

    def cut(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall")
        connection.cut()

    with ScriptedServer(closing, cut, ssl_context=authority.server_context()) as server:
        assert server.url.startswith("https://")
        assert http3.get(server.url, verify=authority.ca_file).text == "all"
        with pytest.raises(http3.RemoteProtocolError):
            http3.get(server.url, verify=authority.ca_file)


def test_a_handshake_that_fails_is_the_clients_matter(authority: Authority) -> None:
    with ScriptedServer(responding(RESPONSE), ssl_context=authority.server_context()) as server:
        with pytest.raises(http3.TLSError):
            http3.get(server.url)


Frames = Callable[[HTTP2Frames, int], None]


def http2(answer: Frames) -> Callable[[ScriptedConnection], None]:
    def script(connection: ScriptedConnection) -> None:
        frames = HTTP2Frames(connection)
        frames.handshake({3: 10})
        while True:
            stream, fields, body = frames.read_request()
            assert fields[":method"] == "POST"
            assert body == b"body"
            answer(frames, stream)

    return script


def well(frames: HTTP2Frames, stream: int) -> None:
    frames.send_window_update(stream, 10)
    frames.send_head(stream, 200, [("x-mark", str(stream))])
    frames.send_body(stream, b"Hel", end=False)
    frames.send(PING, payload=b"12345678")
    frames.send_body(stream, b"lo")


def reset(frames: HTTP2Frames, stream: int) -> None:
    frames.send_head(stream)
    frames.send_reset(stream, 8)


def go_away(frames: HTTP2Frames, stream: int) -> None:
    frames.send_goaway(0, 0)


def upper_case(frames: HTTP2Frames, stream: int) -> None:
    frames.send_head(stream, 200, [("X-Mark", "1")], end=True)


def nonsense(frames: HTTP2Frames, stream: int) -> None:
    frames.send(WINDOW_UPDATE, payload=b"\0\0\0\0")


def test_http2_by_hand() -> None:
    with ScriptedServer(http2(well)) as server, http3.Client(http_versions=("HTTP/2",)) as client:
        for stream in (1, 3):
            response = client.post(server.url, data=b"body")
            assert (response.text, response.headers["x-mark"]) == ("Hello", str(stream))


@pytest.mark.parametrize("answer", [reset, upper_case, nonsense])
def test_wrong_http2_by_hand(answer: Frames) -> None:
    with ScriptedServer(http2(answer)) as server, http3.Client(http_versions=("HTTP/2",)) as client:
        with pytest.raises(http3.RemoteProtocolError):
            client.post(server.url, data=b"body")


def test_a_goaway_below_the_request_is_a_refusal() -> None:
    with (
        ScriptedServer(http2(go_away), http2(well)) as server,
        http3.Client(http_versions=("HTTP/2",)) as client,
    ):
        assert client.post(server.url, data=b"body").text == "Hello"
        assert server.connections == 2


def test_frames_are_read_as_they_come() -> None:
    seen: list[int] = []

    def script(connection: ScriptedConnection) -> None:
        frames = HTTP2Frames(connection)
        frames.handshake()
        stream, _, _ = frames.read_request()
        frames.send_head(stream, 200)
        while (frame := frames.read()).type != GOAWAY:
            seen.append(frame.type)

    with ScriptedServer(script) as server, http3.Client(http_versions=("HTTP/2",)) as client:
        client.get(server.url, stream=True).close()
    assert RST_STREAM in seen


def test_another_protocol_is_noticed() -> None:
    with pytest.raises(AssertionError, match="this is no HTTP/2"):
        with ScriptedServer(lambda connection: HTTP2Frames(connection).handshake()) as server:
            with connect(server) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                everything(sock)
