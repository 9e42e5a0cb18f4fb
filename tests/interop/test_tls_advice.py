"""TLS where there is none, none where there is TLS, and certificates that do not fit: what to do is said."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

import http3
from http3_transport.testing import HTTP2Frames, ScriptedConnection, ScriptedServer
from interop.test_backend_certificates import Legacy, LikeAsyncio
from support.servers import Authority, Hypercorn, Nginx
from support.worlds import World, do, raised

ALERT = b"\x15\x03\x01\x00\x02\x02\x46"
"""protocol_version (RFC 8446 section 6)"""

DAY = datetime.timedelta(days=1)


def context_of(folder: Path, authority: trustme.CA, *names: str, **validity: Any) -> ssl.SSLContext:
    """A server's, with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **validity).configure_cert(context)
    return context


def never_asked(connection: ScriptedConnection) -> None:
    """The handshake is to fail."""
    connection.read_request()


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"220 ready\r\n", b"SSH-2.0-x\r\n"]
)
async def test_https_to_a_port_in_clear_text(world: World, greeting: bytes) -> None:
    def script(connection: ScriptedConnection) -> None:
        connection.write(greeting)
        connection.stall()

    with ScriptedServer(script) as server:
        url = server.url.replace("http:", "https:")
        error = await raised(http3.TLSError, world.client().get, url)
        assert "the server does not speak TLS on this port; for clear text write http:// in the URL" in str(
            error
        )
        assert url in str(error)
        assert error.delivery == "not_sent"
        assert isinstance(error.__cause__, ssl.SSLError)


async def test_real_servers(world: World, nginx: Nginx, hypercorn: Hypercorn) -> None:
    for url in (nginx.plain, nginx.h2c, hypercorn.url):
        error = await raised(http3.TLSError, world.client().get, url.replace("http:", "https:"))
        assert "for clear text write http:// in the URL" in str(error)
    response = await do(world.client().get(nginx.tls.replace("https:", "http:")))
    assert response.status_code == 400  # nginx says it by itself
    assert "plain HTTP request was sent to HTTPS port" in response.text


@pytest.mark.parametrize("world", ["asyncio"], indirect=True)
async def test_a_backend_that_does_tls_by_itself(world: World, authority: Authority) -> None:
    def script(connection: ScriptedConnection) -> None:
        connection.write(b"220 ready\r\n")
        connection.stall()

    own = Legacy(LikeAsyncio, "127.0.0.1")
    with ScriptedServer(script) as server:
        url = server.url.replace("http:", "https:")
        error = await raised(http3.TLSError, world.client(backend=own).get, url)
        assert "for clear text write http://" in str(error)
    with ScriptedServer(never_asked, ssl_context=authority.server_context()) as server:
        error = await raised(http3.TLSError, world.client(backend=own).get, server.url)
        assert 'name the authority with verify="ca.pem" or SSL_CERT_FILE' in str(error)


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("then", ["closes", "stalls"])
async def test_http_to_a_port_with_tls(world: World, version: str, then: str) -> None:
    def script(connection: ScriptedConnection) -> None:
        if version == "HTTP/2":
            connection.read(24)
        else:
            connection.read_request()
        connection.write(ALERT)
        if then == "stalls":
            connection.stall()

    with ScriptedServer(script) as server:
        error = await raised(
            http3.RemoteProtocolError, world.client(http_versions=(version,)).get, server.url
        )
        assert "The server speaks TLS on this port; write https:// in the URL" in str(error)
        assert server.url in str(error)


@pytest.mark.parametrize("pieces", [2, 3, 6])
async def test_an_alert_in_pieces(world: World, pieces: int) -> None:
    def script(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.write(ALERT[:pieces])
        connection.write(ALERT[pieces:])

    with ScriptedServer(script) as server:
        error = await raised(http3.RemoteProtocolError, world.client().get, server.url)
        assert "write https://" in str(error)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_server_that_closes_at_once_may_speak_tls(world: World, method: str) -> None:
    """OpenSSL sends no alert where it sees a request of HTTP/1.1."""

    def script(connection: ScriptedConnection) -> None:
        connection.read_request()

    with ScriptedServer(script) as server:
        error = await raised(
            http3.RemoteProtocolError, world.client(replay=False).request, method, server.url
        )
        assert "without sending a response; if it speaks TLS on this port, write https://" in str(error)


async def test_a_server_that_has_answered_speaks_no_tls(world: World) -> None:
    def script(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        connection.read_request()

    with ScriptedServer(script) as server:
        client = world.client(replay=False)
        await do(client.get(server.url))
        error = await raised(http3.RemoteProtocolError, client.get, server.url)
        assert "without sending a response" in str(error)
        assert "TLS" not in str(error)


async def test_neither_does_one_with_tls(world: World, authority: Authority) -> None:
    def script(connection: ScriptedConnection) -> None:
        connection.read_request()

    with ScriptedServer(script, ssl_context=authority.server_context("http/1.1")) as server:
        client = world.client(verify=authority.ca_file, replay=False)
        error = await raised(http3.RemoteProtocolError, client.get, server.url)
        assert "TLS" not in str(error)


async def test_a_server_that_closes_before_a_byte_of_http2(world: World) -> None:
    def script(connection: ScriptedConnection) -> None:
        connection.read_request()

    with ScriptedServer(script) as server:
        client = world.client(http_versions=("HTTP/2",))
        error = await raised(http3.RemoteProtocolError, client.get, server.url)
        assert "closed the connection without sending a byte of HTTP/2 (it may not speak it)" in str(error)


async def test_a_server_of_http11_is_no_tls(world: World) -> None:
    def script(connection: ScriptedConnection) -> None:
        frames = HTTP2Frames(connection)
        frames.connection.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with ScriptedServer(script) as server:
        error = await raised(
            http3.RemoteProtocolError, world.client(http_versions=("HTTP/2",)).get, server.url
        )
        assert "does not speak HTTP/2" in str(error)
        assert "https" not in str(error)


async def told(world: World, url: str, **options: Any) -> str:
    """What the TLSError says."""
    error = await raised(http3.TLSError, world.client(**options).get, url)
    assert error.delivery == "not_sent"
    assert isinstance(error.__cause__, ssl.SSLCertVerificationError)
    assert "_ssl.c" not in str(error)
    return str(error)


async def test_an_unknown_authority(world: World, authority: Authority) -> None:
    with ScriptedServer(never_asked, ssl_context=authority.server_context()) as server:
        for verify in (True, authority.stranger_ca_file):
            text = await told(world, server.url, verify=verify)
            assert 'name the authority with verify="ca.pem" or SSL_CERT_FILE' in text


async def test_a_certificate_that_signs_itself(world: World, tmp_path: Path) -> None:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with ca.private_key_pem.tempfile() as key, ca.cert_pem.tempfile() as cert:
        context.load_cert_chain(cert, key)
    with ScriptedServer(never_asked, ssl_context=context) as server:
        assert 'verify="ca.pem"' in await told(world, server.url)


@pytest.fixture
def trusted(tmp_path: Path) -> tuple[trustme.CA, str]:
    """An authority, and its file."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return ca, str(tmp_path / "ca.pem")


async def test_an_expired_certificate(world: World, trusted: Any, tmp_path: Path) -> None:
    ca, file = trusted
    now = datetime.datetime.now(datetime.UTC)
    old = context_of(tmp_path, ca, "127.0.0.1", not_before=now - 9 * DAY, not_after=now - DAY)
    with ScriptedServer(never_asked, ssl_context=old) as server:
        text = await told(world, server.url, verify=file)
        assert "expired; the server needs a new one, or the clock of this machine is wrong" in text
    new = context_of(tmp_path, ca, "127.0.0.1", not_before=now + DAY, not_after=now + 9 * DAY)
    with ScriptedServer(never_asked, ssl_context=new) as server:
        assert "the clock of this machine may be wrong" in await told(world, server.url, verify=file)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_another_name(world: World, trusted: Any, tmp_path: Path, host: str) -> None:
    ca, file = trusted
    with ScriptedServer(never_asked, ssl_context=context_of(tmp_path, ca, "elsewhere.example")) as server:
        text = await told(world, server.url.replace("127.0.0.1", host), verify=file)
        assert "of the certificate in the URL" in text
        assert host in text
