"""The demo's server: `http3_client.example_site`, which hypercorn serves over TLS and HTTP/2 on loopback."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme

from http3_client.example_site import answer
from http3_models import Request

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

START_SECONDS = 20.0


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The pages of the example site as an ASGI application."""
    if scope["type"] != "http":  # lifespan: not needed here
        return
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    url = f"https://localhost{scope['path']}?{scope['query_string'].decode()}"
    request = Request(scope["method"], url, headers=headers, data=await _body(receive))
    response = await asyncio.to_thread(answer, request)  # some pages are slow
    fields = [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": fields})
    for chunk in response.stream():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


@contextmanager
def running(folder: Path) -> Iterator[tuple[str, str]]:
    """Serve `app` until the block is left; gives the base URL and the file of its certificate authority."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    ca_file, pem = folder / "ca.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(pem))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = folder / "server.log"
    command = [
        sys.executable,
        "-m",
        "hypercorn",
        "--workers",
        "0",
        "--graceful-timeout",
        "0",
        "--bind",
        f"127.0.0.1:{port}",
    ]
    command += ["--certfile", str(pem), "--keyfile", str(pem), "demo_server:app"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=Path(__file__).parent, stdout=output, stderr=output)
    try:
        _wait_until_open(process, port, log)
        yield f"https://127.0.0.1:{port}", str(ca_file)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_open(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"The demo's server did not start:\n{log.read_text(errors='replace')}")
