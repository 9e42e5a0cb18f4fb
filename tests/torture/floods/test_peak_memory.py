"""No attack on a streamed response takes more than 32 MiB: measured by the kernel, in a separate process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from http3_transport.testing import ScriptedServer
from support import attacks
from support.servers import TESTS

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is read from /proc"),
]

MOST = 32
"""MiB above what the process had before."""

ENOUGH = 256 << 20
"""Bytes of a body after which a reader has seen enough."""

PROGRAM = f"""
import asyncio, json, sys
import http3

url, version, kind = sys.argv[1:]
limits = http3.TimeoutConfig(timeout=5, read_timeout=0.5, total_timeout=6)
options = dict(http_versions=(version,), timeout=limits)

def memory(field):
    for line in open("/proc/self/status"):
        if line.startswith(field):
            return int(line.split()[1]) / 1024

def report(baseline, error, size):
    print(json.dumps({{"peak": memory("VmHWM") - baseline, "error": error, "size": size}}))

def begin():
    open("/proc/self/clear_refs", "w").write("5")
    return memory("VmRSS")

def blocking():
    with http3.Client(**options) as client:
        client.get(url)
        baseline, error, size = begin(), None, 0
        try:
            with client.get(url + "/attack", stream=True) as response:
                for piece in response.stream():
                    size += len(piece)
                    if size > {ENOUGH}:
                        break
        except http3.Http3Error as exc:
            error = type(exc).__name__
        report(baseline, error, size)

async def asynchronous():
    async with http3.AsyncClient(**options) as client:
        await client.get(url)
        baseline, error, size = begin(), None, 0
        try:
            async with await client.get(url + "/attack", stream=True) as response:
                async for piece in response.stream():
                    size += len(piece)
                    if size > {ENOUGH}:
                        break
        except http3.Http3Error as exc:
            error = type(exc).__name__
        report(baseline, error, size)

blocking() if kind == "blocking" else asyncio.run(asynchronous())
"""


def measured(script: Any, version: str, kind: str) -> dict[str, Any]:
    with ScriptedServer(script) as server:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, server.url, version, kind],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=TESTS,
        )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


CASES = [
    *[("HTTP/1.1", attack) for attack in [*attacks.FLOODS_HTTP11, *attacks.BOMBS]],
    *[("HTTP/2", attack) for attack in [*attacks.FLOODS_HTTP2, *attacks.BOMBS]],
]


@pytest.mark.parametrize("kind", ["blocking", "asyncio"])
@pytest.mark.parametrize(("version", "attack"), CASES, ids=lambda value: value)
def test_peak(kind: str, version: str, attack: str) -> None:
    script = (attacks.serve_http11 if version == "HTTP/1.1" else attacks.serve_http2)(attack)
    found = measured(script, version, kind)
    print(f"{version}, {attack}, {kind}: {found}")
    assert found["peak"] < MOST, found
    if attack in attacks.BOMBS:
        assert found["size"] > 10 << 20, found  # else it was none
    elif attack != "bytes behind the answer":
        assert found["error"] is not None or found["size"] > ENOUGH, found
