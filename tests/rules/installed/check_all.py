"""Run by .ci/run where the four packages alone are installed: a request to a server of the stdlib."""

from __future__ import annotations

import asyncio
import http.server
import importlib.util
import threading

import http3

for absent in ("trio", "brotli", "pytest"):
    assert importlib.util.find_spec(absent) is None, absent


class Handler(http.server.BaseHTTPRequestHandler):
    """Says hello."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer any GET."""
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the standard library
        """Keep quiet."""


async def get(url: str) -> str:
    """The text of a URL."""
    async with http3.AsyncClient() as client:
        response = await client.get(url)
        return response.text


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    assert http3.get(url).text == "hello"
    assert asyncio.run(get(url)) == "hello"
    server.shutdown()
for name in http3.__all__:
    assert getattr(http3, name) is not None, name
try:
    http3.TrioBackend()
except ImportError as exc:
    assert "http3[trio]" in str(exc), exc
else:
    raise AssertionError("a missing extra is an ImportError that names it")
print(f"http3 {http3.__version__} works in a bare environment")
