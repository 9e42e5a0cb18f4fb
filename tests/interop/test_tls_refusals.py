"""TLS that fails: client certificates that the server refuses after the handshake, records forged behind
an answer, names in the wrong place of a certificate."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import http3
from http3_transport.testing import HTTP2Frames, ScriptedConnection, ScriptedServer, response_bytes
from interop.test_backend_certificates import Legacy, LikeAsyncio
from support.hostile_peers import reset, watched
from support.servers import Authority, answer, answering
from support.worlds import World, collect, do, raised

pytestmark = pytest.mark.thorough

VERSIONS = {"HTTP/1.1": "http/1.1", "HTTP/2": "h2"}


# Client certificates. With TLS 1.3 the server looks at them when the client is through with its handshake and
# has maybe sent its request: what the client meets first, a failed write, a reset or the alert, is chance.


class Doorkeeper:
    """A server that wants a certificate of ``authority``, and after its alert closes in this or that way."""

    def __init__(self, authority: Authority, protocol: str, end: str) -> None:
        self._context = authority.server_context(protocol, client_certificate=True)
        self._end = end
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with tls, suppress(OSError):
            try:
                tls.do_handshake()
            except ssl.SSLError:
                if self._end == "reset":
                    reset(tls)
                elif self._end == "drain":
                    socket.socket.shutdown(tls, socket.SHUT_WR)
                    while socket.socket.recv(tls, 65536):
                        pass

    def close(self) -> None:
        """No more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """What is spoken."""
    return str(request.param)


@pytest.fixture(params=["closes", "reset", "drain"])
def doorkeeper(request: pytest.FixtureRequest, authority: Authority, version: str) -> Iterator[Doorkeeper]:
    """ "closes" leaves what the client has sent unread, which resets the connection."""
    doorkeeper = Doorkeeper(authority, VERSIONS[version], request.param)
    yield doorkeeper
    doorkeeper.close()


@pytest.fixture(scope="module")
def foreign_cert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A client certificate of another authority."""
    issued = trustme.CA().issue_cert("client@example.org")
    path = tmp_path_factory.mktemp("foreign") / "client.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(str(path))
    return str(path)


def pieces() -> Iterator[bytes]:
    for _ in range(100):
        yield bytes(50_000)


UPLOADS: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "small": lambda: b"x" * 1000,
    "large": lambda: bytes(5_000_000),
    "iterator": pieces,
}

RUNS = 3


@pytest.mark.parametrize("upload", UPLOADS)
@pytest.mark.parametrize("shown", ["missing", "foreign"])
async def test_a_client_certificate_that_is_not_accepted(
    world: World,
    doorkeeper: Doorkeeper,
    authority: Authority,
    version: str,
    foreign_cert: str,
    shown: str,
    upload: str,
) -> None:
    cert = None if shown == "missing" else foreign_cert
    for _ in range(RUNS):
        client = world.client(verify=authority.ca_file, cert=cert, http_versions=(version,))
        method = "GET" if upload == "none" else "POST"
        error = await raised(
            http3.Http3Error, client.request, method, doorkeeper.url, data=UPLOADS[upload](), timeout=10
        )
        assert type(error) is http3.TLSError, repr(error)
        assert ("certificate required" if cert is None else "unknown ca") in str(error)
        assert "client certificate" in str(error)
        assert doorkeeper.url in str(error)
        assert "_ssl.c" not in str(error)
        assert error.delivery is not None
        assert isinstance(error.__cause__, ssl.SSLError)
        await do(client.close())


def extending(world: World) -> http3.ConcurrencyBackend:
    """A backend of the user's own, in the shape of http3 0.6.7, which leaves the work to one of ours."""
    ours: dict[str, Callable[[], http3.ConcurrencyBackend]] = {
        "sync": http3.BlockingBackend,
        "asyncio": http3.AsyncioBackend,
        "trio": http3.TrioBackend,
    }

    async def connect(self: http3.ConcurrencyBackend, *args: Any, **options: Any) -> Any:
        return await ours[world.name]().connect(*args, **options)

    kind: Callable[[], http3.ConcurrencyBackend] = type(
        "Extended", (type(ours[world.name]()),), {"connect": connect}
    )
    return kind()


@pytest.mark.parametrize("upload", ["none", "large"])
async def test_a_client_certificate_that_is_not_accepted_on_a_backend_of_the_users(
    world: World, doorkeeper: Doorkeeper, authority: Authority, version: str, upload: str
) -> None:
    for _ in range(RUNS):
        client = world.client(verify=authority.ca_file, http_versions=(version,), backend=extending(world))
        error = await raised(http3.TLSError, client.post, doorkeeper.url, data=UPLOADS[upload]())
        assert "certificate required" in str(error)
        await do(client.close())


@pytest.mark.parametrize("shown", ["missing", "foreign"])
async def test_a_client_certificate_that_is_not_accepted_with_tls_1_2(
    world: World, authority: Authority, version: str, foreign_cert: str, shown: str
) -> None:
    context = authority.server_context(VERSIONS[version], client_certificate=True)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    cert = None if shown == "missing" else foreign_cert
    with ScriptedServer(lambda connection: connection.read(), ssl_context=context) as server:
        client = world.client(verify=authority.ca_file, cert=cert, http_versions=(version,))
        error = await raised(http3.TLSError, client.get, server.url)
        assert "with the alert" in str(error)
        assert ("handshake failure" if cert is None else "unknown ca") in str(error)
        assert error.delivery == "not_sent"


# Records that were forged on their way.


class Wire:
    """A TLS server whose records go out when a test says so, and as it wants them."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self._socket = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while not self._does(self._object.do_handshake):
            pass
        self.received = b""

    def _does(self, step: Callable[[], Any]) -> Any:
        try:
            done = step() or True
        except ssl.SSLWantReadError:
            done = None
        if self._outgoing.pending:
            self._socket.sendall(self._outgoing.read())
        if done is None:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionResetError("the client has gone")
            self._incoming.write(data)
        return done

    def read_until(self, end: bytes) -> None:
        """Take in what the client sends, up to these bytes."""
        while end not in self.received:
            data = self._does(lambda: self._object.read(65536))
            self.received += data or b""

    def record(self, data: bytes, *, forged: bool = False) -> bytes:
        """One record."""
        self._object.write(data)
        record = bytearray(self._outgoing.read())
        record[-1] ^= forged
        return bytes(record)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n"
PLACES = {
    "before the answer": [],
    "in the head": [HEAD[:20]],
    "behind the head": [HEAD],
    "in the body": [HEAD, bytes(1000)],
    "behind a full record of the body": [HEAD + bytes(16384 - len(HEAD)), bytes(16384)],
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("place", PLACES)
async def test_a_forged_record_in_the_first_answer(
    world: World,
    start_server: Callable[..., ScriptedServer],
    authority: Authority,
    place: str,
    streamed: bool,
) -> None:
    context = authority.server_context()

    def script(connection: socket.socket) -> None:
        wire = Wire(connection, context)
        wire.read_until(b"\r\n\r\n")
        genuine = b"".join([wire.record(data) for data in PLACES[place]])
        connection.sendall(genuine + wire.record(bytes(16384), forged=True))
        with suppress(ConnectionError):
            connection.recv(65536)

    server = start_server(script)
    user = watched(world, verify=authority.ca_file)

    async def get() -> None:
        response = await do(user.client.get(server.url.replace("http:", "https:"), stream=streamed))
        assert response.connection.tls_version == "TLSv1.3"
        assert response.connection.peer_certificate
        await collect(response.stream())

    error = await raised((http3.ReadError, http3.RemoteProtocolError), get)
    assert error.delivery == "maybe_processed"
    assert "mac" in str(error).lower()
    assert user.is_empty


@pytest.mark.parametrize("place", ["before the answer", "behind the head"])
async def test_a_forged_record_over_http2(
    world: World, start_server: Callable[..., ScriptedServer], authority: Authority, place: str
) -> None:
    context = authority.server_context("h2")

    def script(connection: socket.socket) -> None:
        wire = Wire(connection, context)
        wire.read_until(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        genuine = wire.record(b"\0\0\0\4\0\0\0\0\0")  # SETTINGS
        if place == "behind the head":
            genuine += wire.record(b"\0\0\1\1\4\0\0\0\1\x88")  # HEADERS with :status 200
        connection.sendall(genuine + wire.record(bytes(100), forged=True))
        with suppress(ConnectionError):
            while connection.recv(65536):
                pass

    server = start_server(script)
    user = watched(world, "HTTP/2", verify=authority.ca_file)
    error = await raised(
        (http3.ReadError, http3.RemoteProtocolError),
        user.client.post,
        server.url.replace("http:", "https:"),
        data=b"x",
    )
    assert error.delivery == "maybe_processed"
    assert "mac" in str(error).lower()
    assert user.is_empty


async def test_a_forged_record_behind_a_whole_answer_ends_the_connection(
    world: World, start_server: Callable[..., ScriptedServer], authority: Authority
) -> None:
    context = authority.server_context()

    def script(connection: socket.socket) -> None:
        wire = Wire(connection, context)
        wire.read_until(b"\r\n\r\n")
        connection.sendall(wire.record(answer(b"whole")) + wire.record(b"more", forged=True))
        with suppress(ConnectionError):
            connection.recv(65536)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            answering(answer(b"next"))(tls)

    server = start_server(script, serve)
    url = server.url.replace("http:", "https:")
    user = watched(world, verify=authority.ca_file)
    response = await do(user.client.get(url))
    assert response.content == b"whole"
    assert response.connection.peer_certificate
    assert await user.body(url, "POST") == b"next"


# Names of hosts.


class Issuer:
    """An authority whose certificates have just the names that a test wants."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = self._named("An authority")
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._signed(self._builder("An authority", self._key).add_extension(constraints, True))
        self.ca_file = str(folder / "issuer.pem")
        Path(self.ca_file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    @staticmethod
    def _named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def _builder(self, name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder(self._named("An authority"), self._named(name), key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    def _signed(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return builder.sign(self._key, hashes.SHA256())

    def server_context(self, common_name: str, *alternatives: x509.GeneralName, alpn: str) -> ssl.SSLContext:
        """A server with such a certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(common_name, key)
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
        path = self._folder / f"{x509.random_serial_number()}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(private + self._signed(builder).public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        context.set_alpn_protocols([alpn])
        return context


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    """One for all."""
    return Issuer(tmp_path_factory.mktemp("issuer"))


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
NAMES: dict[str, tuple[str, str, list[x509.GeneralName], bool]] = {
    "a common name": ("localhost", "localhost", [], False),
    "a common name that is an address": ("127.0.0.1", "127.0.0.1", [], False),
    "a common name and an address": ("localhost", "localhost", [LOOPBACK], False),
    "a common name and mail": ("localhost", "localhost", [x509.RFC822Name("a@localhost")], False),
    "a common name and another host": ("localhost", "localhost", [x509.DNSName("other.test")], False),
    "an alternative name": ("localhost", "other.test", [x509.DNSName("localhost")], True),
    "an alternative name of all": ("localhost", "", [x509.DNSName("localhost"), LOOPBACK], True),
    "an address": ("127.0.0.1", "other.test", [LOOPBACK], True),
}

TRUST: dict[str, Callable[[str], Any]] = {
    "a file": lambda ca_file: ca_file,
    "a context": lambda ca_file: ssl.create_default_context(cafile=ca_file),
    "SSL_CERT_FILE": lambda ca_file: True,
}


def serve_http(connection: ScriptedConnection) -> None:
    """One request, answered, in either version."""
    if connection.alpn_protocol == "h2":
        frames = HTTP2Frames(connection)
        frames.handshake()
        frames.send_head(frames.read_request()[0], end=True)
        connection.stall()
    else:
        connection.read_request()
        connection.write(response_bytes())


@pytest.mark.parametrize("trust", TRUST)
@pytest.mark.parametrize("case", NAMES)
async def test_a_common_name_alone_does_not_count(
    world: World, issuer: Issuer, version: str, monkeypatch: pytest.MonkeyPatch, case: str, trust: str
) -> None:
    host, common_name, alternatives, is_good = NAMES[case]
    monkeypatch.setenv("SSL_CERT_FILE", issuer.ca_file)
    verify = TRUST[trust](issuer.ca_file)
    context = issuer.server_context(common_name or "x", *alternatives, alpn=VERSIONS[version])
    with ScriptedServer(serve_http, ssl_context=context) as server:
        url = f"https://{host}:{server.port}/"
        client = world.client(verify=verify, http_versions=(version,))
        if is_good:
            assert (await do(client.get(url))).status_code == 200
            return
        error = await raised(http3.TLSError, client.get, url)
        assert "certificate not accepted" in str(error)
        assert host in str(error)
        assert "common name" in str(error) or host == "127.0.0.1"
        assert error.delivery == "not_sent"
        assert isinstance(error.__cause__, ssl.SSLCertVerificationError)
    if trust == "a context":
        assert verify.hostname_checks_common_name  # it is the user's, and is not changed


async def test_a_common_name_alone_does_not_count_where_the_backend_does_tls(
    issuer: Issuer, world: World
) -> None:
    if world.name != "asyncio":
        pytest.skip("asyncio's streams need asyncio")
    context = ssl.create_default_context(cafile=issuer.ca_file)
    for alternatives, is_good in (((), False), ((x509.DNSName("localhost"),), True)):
        server_side = issuer.server_context("localhost", *alternatives, alpn="http/1.1")
        with ScriptedServer(serve_http, ssl_context=server_side) as server:
            url = f"https://localhost:{server.port}/"
            backend = Legacy(LikeAsyncio, "localhost")
            for verify in (context, issuer.ca_file):
                client = world.client(verify=verify, backend=backend, http_versions=("HTTP/1.1",))
                if is_good:
                    assert (await do(client.get(url))).status_code == 200
                else:
                    await raised(http3.TLSError, client.get, url)


async def test_a_context_that_checks_no_names(world: World, issuer: Issuer, version: str) -> None:
    context = ssl.create_default_context(cafile=issuer.ca_file)
    context.check_hostname = False
    server_side = issuer.server_context("localhost", alpn=VERSIONS[version])
    with ScriptedServer(serve_http, ssl_context=server_side) as server:
        url = f"https://localhost:{server.port}/"
        for verify in (context, False):
            client = world.client(verify=verify, http_versions=(version,))
            assert (await do(client.get(url))).status_code == 200
