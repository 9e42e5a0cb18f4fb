"""The server of all measurements: one nginx on loopback, in a folder that is gone afterwards.

It serves files of a known pattern (see `site`) from the page cache and stores what is PUT. Its CPU is not
counted; with static files it is far cheaper than any Python client, so clients are kept busy.
"""

from __future__ import annotations

import ctypes
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trustme

from .site import DOCUMENT, HEADERS, SIZES, Site, pieces

START_SECONDS = 20.0
STOP_SECONDS = 5.0

PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"

_CONF = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    client_body_buffer_size 256k;
    default_type application/octet-stream;
    keepalive_timeout 600;
    keepalive_requests 100000000;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    root {folder}/www;
    server {{ listen 127.0.0.1:{plain}; include {folder}/files.conf; }}
    server {{ listen 127.0.0.1:{tls} ssl; include {folder}/files.conf; }}
    server {{ listen 127.0.0.1:{http2} ssl http2; include {folder}/files.conf; }}
}}
"""

_FILES = """\
location /stored/ {{ root {folder}; dav_methods PUT; }}
location /close/ {{ alias {folder}/www/; keepalive_timeout 0; }}
location /headers/ {{ alias {folder}/www/; {headers} }}
location = /json {{ default_type application/json; return 200 '{document}'; }}
"""


@contextmanager
def nginx(sizes: tuple[str, ...] = tuple(SIZES)) -> Iterator[Site]:
    """Run it until the block is left; ``sizes`` names the files that will be asked for."""
    binary = shutil.which("nginx", path=PLACES)
    if binary is None:
        raise SystemExit("nginx is needed: apt-get install nginx, brew install nginx")
    with tempfile.TemporaryDirectory(prefix="http3-bench-") as name:
        folder = Path(name)
        ports = {listener: _free_port() for listener in ("plain", "tls", "http2")}
        _fill(folder, sizes)
        conf = folder / "nginx.conf"
        conf.write_text(_CONF.format(folder=folder, **ports))
        (folder / "files.conf").write_text(_files(folder))
        command = [binary, "-p", name, "-c", str(conf), "-e", "stderr"]
        with _running(command, list(ports.values()), folder / "log"):
            yield Site(
                plain=f"http://127.0.0.1:{ports['plain']}",
                tls=f"https://127.0.0.1:{ports['tls']}",
                http2=f"https://127.0.0.1:{ports['http2']}",
                ca_file=str(folder / "ca.pem"),
                folder=name,
            )


def _files(folder: Path) -> str:
    headers = " ".join(f'add_header {name} "{value}";' for name, value in HEADERS.items())
    return _FILES.format(folder=folder, headers=headers, document=json.dumps(DOCUMENT, separators=(",", ":")))


def _fill(folder: Path, sizes: tuple[str, ...]) -> None:
    for sub in ("www", "stored", "body"):
        (folder / sub).mkdir()
    for size in sizes:
        with (folder / "www" / size).open("wb") as file:
            for piece in pieces(SIZES[size]):
                file.write(piece)
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    (folder / "server.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(folder / "server.key"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """In the child, before exec: the kernel is to end it should we be killed (Linux)."""
    if _LIBC is not None:
        _LIBC.prctl(1, signal.SIGTERM)  # 1: PR_SET_PDEATHSIG


@contextmanager
def _running(command: list[str], ports: list[int], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no lock taken
        )
    try:
        _wait_until_open(process, ports, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_open(process: subprocess.Popen[bytes], ports: list[int], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not all(map(_accepts, ports)):
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"nginx does not start. Its log:\n{log.read_text(errors='replace')}")
        time.sleep(0.02)


def _accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
