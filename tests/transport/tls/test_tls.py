"""TLS: handshakes and their failures, what the protocol does by itself, and how connections end."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from http3_models import ConnectionInfo
from http3_models.engine import run_sync
from http3_transport import BlockingBackend
from http3_transport._interfaces import OperationTimeout, Stream
from http3_transport._tls.state import TLSState
from http3_transport._tls.stream import TLSStream, make_state, start_tls
from http3_transport.testing import Peer, tls_pairs
from http3_transport.testing._conformance.peers import Background, Listener
from http3_transport.testing._conformance.steps import pattern, read_exactly, read_to_end
from support.stream_pairs import authority, client_context, server_context
from support.worlds import World

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LIMIT = 10.0


async def connect(world: World, port: int) -> Stream:
    return await world.backend.connect_address((socket.AF_INET, ("127.0.0.1", port)), LIMIT)


@contextmanager
def tcp_server(work: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept one connection and hand it to ``work`` on a thread."""
    with Listener() as listener:

        def serve() -> None:
            with listener.accept() as sock:
                sock.settimeout(LIMIT)
                work(sock)

        serving = Background(serve)
        yield listener.port
        serving.result()


def handshake(world: World, port: int, context: ssl.SSLContext, host: str, timeout: float = LIMIT) -> None:
    async def main() -> None:
        stream = await connect(world, port)
        try:
            secured = await start_tls(stream, context, host, timeout)
        finally:
            await world.backend.sleep(0.01)
        secured.abort()
        await world.backend.sleep(0.01)

    world.run(main)


def serve_tls(context: ssl.SSLContext) -> Callable[[socket.socket], None]:
    def work(sock: socket.socket) -> None:
        try:
            with context.wrap_socket(sock, server_side=True) as tls:
                tls.recv(1)
        except OSError:
            pass

    return work


# Handshakes.


@pytest.mark.parametrize("host", ["localhost", "localhost.", "127.0.0.1", "::1", "[::1]", "LOCALHOST"])
def test_names_and_addresses_are_checked(world: World, host: str) -> None:
    with tcp_server(serve_tls(server_context())) as port:
        handshake(world, port, client_context(), host)


@pytest.mark.parametrize(
    ("host", "message"),
    [("other.test", "Hostname mismatch"), ("127.0.0.2", "IP address mismatch")],
)
def test_another_name_is_refused(world: World, host: str, message: str) -> None:
    with (
        tcp_server(serve_tls(server_context())) as port,
        pytest.raises(ssl.SSLCertVerificationError, match=message),
    ):
        handshake(world, port, client_context(), host)


def test_an_unknown_authority_is_refused_and_the_server_told(world: World) -> None:
    seen: list[str] = []

    def work(sock: socket.socket) -> None:
        try:
            server_context().wrap_socket(sock, server_side=True).recv(1)
        except ssl.SSLError as exc:
            seen.append(exc.reason)

    with tcp_server(work) as port, pytest.raises(ssl.SSLCertVerificationError) as caught:
        handshake(world, port, ssl.create_default_context(), "localhost")
    assert "verify failed" in str(caught.value)
    assert caught.value.verify_message
    assert seen == ["TLSV1_ALERT_UNKNOWN_CA"]


def test_a_host_that_can_be_no_name(world: World) -> None:
    with (
        tcp_server(serve_tls(server_context())) as port,
        pytest.raises(OSError, match="can't be started") as caught,
    ):
        handshake(world, port, client_context(), ".starts.with.a.dot")
    assert caught.value.errno == errno.EINVAL


def test_a_silent_server_times_out(world: World) -> None:
    def work(sock: socket.socket) -> None:
        while sock.recv(65536):
            pass

    start = time.monotonic()
    with tcp_server(work) as port, pytest.raises(OperationTimeout):
        handshake(world, port, client_context(), "localhost", timeout=0.2)
    assert time.monotonic() - start < 2


def test_a_dripping_server_times_out() -> None:
    """The limit is for the whole handshake, not for each byte."""
    server = MemoryPeer(server_context(), step=1)
    moments = iter(range(1000))
    with pytest.raises(OperationTimeout):
        run_sync(start_tls(server, client_context(), "localhost", 50.0, now=lambda: next(moments)))
    assert server.is_closed


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_is_no_tls(world: World, said: bytes) -> None:
    def work(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(said)

    expected: type[OSError] = ssl.SSLError if said else ConnectionResetError
    with tcp_server(work) as port, pytest.raises(expected) as caught:
        handshake(world, port, client_context(), "localhost")
    if not said:
        assert "during the TLS handshake" in str(caught.value)
        assert not isinstance(caught.value, ssl.SSLError)


@pytest.mark.parametrize("protocol", ["h2", "http/1.1", None])
async def test_alpn_and_facts(world: World, protocol: str | None) -> None:
    server = server_context(protocols=() if protocol is None else (protocol,))
    client = client_context("h2", "http/1.1")
    stream, peer = await tls_pairs(world.backend, server, client, "localhost")()
    assert stream.alpn_protocol == protocol
    assert stream.info.tls_version == "TLSv1.3"
    assert stream.info.peer_address is not None
    assert ssl.DER_cert_to_PEM_cert(stream.info.peer_certificate or b"").startswith("-----BEGIN")
    assert "open over" in repr(stream)
    stream.abort()
    assert "closed" in repr(stream)
    peer.close()
    await peer.sleep(0.01)


# Over memory: a server without a socket, so that its bytes come as a test likes.


class MemoryPeer:
    """A plain `Stream` to a TLS server in memory, which echoes; it hands out ``step`` bytes a read."""

    def __init__(self, context: ssl.SSLContext, step: int = 65536, room: int = 1 << 30) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.server = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.step = step
        self.room = room  # bytes that it still takes
        self.is_done = self.is_closed = self.is_cut = False
        self.received = b""
        self.error: ssl.SSLError | None = None
        self.info = ConnectionInfo(("192.0.2.1", 443), None, None, None)
        self.alpn_protocol: str | None = None
        self.is_truncated = False
        self.has_unsent = False

    def work(self) -> None:
        """Do what a server does with what has come."""
        try:
            if not self.is_done:
                self.server.do_handshake()
                self.is_done = True
            while data := self.server.read(65536):
                self.received += data
                self.server.write(data)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        except ssl.SSLError as exc:
            self.error = exc

    def read_nowait(self, max_bytes: int) -> bytes | None:
        data = self.outgoing.read(min(self.step, max_bytes))
        return data or (b"" if self.is_cut else None)

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        data = self.read_nowait(max_bytes)
        if data is None:
            raise OperationTimeout
        return data

    def write_nowait(self, data: bytes | memoryview) -> int:
        taken = min(len(data), self.room)
        self.room -= taken
        self.incoming.write(bytes(data[:taken]))
        self.work()
        return taken

    async def write(self, data: bytes | memoryview, timeout: float | None) -> None:
        if self.write_nowait(data) < len(data):
            raise OperationTimeout

    async def write_until_readable(self, data: bytes | memoryview, timeout: float | None) -> int:
        if self.outgoing.pending or self.is_cut:
            return 0
        taken = self.write_nowait(data)
        if taken < len(data) and not self.outgoing.pending:
            raise OperationTimeout
        return taken

    async def wait_writable(self, timeout: float | None, *, or_readable: bool = False) -> bool:
        is_readable = bool(self.outgoing.pending or self.is_cut)
        if not self.room and not (or_readable and is_readable):
            raise OperationTimeout
        return or_readable and is_readable

    def close(self) -> None:
        self.is_closed = True

    abort = close


def memory_pair(
    server: ssl.SSLContext | None = None, client: ssl.SSLContext | None = None, step: int = 65536
) -> tuple[TLSStream, MemoryPeer]:
    peer = MemoryPeer(server or server_context(), step)
    return run_sync(start_tls(peer, client or client_context(), "localhost", None)), peer


def limited(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = server_context()
    context.maximum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("step", [1, 2, 7, 65536])
def test_ciphertext_in_any_pieces(step: int, version: ssl.TLSVersion) -> None:
    stream, peer = memory_pair(limited(version), step=step)
    data = pattern(40_000)
    run_sync(stream.write(data, None))
    assert peer.received == data
    assert run_sync(read_exactly(stream, 100)) == data[:100]
    assert run_sync(read_exactly(stream, 39_900)) == data[100:]
    with pytest.raises(OperationTimeout):
        run_sync(stream.read(1, 1.0))


def state_pair(version: ssl.TLSVersion, client: ssl.SSLContext | None = None) -> tuple[TLSState, MemoryPeer]:
    """The bare state after its handshake, with the tickets taken in."""
    peer = MemoryPeer(limited(version))
    state = make_state(client or client_context(), "localhost")
    is_done, received = False, b""
    while not is_done:
        is_done, outgoing = state.handshake(received)
        peer.write_nowait(outgoing)
        received = peer.outgoing.read()
    assert state.decrypt(received, 1) is None
    return state, peer


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("max_bytes", [7, 5000, 65536])
@pytest.mark.parametrize("step", [1, 6, 1000, 20_000, 1 << 20])
def test_has_input_while_whole_records_are_there(step: int, max_bytes: int, version: ssl.TLSVersion) -> None:
    """Whoever asks for no more once it is False has the plaintext of all records that have come whole."""
    state, peer = state_pair(version)
    expected = {}  # how much plaintext there is after so much ciphertext
    ciphertext = plaintext = b""
    for size in (1, 300, 16384, 5, 16384, 16384, 1, 700):
        piece = pattern(size)
        peer.server.write(piece)
        ciphertext += peer.outgoing.read()
        plaintext += piece
        expected[len(ciphertext)] = len(plaintext)
    got = b""
    assert not state.has_input
    for start in range(0, len(ciphertext), step):
        got += state.decrypt(ciphertext[start : start + step], max_bytes) or b""
        while state.has_input:
            got += state.decrypt(b"", max_bytes) or b""
        whole = [after for taken, after in expected.items() if taken <= start + step]
        assert len(got) == max(whole, default=0)
    assert got == plaintext


class GreetingPeer(MemoryPeer):
    """Speaks first: with TLS 1.2 in one piece with the end of its handshake."""

    def work(self) -> None:
        was_done = self.is_done
        super().work()
        if self.is_done and not was_done:
            self.server.write(b"hello")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_comes_with_the_end_of_the_handshake(version: ssl.TLSVersion) -> None:
    peer = GreetingPeer(limited(version))
    stream = run_sync(start_tls(peer, client_context(), "localhost", None))
    assert bool(peer.outgoing.pending) is (version is ssl.TLSVersion.TLSv1_3)
    assert stream.read_nowait(100) == b"hello"
    assert stream.read_nowait(100) is None


def test_what_is_left_over_is_seen_before_reuse() -> None:
    stream, peer = memory_pair()
    assert stream.read_nowait(1) is None
    peer.server.write(b"whole")
    peer.server.write(b"cut")
    records = peer.outgoing.read()
    peer.outgoing.write(records[:-1])
    assert run_sync(stream.read(3, None)) == b"who"
    assert stream.read_nowait(1) == b"l"  # of the same record
    assert run_sync(stream.read(100, None)) == b"e"
    assert stream.read_nowait(1) is None  # no record yet
    peer.outgoing.write(records[-1:])
    assert stream.read_nowait(1) == b"c"
    peer.server.write(b"one")
    peer.server.write(b"two")
    assert run_sync(stream.read(100, None)) == b"ut"
    assert run_sync(stream.read(100, None)) == b"one"
    assert not peer.outgoing.pending
    assert stream.read_nowait(100) == b"two"  # a record that came with the one before
    assert stream.read_nowait(1) is None


class HesitantObject(ssl.SSLObject):
    """As OpenSSL in its mode of partial writes."""

    def write(self, data: ReadableBuffer) -> int:
        return super().write(memoryview(data)[:1000])


@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_partial_writes_lose_nothing(kind: Callable[[bytes], bytes | memoryview]) -> None:
    client = client_context()
    client.sslobject_class = HesitantObject
    state, peer = state_pair(ssl.TLSVersion.TLSv1_3, client)
    data = pattern(20_500)
    peer.write_nowait(state.encrypt(kind(data)))
    assert peer.received == data


def test_tickets_are_no_data() -> None:
    stream, peer = memory_pair()
    peer.work()
    assert peer.outgoing.pending  # TLS 1.3 tickets come after the handshake
    assert stream.read_nowait(100) is None
    assert not peer.outgoing.pending
    assert not stream.is_truncated


@pytest.mark.parametrize("step", [1, 65536])
def test_tickets_stop_no_upload(step: int) -> None:
    stream, peer = memory_pair(step=step)
    assert peer.outgoing.pending
    # The echo of the first piece is what stops it, not the tickets.
    assert run_sync(stream.write_until_readable(bytes(200_000), None)) == 65536
    assert run_sync(stream.write_until_readable(b"more", None)) == 0
    assert run_sync(read_exactly_fast(stream, 65536)) == bytes(65536)


async def read_exactly_fast(stream: Stream, size: int) -> bytes:
    return await read_exactly(stream, size)


def test_what_an_early_answer_left_unsent_goes_first() -> None:
    stream, peer = memory_pair()
    run_sync(stream.write(b"x", None))
    peer.room = 0

    async def stall(data: bytes | memoryview, timeout: float | None) -> int:
        return 0

    # The peer takes nothing more and has said something: the record made for it has to wait.
    assert stream.read_nowait(1) == b"x"
    peer.write_until_readable = stall  # type: ignore[method-assign]
    peer.server.write(b"413")
    assert run_sync(stream.write_until_readable(b"body", None)) in (0, 4)
    assert stream.read_nowait(10) == b"413"
    assert run_sync(stream.write_until_readable(b"", None)) == 0
    peer.room = 1 << 20
    run_sync(stream.write(b"!", None))
    assert peer.received in (b"x!", b"xbody!")


def test_the_end_after_close_notify() -> None:
    stream, peer = memory_pair()
    peer.server.write(b"last")
    with pytest.raises(ssl.SSLWantReadError):
        peer.server.unwrap()
    assert run_sync(stream.read(100, None)) == b"last"
    assert stream.read_nowait(100) == b""
    assert run_sync(stream.read(100, None)) == b""
    assert not stream.is_truncated
    assert "at its end" in repr(stream)
    peer.is_cut = True
    assert run_sync(stream.read(100, None)) == b""
    assert not stream.is_truncated
    stream.close()


@pytest.mark.parametrize("ignored", [False, True])
def test_the_end_without_close_notify(ignored: bool) -> None:
    client = client_context()
    if ignored:
        client.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    stream, peer = memory_pair(client=client)
    peer.server.write(b"half")
    peer.is_cut = True
    assert run_sync(read_to_end(stream, 100)) == b"half"
    assert stream.is_truncated
    assert stream.read_nowait(10) == b""
    assert "truncated" in repr(stream)


def test_a_cut_record_is_no_data() -> None:
    stream, peer = memory_pair()
    stream.read_nowait(1)
    peer.server.write(bytes(1000))
    record = peer.outgoing.read()
    peer.outgoing.write(record[:-1])
    peer.is_cut = True
    assert run_sync(stream.read(2000, None)) == b""
    assert stream.is_truncated


def test_several_records_are_one_read() -> None:
    stream, peer = memory_pair()
    stream.read_nowait(1)
    data = pattern(100_000)
    peer.server.write(data)
    first = run_sync(stream.read(65536, None))
    assert len(first) > 2 * 16384
    assert run_sync(stream.read(16384, None)) == data[len(first) : len(first) + 16384]
    assert run_sync(read_exactly(stream, 100_000 - len(first) - 16384)) == data[len(first) + 16384 :]


def test_records_before_a_forged_one_are_read_first() -> None:
    stream, peer = memory_pair()
    stream.read_nowait(1)
    peer.server.write(bytes(2 * 16384))
    genuine = peer.outgoing.read()
    peer.server.write(bytes(16384))
    forged = bytearray(peer.outgoing.read())
    forged[-1] ^= 1
    peer.outgoing.write(genuine + forged)
    assert run_sync(stream.read(65536, None)) == bytes(2 * 16384)
    for _ in range(2):
        with pytest.raises(ssl.SSLError, match="(?i)mac"):
            run_sync(stream.read(65536, None))
    assert peer.error is not None


def test_records_before_a_close_notify_are_read_first() -> None:
    stream, peer = memory_pair()
    stream.read_nowait(1)
    peer.server.write(bytes(16384))
    with pytest.raises(ssl.SSLWantReadError):
        peer.server.unwrap()
    peer.outgoing.write(peer.outgoing.read() + bytes(20_000))  # what comes behind it is nobody's
    assert run_sync(stream.read(65536, None)) == bytes(16384)
    assert run_sync(stream.read(65536, None)) == b""
    assert not stream.is_truncated


def test_a_forged_record_is_an_error_and_the_peer_is_told() -> None:
    stream, peer = memory_pair()
    stream.read_nowait(1)
    peer.server.write(b"genuine")
    record = bytearray(peer.outgoing.read())
    record[-1] ^= 1
    peer.outgoing.write(record)
    with pytest.raises(ssl.SSLError):
        run_sync(stream.read(100, None))
    assert peer.error is not None
    assert "BAD_RECORD_MAC" in str(peer.error.reason)


def test_close_sends_close_notify() -> None:
    stream, peer = memory_pair()
    run_sync(stream.write(b"bye", None))
    stream.close()
    stream.close()
    assert peer.is_closed
    assert peer.received == b"bye"
    assert peer.server.read(100) == b""
    for operation in (lambda: run_sync(stream.read(1, 1)), lambda: run_sync(stream.write(b"x", 1))):
        with pytest.raises(ConnectionAbortedError):
            operation()


def test_close_waits_for_nothing_and_bears_a_broken_peer() -> None:
    stream, peer = memory_pair()
    peer.room = 3
    stream.close()
    assert peer.is_closed
    stream, peer = memory_pair()

    def fail(data: bytes | memoryview) -> int:
        raise BrokenPipeError

    peer.write_nowait = fail  # type: ignore[method-assign]
    stream.close()
    assert peer.is_closed


def test_an_interrupted_write_breaks_the_connection() -> None:
    stream, peer = memory_pair()
    peer.room = 10
    with pytest.raises(OperationTimeout):
        run_sync(stream.write(b"half of it", 1.0))
    peer.room = 1 << 20
    with pytest.raises(OSError, match="interrupted"):
        run_sync(stream.write(b"x", 1.0))
    with pytest.raises(OSError, match="interrupted"):
        stream.write_nowait(b"x")
    stream.close()  # without a close_notify in the middle of a record
    assert peer.received == b""


def test_write_nowait_keeps_the_rest() -> None:
    stream, peer = memory_pair()
    peer.room = 10
    assert stream.write_nowait(b"first") == 5
    assert stream.write_nowait(b"second") == 0
    assert peer.received == b""
    peer.room = 1 << 20
    assert stream.write_nowait(b"second") == 6
    run_sync(stream.write(b"third", None))
    assert peer.received == b"firstsecondthird"


def test_large_writes_are_encrypted_bit_by_bit() -> None:
    stream, peer = memory_pair()
    sizes: list[int] = []
    original = peer.write

    async def write(data: bytes | memoryview, timeout: float | None) -> None:
        sizes.append(len(data))
        await original(data, timeout)

    peer.write = write  # type: ignore[method-assign]
    run_sync(stream.write(bytes(1 << 20), None))
    assert len(sizes) == 16
    assert max(sizes) < 80_000
    assert peer.received == bytes(1 << 20)


def test_a_certificate_asked_for_later_is_sent_by_the_reader() -> None:
    """Post-handshake authentication (RFC 8446 4.6.2): what the protocol wants to say leaves while we read."""
    server = server_context()
    authority().configure_trust(server)
    server.verify_mode = ssl.CERT_OPTIONAL
    server.post_handshake_auth = True
    client = client_context()
    client.post_handshake_auth = True
    authority().issue_cert("client.test").configure_cert(client)
    stream, peer = memory_pair(server, client)
    assert stream.read_nowait(1) is None
    assert peer.server.getpeercert() == {} or peer.server.getpeercert() is None
    peer.server.verify_client_post_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        peer.server.read(1)
    with pytest.raises(OperationTimeout):
        run_sync(stream.read(10, 1.0))
    peer.work()
    certificate = peer.server.getpeercert()
    assert certificate is not None
    assert "client.test" in str(certificate["subjectAltName"])
    run_sync(stream.write(b"go on", None))
    assert run_sync(read_exactly(stream, 5)) == b"go on"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")
@pytest.mark.parametrize(
    ("version", "command"),
    [("-tls1_3", b"k"), ("-tls1_3", b"K"), ("-tls1_2", b"r")],
    ids=["key update", "key update of both", "renegotiation"],
)
def test_openssl_changes_keys(tmp_path: Path, version: str, command: bytes) -> None:
    """The server's program changes keys in the middle (RFC 8446 4.6.3); TLS 1.2: it negotiates anew."""
    certificate = authority().issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    with Listener() as free:
        port = free.port
    arguments = [
        "openssl",
        "s_server",
        "-accept",
        f"127.0.0.1:{port}",
        "-cert",
        str(tmp_path / "server.pem"),
        version,
    ]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            while b"ACCEPT" not in process.stdout.readline():
                pass
            stream = run_sync(connect_tls(port))
            assert stream.read_nowait(10) is None
            process.stdin.write(command + b"\n")
            process.stdin.flush()
            with pytest.raises(OperationTimeout):
                run_sync(stream.read(10, 0.5))
            process.stdin.write(b"hello\n")
            process.stdin.flush()
            assert run_sync(read_exactly(stream, 6)) == b"hello\n"
            run_sync(stream.write(b"and back\n", LIMIT))
            while b"and back" not in process.stdout.readline():
                pass
            stream.close()
        finally:
            process.kill()


def test_writing_after_the_state_is_over() -> None:
    state = make_state(client_context(), "localhost")
    assert isinstance(state, TLSState)
    with pytest.raises(OSError, match="can't be written"):
        state.encrypt(memoryview(b"before the handshake"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_says_no_farewell() -> None:
    stream, peer = run_sync(pair())
    child = os.fork()
    if child == 0:
        stream.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    peer.send(b"still")
    assert run_sync(read_exactly(stream, 5)) == b"still"
    run_sync(stream.write(b"here", LIMIT))
    assert peer.receive_exactly(4) == b"here"
    stream.abort()
    peer.close()


async def pair() -> tuple[Stream, Peer]:
    return await tls_pairs(BlockingBackend(), server_context(), client_context(), "localhost")()


def test_one_thread_reads_while_another_writes_tls() -> None:
    """Full duplex over one SSL object: where SSLSocket gives false ends and crashes."""
    data = pattern(16 << 20)

    def work(sock: socket.socket) -> None:
        with server_context().wrap_socket(sock, server_side=True) as tls:
            left = len(data)
            while left:
                part = tls.recv(65536)
                tls.sendall(part)
                left -= len(part)
            assert tls.recv(1) == b""

    with tcp_server(work) as port:
        stream = run_sync(connect_tls(port))
        writer = threading.Thread(target=lambda: run_sync(stream.write(data, LIMIT)))
        writer.start()
        parts = []
        left = len(data)
        while left:
            part = run_sync(stream.read(65536, LIMIT))
            assert part
            parts.append(part)
            left -= len(part)
        writer.join()
        stream.close()
    assert b"".join(parts) == data


async def connect_tls(port: int) -> TLSStream:
    stream = await connect(World("sync"), port)
    return await start_tls(stream, client_context(), "localhost", LIMIT)
