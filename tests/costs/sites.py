"""Who answers the requests that are counted: nginx, nobody, and somebody who never does."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from http3_transport.testing import ScriptedServer
from support.servers import Authority, Nginx, nginx_server, on_socket, read_request

from .workloads import Sites


@contextmanager
def sites_with(nginx: Nginx, authority: Authority) -> Iterator[Sites]:
    """Beside an nginx that runs, what does not answer."""
    with_get = {name: f"{getattr(nginx, name)}/1k" for name in ("plain", "tls", "h2c")}
    silent = ScriptedServer(on_socket(_listen))
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))  # and never listens, so that nobody else does there
    try:
        yield Sites(
            {
                **with_get,
                "echo": f"{nginx.plain}/echo",
                "dropped": f"{nginx.plain}/drop",
                "refused": f"http://127.0.0.1:{taken.getsockname()[1]}/",
                "silent": silent.url,
            },
            authority.ca_file,
        )
    finally:
        taken.close()
        silent.close()


def _listen(connection: socket.socket) -> None:
    while read_request(connection) is not None:
        pass


@contextmanager
def own_sites() -> Iterator[Sites]:
    """With an nginx of their own, for use without pytest."""
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        (Path(folder) / "nginx").mkdir()
        with nginx_server(Path(folder) / "nginx", authority) as nginx, sites_with(nginx, authority) as sites:
            yield sites
