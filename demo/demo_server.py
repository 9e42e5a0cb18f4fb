"""The demo's server: a small ASGI application, and hypercorn to serve it over TLS on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Pairs = list[tuple[bytes, bytes]]

DOWNLOAD_SIZE = 16 * 1024 * 1024
START_SECONDS = 20.0


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application that the tour visits."""
    if scope["type"] != "http":  # lifespan: not needed here
        return
    path: str = scope["path"]
    if path == "/hello":
        await _answer(send, {"hello": "world", "protocol": scope["http_version"]})
    elif path == "/echo":
        await _answer(send, {"you_sent": json.loads(await _body(receive))})
    elif path == "/download":
        await _download(send)
    elif path == "/upload":
        body = await _body(receive)
        await _answer(send, {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()})
    elif path.startswith("/hop/"):
        left = int(path.removeprefix("/hop/"))
        await _redirect(send, f"/hop/{left - 1}" if left > 1 else "/hello")
    elif path == "/login":
        await _redirect(send, "/whoami", [(b"set-cookie", b"session=s3cr3t; Path=/; Secure; HttpOnly")])
    elif path == "/whoami":
        await _answer(send, {"cookies": _cookies(scope)})
    elif path == "/slow":
        await asyncio.sleep(5)
        await _answer(send, {"late": True})
    else:
        await _answer(send, {"error": f"nothing at {path}"}, status=404)


async def _answer(send: Send, value: object, status: int = 200) -> None:
    body = json.dumps(value).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _redirect(send: Send, location: str, headers: Pairs | None = None) -> None:
    fields = [(b"location", location.encode()), (b"content-length", b"0"), *(headers or [])]
    await send({"type": "http.response.start", "status": 302, "headers": fields})
    await send({"type": "http.response.body", "body": b""})


async def _download(send: Send) -> None:
    block = bytes(64 * 1024)
    headers = [(b"content-length", str(DOWNLOAD_SIZE).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range(DOWNLOAD_SIZE // len(block)):
        await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _cookies(scope: Scope) -> dict[str, str]:
    header = "; ".join(value.decode() for name, value in scope["headers"] if name == b"cookie")
    return dict(pair.split("=", 1) for pair in header.split("; ") if pair)


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
