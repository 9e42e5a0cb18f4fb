"""`python -m http3_client.example_site`: the server as users start it, and its pages."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

import http3
from http3_client import example_site
from support.example_server import serving


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[http3.Client]:
    with http3.Client(base_url=url) as client:
        yield client


def test_the_first_page_lists_all_pages_and_each_answers(client: http3.Client) -> None:
    lines = client.get("/").text.splitlines()[2:]
    assert len(lines) == len(example_site.listing().splitlines()) > 15
    for line in lines:
        if line.startswith("/drip"):
            continue  # takes as long as it says
        response = client.get(line.split()[0], allow_redirects=False)
        assert response.status_code != 500
        assert response.protocol == "HTTP/1.1"


def test_one_connection_serves_many_requests(client: http3.Client) -> None:
    first = client.get("/users").connection.local_address
    posted = client.post("/nowhere", data=b"unread" * 1000)
    assert posted.status_code == 404
    assert client.get("/new").connection.local_address == first == posted.connection.local_address


@pytest.mark.parametrize("version", ["", "/v1"])
def test_users(client: http3.Client, version: str) -> None:
    users = f"{version}/users"
    assert client.get(users, params={"limit": 2}).json() == [
        {"id": 1, "name": "Ada"},
        {"id": 2, "name": "Grace"},
    ]
    added = client.post(users, json={"name": "Barbara"})
    assert (added.status_code, added.json()) == (201, {"id": 4, "name": "Barbara"})
    assert client.patch(f"{users}/1", json={"name": "Ada L."}).json() == {"id": 1, "name": "Ada L."}
    assert client.delete(f"{users}/1").status_code == 204
    assert client.get(f"{users}/7").json() == {"error": "no user 7"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/users/x", b""),
        ("POST", "/users", b"no json"),
        ("POST", "/users", b"[1]"),
        ("GET", "/items?page=x", b""),
        ("GET", "/status/42", b""),
    ],
)
def test_what_a_page_does_not_understand_is_a_400(
    client: http3.Client, method: str, path: str, body: bytes
) -> None:
    response = client.request(method, path, data=body)
    assert response.status_code == 400
    assert "does not understand" in response.json()["error"]


def test_echo_shows_forms(client: http3.Client) -> None:
    response = client.post("/echo?a=b", data={"name": "Ada & Co"}, headers={"X-Team": "blue"}).json()
    assert response["form"] == {"name": "Ada & Co"}
    assert (response["method"], response["query"], response["headers"]["x-team"]) == ("POST", "a=b", "blue")


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_uploads(client: http3.Client, size: int, is_chunked: bool) -> None:
    data = b"a" * size
    told = client.put("/upload", data=iter([data[:10], data[10:]]) if is_chunked else data).json()
    assert told == {"size": size, "sha256": hashlib.sha256(data).hexdigest()}


def test_redirects_cookies_and_basic_auth(client: http3.Client) -> None:
    assert [hop.status_code for hop in client.get("/redirect/3").history] == [302, 302, 302]
    assert client.get("/old").text == "the new place\n"
    assert client.get("/account").status_code == 401
    assert client.post("/login", data={"user": "ada"}).json() == {"signed_in": True}
    assert client.get("/cookies").json() == {"session": "1234"}
    assert client.get("/basic-auth").headers["WWW-Authenticate"].startswith("Basic")
    assert client.get("/basic-auth", auth=("user", "secret")).json() == {"user": "user"}


def test_digest_looks_at_the_password(client: http3.Client) -> None:
    assert client.get("/digest", auth=http3.DigestAuth("user", "secret")).json() == {"user": "user"}
    assert client.get("/digest", auth=http3.DigestAuth("user", "wrong")).status_code == 401
    assert client.get("/digest").status_code == 401
    assert client.get("/bearer", auth=http3.BearerAuth("token")).ok
    assert client.get("/bearer", auth=http3.BearerAuth("other")).status_code == 401
    with pytest.raises(http3.RedirectLoop):
        client.get("/loop")


def test_a_drip_ends_by_total_timeout_alone(client: http3.Client) -> None:
    with pytest.raises(http3.TotalTimeout):
        client.get("/drip/5", timeout=http3.TimeoutConfig(read_timeout=0.4, total_timeout=0.6))
    assert client.get("/drip/0.3").content == b"..."


def test_a_token_is_good_for_two_requests(client: http3.Client) -> None:
    assert client.post("/token", data={"refresh_token": "wrong"}).status_code == 400
    token = client.post("/token", data={"refresh_token": "refresh"}).json()["access_token"]
    got = [client.get("/private", auth=http3.BearerAuth(token)).status_code for _ in range(3)]
    assert got == [200, 200, 401]


def test_a_file_in_ranges(client: http3.Client) -> None:
    whole = client.get("/files/big.bin")
    rest = client.get(
        "/files/big.bin", headers={"Range": "bytes=1000000-", "If-Range": whole.headers["ETag"]}
    )
    assert (rest.status_code, rest.content) == (206, whole.content[1_000_000:])
    assert rest.headers["Content-Range"] == "bytes 1000000-1048575/1048576"
    changed = client.get("/files/big.bin", headers={"Range": "bytes=1000000-", "If-Range": '"other"'})
    assert (changed.status_code, len(changed.content)) == (200, 2**20)
    assert client.get("/files/big.bin", headers={"Range": "bytes=1048576-"}).status_code == 416
    larger = client.get("/files/big.bin?size=2000000")
    assert len(larger.content) == 2_000_000
    assert larger.headers["ETag"] != whole.headers["ETag"]
    with pytest.raises(http3.RemoteProtocolError, match="748576 bytes before its end"):
        client.get("/files/big.bin?stop=300000")


def test_slow_streamed_flaky_and_paged(client: http3.Client) -> None:
    assert client.get("/slow/0.1").elapsed.total_seconds() >= 0.1
    with client.stream("GET", "/stream/3") as response:
        assert list(response.iter_lines()) == ["line 1", "line 2", "line 3"]
    assert [client.get("/flaky/3").status_code for _ in range(5)] == [503, 503, 503, 200, 503]
    assert client.get("/items?page=2").links["next"]["url"] == "/items?page=3"
    assert "next" not in client.get("/items?page=3").links


def test_events_go_on_after_the_last(client: http3.Client) -> None:
    assert client.get("/events").text.count("data:") == 3
    assert "data: number 4" in client.get("/events", headers={"Last-Event-ID": "3"}).text
    assert client.get("/events", headers={"Last-Event-ID": "5"}).status_code == 204


def raw(url: str, request: bytes) -> bytes:
    """All that the server says to these bytes."""
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_http_1_0_gets_a_body_that_ends_with_the_connection(url: str) -> None:
    head, _, body = raw(url, b"GET /stream/2 HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert body == b"line 1\nline 2\n"


def test_head_has_no_body(url: str) -> None:
    head, _, body = raw(url, b"HEAD /new HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").partition(
        b"\r\n\r\n"
    )
    assert b"Content-Length: 14" in head
    assert body == b""


@pytest.mark.parametrize(
    "lines",
    [
        b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        b"Transfer-Encoding: gzip\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        *(b"Transfer-Encoding: chunked\r\n\r\n%b\r\n" % size for size in (b"zz", b"-5", b"0x5", b"")),
    ],
)
@pytest.mark.parametrize("path", [b"/upload", b"/new"])
def test_bodies_without_a_clear_end_are_refused(url: str, lines: bytes, path: bytes) -> None:
    after = b"GET /users HTTP/1.1\r\nHost: a\r\n\r\n"
    answered = raw(url, b"POST %b HTTP/1.1\r\nHost: a\r\n" % path + lines + after)
    assert answered.count(b"HTTP/1.1 ") == 1, "what follows is no request"
    assert path == b"/new" or answered.startswith(b"HTTP/1.1 400 ")


def test_a_port_that_is_taken_is_said(url: str) -> None:
    port = url.rpartition(":")[2]
    command = [sys.executable, "-m", "http3_client.example_site", "--port", port]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert f"127.0.0.1:{port} can't be served" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_it_without_a_traceback() -> None:
    command = [sys.executable, "-m", "http3_client.example_site", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Serving http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


def test_its_pages_answer_without_a_server() -> None:
    with http3.Client(
        dispatch=http3.MockDispatcher(example_site.answer), base_url="http://shop.test"
    ) as client:
        assert client.get("/users/2").json() == {"id": 2, "name": "Grace"}
