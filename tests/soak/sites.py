"""The servers of a soak: nginx, hypercorn, uvicorn and nghttpd on 127.0.0.1, on ports that stay their own.

The ports lie below those that the kernel gives to connections: while a server is down, nobody can be given
its port, and no connect to it can meet itself.
"""

from __future__ import annotations

import random
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from support.servers import NGINX_HEAD, Authority, Process, find_program

from . import TESTS
from .app import pattern

NAMES = ("nginx", "hypercorn", "uvicorn", "nghttpd")

STARTS = 3
"""Tries to start a server."""

FIRST_PORT, LAST_PORT = 20_000, 32_000

STATIC_FILES = 50
STATIC_SIZE = 256 * 1024
"""Of the largest of them, in bytes."""


class Site(NamedTuple):
    """One way to speak to one server."""

    name: str
    server: Server
    kind: str
    """What it can answer: "nginx", "asgi" or "nghttpd"."""
    url: str
    """Without a slash at its end."""
    version: str
    """"HTTP/1.1" or "HTTP/2": what must be spoken."""
    by_alpn: bool = False
    """Both versions are offered there, and TLS has to choose HTTP/2."""


class Server:
    """A process that is killed, frozen and started again."""

    def __init__(self, name: str, command: list[str], ports: list[int], log: Path) -> None:
        self.name = name
        self._process = Process(command, ports=ports, log=log, cwd=TESTS)

    def __repr__(self) -> str:
        return f"<Server {self.name}>"

    def start(self) -> None:
        """Returns when it listens; one that was ended meanwhile, by whomever, is started once more."""
        for _ in range(STARTS - 1):
            with suppress(pytest.fail.Exception):
                self._process.start()
                return
        self._process.start()

    def kill(self, *, politely: bool) -> None:
        """End it: at once, or as it likes to end. Returns when it has ended."""
        self._process.signal(signal.SIGTERM if politely else signal.SIGKILL)
        self._process.wait()

    def freeze(self) -> None:
        """Nothing of it runs until `thaw`."""
        self._process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        self._process.signal(signal.SIGCONT)

    def stop(self) -> None:
        """The end."""
        self._process.stop()


_given: set[int] = set()


def fixed_port() -> int:
    """A port of which nobody makes use while its server is down."""
    while True:
        port = random.SystemRandom().randrange(FIRST_PORT, LAST_PORT)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port


def missing(name: str) -> bool:
    """Whether a server is not installed here."""
    return name in ("nginx", "nghttpd") and find_program(name) is None


def make_sites(names: tuple[str, ...], folder: Path, authority: Authority) -> list[Site]:
    """The sites of these servers, which are not started yet."""
    makers = {"nginx": nginx, "hypercorn": hypercorn, "uvicorn": uvicorn, "nghttpd": nghttpd}
    return [site for name in names for site in makers[name](folder, authority)]


Maker = Callable[[Path, Authority], list[Site]]


def _sites(server: Server, kind: str, ways: list[tuple[str, int, str, bool]]) -> list[Site]:
    """Sites of ``(way, port, version, by_alpn)``; a way that ends with "tls" is https."""
    return [
        Site(
            f"{server.name} {way}",
            server,
            kind,
            f"http{'s' if way.endswith('tls') else ''}://127.0.0.1:{port}",
            version,
            by_alpn,
        )
        for way, port, version, by_alpn in ways
    ]


# --- nginx -------------------------------------------------------------------------------------------------

_NGINX = (
    NGINX_HEAD
    + """\
    default_type text/plain;
    keepalive_timeout 300;
    keepalive_requests 500;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    server {{ listen 127.0.0.1:{h1}; include {folder}/locations.conf; }}
    server {{ listen 127.0.0.1:{h2} http2; include {folder}/locations.conf; }}
    server {{ listen 127.0.0.1:{tls} ssl http2; include {folder}/locations.conf; }}
}}
"""
)

_LOCATIONS = r"""
location ~ ^/mark/(?<m>[^/]+)$ { add_header X-Mark $m; return 200 "$request_method $m\n"; }
location ~ ^/go/302/(?<m>[^/]+)$ { add_header X-Mark $m always; return 302 /mark/$m; }
location ~ ^/go/307/(?<m>[^/]+)$ { add_header X-Mark $m always; return 307 /mark/$m; }
location ~ ^/packed/(?<m>[^/]+)$ {
    gzip on; gzip_types text/plain; gzip_min_length 1; gzip_http_version 1.0;
    add_header X-Mark $m;
    return 200 "$m\n$m\n$m\n$m\n$m\n$m\n$m\n$m\n";
}
location ~ ^/cookie/(?<m>[^/]+)/(?<n>[^/]+)$ {
    add_header X-Mark $m; add_header Set-Cookie "$n=$m; Path=/"; return 200 "$m";
}
location ~ ^/seen/(?<m>[^/]+)$ { add_header X-Mark $m; return 200 "$m $http_cookie"; }
location /static/ { alias FOLDER/static/; }
location /files/ { alias FOLDER/files/; dav_methods PUT DELETE; }
"""


def write_static(folder: Path) -> None:
    """Files whose content is their name, over and over, in sizes of all kinds."""
    folder.mkdir(exist_ok=True)
    for number in range(STATIC_FILES):
        (folder / str(number)).write_bytes(static(number))


def static(number: int) -> bytes:
    """The content of a file: from no bytes to `STATIC_SIZE`."""
    return pattern(f"static-{number}", number**3 * STATIC_SIZE // (STATIC_FILES - 1) ** 3)


def nginx(folder: Path, authority: Authority) -> list[Site]:
    """One process with three listeners; without a master, so that one signal ends it."""
    folder /= "nginx"
    folder.mkdir()
    (folder / "files").mkdir()
    write_static(folder / "static")
    ports = {name: fixed_port() for name in ("h1", "h2", "tls")}
    conf = folder / "nginx.conf"
    conf.write_text(
        _NGINX.format(
            folder=folder, log_level="crit", cert=authority.server_cert, key=authority.server_key, **ports
        )
    )
    (folder / "locations.conf").write_text(_LOCATIONS.replace("FOLDER", str(folder)))
    command = [str(find_program("nginx")), "-p", str(folder), "-c", str(conf), "-e", "stderr"]
    server = Server("nginx", command, list(ports.values()), folder / "log")
    return _sites(
        server,
        "nginx",
        [
            ("h1", ports["h1"], "HTTP/1.1", False),
            ("h1 tls", ports["tls"], "HTTP/1.1", False),
            ("h2", ports["h2"], "HTTP/2", False),
            ("h2 tls", ports["tls"], "HTTP/2", True),
        ],
    )


# --- the others --------------------------------------------------------------------------------------------


def hypercorn(folder: Path, authority: Authority) -> list[Site]:
    """One process that speaks both versions, in clear text and over TLS."""
    clear, secure = fixed_port(), fixed_port()
    command = [
        *(sys.executable, "-m", "hypercorn", "-w", "0", "--graceful-timeout", "1", "--keep-alive", "300"),
        *("--insecure-bind", f"127.0.0.1:{clear}", "--bind", f"127.0.0.1:{secure}"),
        *("--certfile", authority.server_cert, "--keyfile", authority.server_key),
        *("--log-level", "critical", "soak.app:app"),
    ]
    server = Server("hypercorn", command, [clear, secure], folder / "hypercorn.log")
    return _sites(
        server,
        "asgi",
        [
            ("h1", clear, "HTTP/1.1", False),
            ("h1 tls", secure, "HTTP/1.1", False),
            ("h2", clear, "HTTP/2", False),
            ("h2 tls", secure, "HTTP/2", True),
        ],
    )


def uvicorn(folder: Path, authority: Authority) -> list[Site]:
    """Two processes: one in clear text, one with TLS."""
    clear, secure = fixed_port(), fixed_port()
    common = [
        *(sys.executable, "-m", "uvicorn", "soak.app:app", "--loop", "asyncio", "--http", "h11"),
        *("--no-access-log", "--lifespan", "off", "--ws", "none", "--timeout-keep-alive", "300"),
        *("--timeout-graceful-shutdown", "1", "--log-level", "critical", "--port"),
    ]
    tls = ["--ssl-certfile", authority.server_cert, "--ssl-keyfile", authority.server_key]
    plain = Server("uvicorn", [*common, str(clear)], [clear], folder / "uvicorn.log")
    safe = Server("uvicorn-tls", [*common, str(secure), *tls], [secure], folder / "uvicorn-tls.log")
    return [
        *_sites(plain, "asgi", [("h1", clear, "HTTP/1.1", False)]),
        *_sites(safe, "asgi", [("h1 tls", secure, "HTTP/1.1", False)]),
    ]


def nghttpd(folder: Path, authority: Authority) -> list[Site]:
    """Two processes: one in clear text, one with TLS. They send files, and uploads back."""
    clear, secure = fixed_port(), fixed_port()
    write_static(folder / "htdocs")
    common = [str(find_program("nghttpd")), "-a", "127.0.0.1", "-d", str(folder / "htdocs"), "--echo-upload"]
    plain = Server("nghttpd", [*common, "--no-tls", str(clear)], [clear], folder / "nghttpd.log")
    command = [*common, str(secure), authority.server_key, authority.server_cert]
    safe = Server("nghttpd-tls", command, [secure], folder / "nghttpd-tls.log")
    return [
        *_sites(plain, "nghttpd", [("h2", clear, "HTTP/2", False)]),
        *_sites(safe, "nghttpd", [("h2 tls", secure, "HTTP/2", True)]),
    ]
