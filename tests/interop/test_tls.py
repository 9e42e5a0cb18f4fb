"""TLS: verification, authorities, client certificates, names and addresses (docs/tls.md)."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import http3
from http3_transport.testing import HTTP2Frames, ScriptedConnection, ScriptedServer, response_bytes
from support.servers import Authority, Nginx, answer, answering
from support.worlds import World, do, raised


async def test_an_unknown_authority_is_refused(world: World, nginx: Nginx, authority: Authority) -> None:
    for verify in (True, authority.stranger_ca_file):
        client = world.client(verify=verify)
        for url in (nginx.tls, nginx.tls_h2):
            error = await raised(http3.TLSError, client.get, url + "/small")
            assert isinstance(error, http3.ConnectError)
            assert isinstance(error.__cause__, ssl.SSLError)
            assert url in str(error)
            assert "certificate" in str(error)
            assert error.delivery == "not_sent"


async def test_verify_false(world: World, nginx: Nginx) -> None:
    client = world.client(verify=False)
    for url in (nginx.tls, nginx.tls_h2, nginx.wrong_name):
        assert (await do(client.get(url + "/small"))).content == b"hello\n"
    strict = world.client()
    assert (await do(strict.get(nginx.tls + "/small", verify=False))).status_code == 200
    await raised(http3.TLSError, lambda: strict.get(nginx.tls + "/small"))


async def test_an_authority_by_file(world: World, nginx: Nginx, authority: Authority) -> None:
    for verify in (authority.ca_file, Path(authority.ca_file)):
        client = world.client(verify=verify)
        assert (await do(client.get(nginx.tls + "/small"))).content == b"hello\n"
    assert (
        await do(world.client().get(nginx.tls_h2 + "/small", verify=authority.ca_file))
    ).status_code == 200


@pytest.fixture
def ca_folder(authority: Authority, tmp_path: Path) -> str:
    """A folder of authorities as OpenSSL wants it, named by hashes."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed; it names the files of a CA folder")
    shutil.copy(authority.ca_file, tmp_path / "ca.pem")
    subprocess.run([openssl, "rehash", str(tmp_path)], check=True, capture_output=True)
    return str(tmp_path)


async def test_an_authority_by_folder(world: World, nginx: Nginx, ca_folder: str) -> None:
    client = world.client(verify=ca_folder)
    assert (await do(client.get(nginx.tls + "/small"))).content == b"hello\n"


async def test_an_ssl_context(world: World, nginx: Nginx, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=authority.ca_file)
    client = world.client(verify=context)
    assert (await do(client.get(nginx.tls_h2 + "/small"))).protocol == "HTTP/2"
    assert (await do(client.get(nginx.tls + "/small"))).protocol == "HTTP/1.1"
    one = world.client(verify=context, http_versions=("HTTP/1.1",))
    assert (await do(one.get(nginx.tls_h2 + "/small"))).protocol == "HTTP/1.1"


async def test_a_host_name_that_does_not_match(world: World, nginx: Nginx, authority: Authority) -> None:
    client = world.client(verify=authority.ca_file)
    error = await raised(http3.TLSError, lambda: client.get(nginx.wrong_name + "/small"))
    assert "127.0.0.1" in str(error)
    assert (await do(client.get(nginx.tls + "/small"))).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST"])
async def test_names_and_addresses(world: World, nginx: Nginx, authority: Authority, host: str) -> None:
    url = nginx.tls_h2.replace("127.0.0.1", host)
    assert (await do(world.client(verify=authority.ca_file).get(url + "/small"))).content == b"hello\n"


async def test_ipv6(world: World, start_server: Any, authority: Authority) -> None:
    ok = answering(answer(b"six"))
    plain = start_server(ok, host="::1")
    assert (await do(world.client().get(plain.url + "/x"))).content == b"six"
    secure = start_server(ok, host="::1", tls=authority.server_context())
    response = await do(world.client(verify=authority.ca_file).get(secure.url + "/x"))
    assert response.content == b"six"
    assert response.request.headers["host"] == f"[::1]:{secure.port}"


async def test_client_certificates(world: World, nginx: Nginx, authority: Authority) -> None:
    url = nginx.mutual_tls + "/echo"
    pair = (authority.client_cert, authority.client_key)
    for cert in (pair, authority.client_pem, Path(authority.client_pem)):
        client = world.client(verify=authority.ca_file, cert=cert)
        assert (await do((await do(client.get(url))).json()))["client"] == "SUCCESS"
    client = world.client(verify=authority.ca_file)
    bare = await do(client.get(url))
    assert bare.status_code == 400
    assert (await do((await do(client.get(url, cert=pair))).json()))["client"] == "SUCCESS"
    assert (await do(client.get(url))).status_code == 400
    unverified = await do(client.get(url, cert=pair, verify=False))
    assert (await do(unverified.json()))["client"] == "SUCCESS"


class Checkpoint:
    """Two servers at two origins: they note who shows a certificate, and redirect as the path says."""

    def __init__(self, authority: Authority, version: str) -> None:
        self.shown: list[tuple[str, bool]] = []
        self._version = version
        context = authority.server_context("h2" if version == "HTTP/2" else "http/1.1")
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(authority.ca_file)
        serve = self._http2 if version == "HTTP/2" else self._http1
        self.here, self.other = (
            ScriptedServer(partial(serve, name), ssl_context=context) for name in ("here", "other")
        )

    def answer(self, name: str, path: str, connection: ScriptedConnection) -> str | None:
        """The Location for a path such as /other/here, which leads to the other server and back."""
        assert isinstance(connection.socket, ssl.SSLSocket)
        self.shown.append((name, bool(connection.socket.getpeercert())))
        server, _, rest = path.strip("/").partition("/")
        return f"{getattr(self, server).url}/{rest}" if server else None

    def _http1(self, name: str, connection: ScriptedConnection) -> None:
        while True:
            location = self.answer(name, connection.read_request().target, connection)
            headers = {} if location is None else {"Location": location}
            connection.write(response_bytes(status="302 Found" if location else "200 OK", headers=headers))

    def _http2(self, name: str, connection: ScriptedConnection) -> None:
        frames = HTTP2Frames(connection)
        frames.handshake()
        while True:
            stream, fields, _ = frames.read_request()
            location = self.answer(name, fields[":path"], connection)
            if location is None:
                frames.send_head(stream, end=True)
            else:
                frames.send_head(stream, 302, [("location", location)], end=True)


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def checkpoint(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Checkpoint]:
    """In both versions."""
    checkpoint = Checkpoint(authority, request.param)
    with checkpoint.here, checkpoint.other:
        yield checkpoint


@pytest.mark.parametrize("given_to", ["client", "request"])
async def test_a_client_certificate_stays_on_the_origin_that_was_asked(
    world: World, checkpoint: Checkpoint, authority: Authority, given_to: str
) -> None:
    cert = authority.client_pem
    client = world.client(verify=authority.ca_file, cert=cert if given_to == "client" else None)
    get = partial(client.get, cert=cert if given_to == "request" else None)
    assert (await do(get(checkpoint.here.url + "/here/other/other/here/"))).status_code == 200
    assert checkpoint.shown == [
        ("here", True),
        ("here", True),
        ("other", False),
        ("other", False),
        ("here", False),
    ]
    checkpoint.shown.clear()
    assert (await do(get(checkpoint.other.url + "/"))).status_code == 200  # asked directly
    stepping = await do(get(checkpoint.here.url + "/other/", allow_redirects=False))
    assert (await do(stepping.next())).status_code == 200
    assert checkpoint.shown == [("other", True), ("here", True), ("other", False)]


async def test_tls_to_a_server_that_speaks_none(world: World, nginx: Nginx) -> None:
    client = world.client(verify=False)
    url = nginx.plain.replace("http:", "https:")
    error = await raised(http3.ConnectError, lambda: client.get(url + "/small"))
    assert url in str(error)
    assert (await do(client.get(nginx.plain + "/small"))).status_code == 200


async def test_plain_http_to_a_tls_port(world: World, nginx: Nginx) -> None:
    url = nginx.tls.replace("https:", "http:")
    assert (await do(world.client().get(url + "/small"))).status_code == 400


async def test_what_is_negotiated(
    world: World, nginx: Nginx, start_server: Any, authority: Authority
) -> None:
    verify: dict[str, Any] = {"verify": authority.ca_file}
    assert (await do(world.client(**verify).get(nginx.tls_h2 + "/small"))).protocol == "HTTP/2"
    assert (await do(world.client(**verify).get(nginx.tls + "/small"))).protocol == "HTTP/1.1"
    assert (await do(world.client(**verify).get(nginx.plain + "/small"))).protocol == "HTTP/1.1"
    two = world.client(http_versions=("HTTP/2",), **verify)
    assert (await do(two.get(nginx.h2c + "/small"))).protocol == "HTTP/2"
    error = await raised(http3.RemoteProtocolError, lambda: two.get(nginx.tls + "/small"))
    assert "HTTP/2" in str(error)
    assert nginx.tls in str(error)


async def test_a_connection_is_reused_under_its_own_verification_only(
    world: World, nginx: Nginx, authority: Authority
) -> None:
    client = world.client(verify=authority.ca_file)
    url = nginx.tls + "/echo"

    async def connection(**options: Any) -> int:
        return int((await do((await do(client.get(url, **options))).json()))["connection"])

    first = await connection()
    assert await connection() == first
    unverified = await connection(verify=False)
    assert unverified != first
    assert await connection() == first
    assert await connection(verify=False) == unverified


async def test_environment(world: World, nginx: Nginx, authority: Authority, monkeypatch: Any) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority.ca_file)
    assert (await do(world.client().get(nginx.tls + "/small"))).status_code == 200
    distrusting = world.client(trust_env=False)
    await raised(http3.TLSError, lambda: distrusting.get(nginx.tls + "/small"))
    called = world.client(verify=authority.stranger_ca_file)
    await raised(http3.TLSError, lambda: called.get(nginx.tls + "/small"))
    assert "SSL_CERT_FILE" in os.environ
