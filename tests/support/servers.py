"""Real servers on loopback, for tests: nginx, uvicorn, hypercorn, and one that answers as a test scripts it.

The fixtures of the same names in `conftest.py` start each at most once per session, on demand. A server that
does not start fails the test with its own log; everything is stopped at the end of the session, and by the
kernel should the test run be killed.
"""

from __future__ import annotations

import ctypes
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest
import trustme

from http3_transport.testing import ScriptedConnection, ScriptedServer

TESTS = Path(__file__).parents[1]
START_SECONDS = 20.0
STOP_SECONDS = 5.0


# --- certificates ------------------------------------------------------------------------------------------


class Authority:
    """A certificate authority of our own with what it issued, as files in ``folder``.

    The server's certificate is for localhost, 127.0.0.1 and ::1; `wrong_name_cert` is for another host;
    `stranger_ca_file` belongs to an authority that signed none of them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ca = trustme.CA()
        self.ca_file = self._write("ca.pem", self._ca.cert_pem)
        self.stranger_ca_file = self._write("stranger-ca.pem", trustme.CA().cert_pem)
        self.server_cert, self.server_key = self._issue("server", "localhost", "127.0.0.1", "::1")
        self.wrong_name_cert, self.wrong_name_key = self._issue("wrong-name", "elsewhere.example")
        self.client_cert, self.client_key = self._issue("client", "client@example.org")
        self.client_pem = self._join("client.pem", self.client_key, self.client_cert)
        """The client's certificate and key in one file."""

    def _write(self, name: str, blob: trustme.Blob) -> str:
        path = self.folder / name
        blob.write_to_path(str(path))
        return str(path)

    def _issue(self, name: str, *identities: str) -> tuple[str, str]:
        issued = self._ca.issue_cert(*identities)
        chain = self.folder / f"{name}.pem"
        chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        return str(chain), self._write(f"{name}.key", issued.private_key_pem)

    def _join(self, name: str, *paths: str) -> str:
        joined = self.folder / name
        joined.write_bytes(b"".join(Path(path).read_bytes() for path in paths))
        return str(joined)

    def server_context(self, *alpn: str, client_certificate: bool = False) -> ssl.SSLContext:
        """For a TLS server of a test; ``alpn`` like "h2", "http/1.1"."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server_cert, self.server_key)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if client_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca_file)
        return context

    def client_context(self, *alpn: str) -> ssl.SSLContext:
        """For a client that trusts this authority alone."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


# --- processes ---------------------------------------------------------------------------------------------


# Below what systems give to sockets that ask for any port, so that none of those takes it in the meantime.
_PORTS = range(15_000, 32_000)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on, for a server that can't be handed a socket."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = random.choice(_PORTS)
        with suppress(OSError), socket.socket(family) as probe:
            probe.bind((host, port))
            return port


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Runs in the child before exec: have the kernel end it when the test run is killed (Linux only)."""
    if _LIBC is not None:
        _LIBC.prctl(1, signal.SIGTERM)  # 1: PR_SET_PDEATHSIG


def _accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def find_program(name: str) -> str | None:
    """The path of an installed server; the PATH of a user often leaves them out."""
    return shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")


class Process:
    """A server that listens on fixed ports, and may be started again after it was stopped or killed."""

    def __init__(self, command: list[str], *, ports: list[int], log: Path, cwd: Path | None = None) -> None:
        self._command = command
        self._ports = ports
        self._log = log
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when all ports are open; fails with the server's log if they are not in time."""
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no lock taken
            )
        try:
            self._wait_until_open(self._process)
        except BaseException:
            self.stop()
            raise

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> None:
        """Until it has ended, of which it is told; a server that does not listen is killed."""
        if self._process is not None:
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def stop(self) -> None:
        """Ask it to end, and have it ended if it does not."""
        if self._process is not None:
            self._process.terminate()
            self.wait()

    def _wait_until_open(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + START_SECONDS
        waiting = self._ports
        while waiting:
            if process.poll() is not None or time.monotonic() > end:
                state = "still runs" if process.returncode is None else f"ended with {process.returncode}"
                text = self._log.read_text(errors="replace")
                pytest.fail(
                    f"{process.args!r} does not listen on {waiting}; it {state}. Its log:\n{text}",
                    pytrace=False,
                )
            waiting = [port for port in waiting if not _accepts(port)]
            if waiting:
                time.sleep(0.02)


@contextmanager
def running(command: list[str], *, ports: list[int], log: Path, cwd: Path | None = None) -> Iterator[None]:
    """Run a server process until the block is left; fails with its log if a port does not open in time."""
    process = Process(command, ports=ports, log=log, cwd=cwd)
    process.start()
    try:
        yield
    finally:
        process.stop()


# --- nginx -------------------------------------------------------------------------------------------------

BIG_SIZE = 8 * 1024 * 1024


class Nginx(NamedTuple):
    """One nginx with several listeners. Each URL has no slash at its end: ``nginx.plain + "/small"``.

    =================  =====================================================================================
    ``/small``         b"hello\\n"
    ``/1k``            1024 bytes
    ``/big``           `BIG_SIZE` bytes
    ``/gzip``          HTML, compressed if asked for
    ``/redirect``      302 to /small
    ``/redirect-post`` 307 to /sink
    ``/echo``          JSON of what arrived; ``connection`` and ``requests`` are the serial numbers of the
                       connection and of the request on it
    ``/sink``          takes any body
    ``/files/NAME``    PUT, GET, DELETE
    ``/limited``       413 for a body of more than 1 KiB
    ``/drop``          closes without an answer
    ``/basic``         401 unless user:secret
    ``/slow``          64 KiB at 16 KiB a second
    ``/cookie``        204 with a Set-Cookie
    ``/missing``       404
    ``/empty``         204
    =================  =====================================================================================
    """

    plain: str
    """HTTP/1.1"""
    h2c: str
    """HTTP/2 with prior knowledge"""
    tls: str
    """TLS, HTTP/1.1 only"""
    tls_h2: str
    """TLS, HTTP/2 or HTTP/1.1"""
    mutual_tls: str
    """TLS, HTTP/1.1, client certificate required"""
    short: str
    """HTTP/1.1; closes an idle connection after one second, any after three requests"""
    wrong_name: str
    """TLS with a certificate for another host"""
    files: Path
    """What was uploaded to /files/"""
    big_file: Path
    """The content of /big"""


NGINX_HEAD = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr {log_level};
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
"""
"""The beginning of a configuration: everything in one process and one folder. To be formatted."""

_NGINX_CONF = (
    NGINX_HEAD
    + """\
    default_type application/octet-stream;
    keepalive_timeout 60;
    keepalive_requests 100000;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    server {{ listen 127.0.0.1:{plain}; include {folder}/locations.conf; }}
    server {{ listen 127.0.0.1:{h2c} http2; include {folder}/locations.conf; }}
    server {{ listen 127.0.0.1:{tls} ssl; include {folder}/locations.conf; }}
    server {{ listen 127.0.0.1:{tls_h2} ssl http2; include {folder}/locations.conf; }}
    server {{
        listen 127.0.0.1:{mutual_tls} ssl;
        ssl_client_certificate {ca};
        ssl_verify_client on;
        include {folder}/locations.conf;
    }}
    server {{
        listen 127.0.0.1:{short};
        keepalive_timeout 1s;
        keepalive_requests 3;
        include {folder}/locations.conf;
    }}
    server {{
        listen 127.0.0.1:{wrong_name} ssl http2;
        ssl_certificate {wrong_cert};
        ssl_certificate_key {wrong_key};
        include {folder}/locations.conf;
    }}
}}
"""
)

_LOCATIONS = """\
location = /small { alias FOLDER/www/small; default_type text/plain; }
location = /1k { alias FOLDER/www/1k; }
location = /big { alias FOLDER/www/big; }
location = /gzip {
    alias FOLDER/www/page;
    default_type text/html;
    gzip on;
    gzip_min_length 1;
    gzip_http_version 1.0;
}
location = /redirect { return 302 /small; }
location = /redirect-post { return 307 /sink; }
location = /echo {
    default_type application/json;
    return 200 '{"method":"$request_method","uri":"$request_uri","host":"$http_host",\
"protocol":"$server_protocol","user_agent":"$http_user_agent","accept":"$http_accept","accept_encoding":"$http_accept_encoding",\
"authorization":"$http_authorization","cookie":"$http_cookie","x_test":"$http_x_test",\
"content_length":"$http_content_length","content_type":"$http_content_type",\
"transfer_encoding":"$http_transfer_encoding","connection":$connection,"requests":$connection_requests,\
"tls":"$ssl_protocol","client":"$ssl_client_verify"}';
}
location = /sink { default_type text/plain; return 200 "taken\\n"; }
location /files/ { alias FOLDER/files/; dav_methods PUT DELETE; create_full_put_path on; }
location = /limited { client_max_body_size 1k; proxy_pass http://127.0.0.1:1; }
location = /drop { return 444; }
location = /basic { auth_basic "tests"; auth_basic_user_file FOLDER/htpasswd; alias FOLDER/www/small; }
location = /slow { alias FOLDER/www/64k; limit_rate 16k; }
location = /cookie { add_header Set-Cookie "flavour=oat; Path=/"; return 204; }
location = /missing { return 404; }
location = /empty { return 204; }
"""

_NGINX_LISTENERS = ("plain", "h2c", "tls", "tls_h2", "mutual_tls", "short", "wrong_name")


@contextmanager
def nginx_server(folder: Path, authority: Authority) -> Iterator[Nginx]:
    """nginx from the distribution, in the foreground, one process, nothing outside ``folder``."""
    binary = find_program("nginx")
    if binary is None:
        pytest.skip("nginx is not installed")
    _nginx_files(folder)
    ports = {name: free_port() for name in _NGINX_LISTENERS}
    conf = folder / "nginx.conf"
    conf.write_text(
        _NGINX_CONF.format(
            folder=folder,
            log_level="warn",
            cert=authority.server_cert,
            key=authority.server_key,
            ca=authority.ca_file,
            wrong_cert=authority.wrong_name_cert,
            wrong_key=authority.wrong_name_key,
            **ports,
        )
    )
    schemes = {name: "http" if name in ("plain", "h2c", "short") else "https" for name in ports}
    urls = {name: f"{schemes[name]}://127.0.0.1:{port}" for name, port in ports.items()}
    command = [binary, "-p", str(folder), "-c", str(conf), "-e", "stderr"]
    with running(command, ports=list(ports.values()), log=folder / "log"):
        yield Nginx(**urls, files=folder / "files", big_file=folder / "www" / "big")


def _nginx_files(folder: Path) -> None:
    www = folder / "www"
    www.mkdir()
    (folder / "files").mkdir()
    (www / "small").write_bytes(b"hello\n")
    (www / "1k").write_bytes(bytes(range(256)) * 4)
    (www / "64k").write_bytes(b"0123456789abcdef" * 4096)
    (www / "big").write_bytes(b"".join(n.to_bytes(8, "big") for n in range(BIG_SIZE // 8)))
    (www / "page").write_bytes(b"<p>All work and no play makes Jack a dull boy.</p>\n" * 400)
    (folder / "htpasswd").write_text("user:{PLAIN}secret\n")
    (folder / "locations.conf").write_text(_LOCATIONS.replace("FOLDER", str(folder)))


# --- ASGI servers ------------------------------------------------------------------------------------------


class Uvicorn(NamedTuple):
    """`echo_app` under uvicorn: HTTP/1.1 in clear text."""

    url: str


class Hypercorn(NamedTuple):
    """`echo_app` under hypercorn: HTTP/1.1 and HTTP/2, with TLS and (prior knowledge) without."""

    url: str
    """http:// URL: HTTP/1.1, or HTTP/2 with prior knowledge"""
    tls: str
    """https:// URL: ALPN chooses HTTP/2 or HTTP/1.1"""


@contextmanager
def uvicorn_server(folder: Path) -> Iterator[Uvicorn]:
    """uvicorn with asyncio and h11, whatever else is installed."""
    port = free_port()
    options = ["--loop", "asyncio", "--http", "h11", "--no-access-log", "--lifespan", "off", "--ws", "none"]
    command = [sys.executable, "-m", "uvicorn", "support.echo_app:app", "--port", str(port), *options]
    with running(command, ports=[port], log=folder / "log", cwd=TESTS):
        yield Uvicorn(f"http://127.0.0.1:{port}")


@contextmanager
def hypercorn_server(folder: Path, authority: Authority) -> Iterator[Hypercorn]:
    """hypercorn in one process (``-w 0``), a clear-text and a TLS listener."""
    clear, secure = free_port(), free_port()
    binds = ["--insecure-bind", f"127.0.0.1:{clear}", "--bind", f"127.0.0.1:{secure}"]
    tls = ["--certfile", authority.server_cert, "--keyfile", authority.server_key]
    command = [
        sys.executable,
        "-m",
        "hypercorn",
        "-w",
        "0",
        "--graceful-timeout",
        "1",
        *binds,
        *tls,
        "support.echo_app:app",
    ]
    with running(command, ports=[clear, secure], log=folder / "log", cwd=TESTS):
        yield Hypercorn(f"http://127.0.0.1:{clear}", f"https://127.0.0.1:{secure}")


# --- scripted answers --------------------------------------------------------------------------------------

Script = Callable[[socket.socket], None]
"""What to do with one accepted connection; it is closed when the function returns."""


class StartServer(Protocol):
    """What the `start_server` fixture gives: it starts a server, which is closed when the test ends."""

    def __call__(
        self, *scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> ScriptedServer: ...


def on_socket(script: Script) -> Callable[[ScriptedConnection], object]:
    """A script of a `ScriptedServer` that gets the bare socket."""
    return lambda connection: script(connection.socket)


def read_head(connection: socket.socket) -> bytes:
    """Everything up to and including the empty line; b"" if the client closed without a byte."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            assert not head, f"the client closed within a head: {head!r}"
            return b""
        head += byte
    return head


class RawRequest(NamedTuple):
    """One HTTP/1.1 request as a script read it; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def read_request(connection: socket.socket) -> RawRequest | None:
    """The next request with its body (Content-Length or chunked); None if the client closed instead."""
    head = read_head(connection)
    if not head:
        return None
    start, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = start.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return RawRequest(method, target, headers, _read_chunked(connection))
    return RawRequest(
        method, target, headers, _read_exactly(connection, int(headers.get("content-length", "0")))
    )


def _read_exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(min(size - len(data), 65536))
        assert piece, f"the client closed after {len(data)} of {size} bytes of its body"
        data += piece
    return bytes(data)


def _read_line(connection: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\r\n"):
        line += _read_exactly(connection, 1)
    return line[:-2]


def _read_chunked(connection: socket.socket) -> bytes:
    body = b""
    while size := int(_read_line(connection).split(b";")[0], 16):
        body += _read_exactly(connection, size)
        assert _read_line(connection) == b""
    while _read_line(connection):
        pass
    return body


def answer(body: bytes = b"", *, status: str = "200 OK", headers: tuple[str, ...] = ()) -> bytes:
    """A plain HTTP/1.1 response with a Content-Length, and whatever other header lines."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def answering(*responses: bytes) -> Script:
    """A script that reads a request and sends the next of ``responses``, and closes after the last."""

    def script(connection: socket.socket) -> None:
        for response in responses:
            if read_request(connection) is None:
                return
            connection.sendall(response)

    return script
