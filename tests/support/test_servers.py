"""The test servers themselves: each listener answers as its docstring says."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.servers import (
    BIG_SIZE,
    Authority,
    Hypercorn,
    Nginx,
    StartServer,
    Uvicorn,
    answer,
    answering,
    read_request,
    running,
)


def fetch(
    url: str, authority: Authority, method: str = "GET", body: bytes | None = None
) -> tuple[int, bytes]:
    """One request with the standard library."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=10, context=authority.client_context()
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(method, target, body=body, headers={"X-Test": "yes"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def negotiated(url: str, context: ssl.SSLContext) -> str | None:
    """What ALPN picks at a TLS listener."""
    parts = urlsplit(url)
    with (
        socket.create_connection((parts.hostname, parts.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname) as secure,
    ):
        return secure.selected_alpn_protocol()


def speaks_h2c(url: str) -> bool:
    """True if the HTTP/2 preface is answered by a SETTINGS frame."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        return connection.recv(9)[3:4] == b"\x04"


@pytest.mark.parametrize("listener", ["plain", "tls", "tls_h2", "short"])
def test_nginx_serves_files(nginx: Nginx, authority: Authority, listener: str) -> None:
    assert fetch(getattr(nginx, listener) + "/small", authority) == (200, b"hello\n")
    assert len(fetch(getattr(nginx, listener) + "/1k", authority)[1]) == 1024


def test_nginx_tells_what_arrived(nginx: Nginx, authority: Authority) -> None:
    status, body = fetch(nginx.plain + "/echo?a=b", authority)
    told = json.loads(body)
    assert status == 200
    assert (told["method"], told["uri"], told["x_test"], told["requests"]) == ("GET", "/echo?a=b", "yes", 1)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/redirect", 302), ("/missing", 404), ("/empty", 204), ("/basic", 401), ("/cookie", 204)],
)
def test_nginx_status(nginx: Nginx, authority: Authority, path: str, status: int) -> None:
    assert fetch(nginx.plain + path, authority)[0] == status


def test_nginx_takes_uploads(nginx: Nginx, authority: Authority) -> None:
    assert fetch(nginx.plain + "/files/upload.txt", authority, "PUT", b"data")[0] == 201
    assert (nginx.files / "upload.txt").read_bytes() == b"data"
    assert fetch(nginx.plain + "/sink", authority, "POST", b"x" * 100_000) == (200, b"taken\n")
    assert fetch(nginx.plain + "/limited", authority, "POST", b"x" * 2000)[0] == 413
    assert fetch(nginx.plain + "/big", authority)[1] == nginx.big_file.read_bytes()
    assert nginx.big_file.stat().st_size == BIG_SIZE


def test_protocols(nginx: Nginx, hypercorn: Hypercorn, authority: Authority) -> None:
    both = authority.client_context("h2", "http/1.1")
    assert negotiated(nginx.tls_h2, both) == negotiated(hypercorn.tls, both) == "h2"
    assert negotiated(nginx.tls, both) == "http/1.1"
    assert negotiated(hypercorn.tls, authority.client_context("http/1.1")) == "http/1.1"
    assert speaks_h2c(nginx.h2c)
    assert speaks_h2c(hypercorn.url)


def test_client_certificates(nginx: Nginx, authority: Authority) -> None:
    assert fetch(nginx.mutual_tls + "/small", authority)[0] == 400
    context = authority.client_context()
    context.load_cert_chain(authority.client_pem)
    parts = urlsplit(nginx.mutual_tls)
    connection = http.client.HTTPSConnection(str(parts.hostname), parts.port, context=context, timeout=10)
    connection.request("GET", "/echo")
    assert json.loads(connection.getresponse().read())["client"] == "SUCCESS"
    connection.close()


def test_wrong_name(nginx: Nginx, authority: Authority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        fetch(nginx.wrong_name + "/small", authority)


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/json", 200),
        ("/echo?a=b", 200),
        ("/download/100000", 200),
        ("/download/1000?length=no", 200),
        ("/stream", 200),
        ("/drip/0.1", 200),
        ("/redirect/2", 302),
        ("/redirect-to?url=/json&status=307", 307),
        ("/loop", 302),
        ("/cookies", 200),
        ("/cookies/set?a=b", 302),
        ("/delay/0.01", 200),
        ("/status/404", 404),
        ("/status/204", 204),
        ("/gzip", 200),
        ("/basic-auth", 401),
        ("/bearer", 401),
        ("/trailers", 200),
        ("/early-hints", 200),
        ("/many-headers/50", 200),
        ("/crash", 500),
        ("/nowhere", 404),
    ],
)
def test_echo_app(
    request: pytest.FixtureRequest, authority: Authority, server: str, path: str, status: int
) -> None:
    running: Uvicorn | Hypercorn = request.getfixturevalue(server)
    assert fetch(running.url + path, authority)[0] == status


def test_echo_app_takes_uploads(uvicorn: Uvicorn, authority: Authority) -> None:
    status, body = fetch(uvicorn.url + "/upload", authority, "POST", b"x" * 200_000)
    assert status == 200
    assert json.loads(body)["size"] == 200_000
    assert json.loads(fetch(uvicorn.url + "/echo", authority, "PUT", b"text")[1])["body"] == "text"


def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo what went wrong >&2; exit 3"]
    with (
        pytest.raises(pytest.fail.Exception, match="ended with 3(.|\n)*what went wrong"),
        running(command, ports=[1], log=tmp_path / "log"),
    ):
        raise AssertionError("it cannot run")


def test_a_scripted_server_runs_a_script_for_each_connection(
    start_server: StartServer, authority: Authority
) -> None:
    server = start_server(answering(answer(b"first")), answering(answer(b"later")))
    assert [fetch(server.url + "/", authority)[1] for _ in range(3)] == [b"first", b"later", b"later"]
    assert server.connections == 3


def test_a_scripted_server_over_tls(start_server: StartServer, authority: Authority) -> None:
    server = start_server(answering(answer(b"secret")), tls=authority.server_context())
    assert fetch(server.url + "/", authority) == (200, b"secret")


def test_a_scripted_server_raises_what_its_script_raised(
    start_server: StartServer, authority: Authority
) -> None:
    def script(connection: socket.socket) -> None:
        request = read_request(connection)
        connection.sendall(answer(b"ok"))
        assert request is not None
        assert request.method == "POST"

    server = start_server(script)
    fetch(server.url + "/", authority)
    with pytest.raises(AssertionError, match="POST"):
        server.close()
    server.close()
