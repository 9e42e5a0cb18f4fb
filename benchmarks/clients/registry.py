"""Who is measured: the module and class of each client, where its library is installed, how it starts."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from .seam import AsyncClient, CannotDo, Setup, SyncClient

MAIN = "bench"
"""The hatch environment that holds all libraries but those that can't live beside others."""


class Program(NamedTuple):
    """The three lines of a first script. ``{url}`` is an URL of 1 KiB, ``{authority}`` its host and port."""

    imports: str
    make: str
    """An expression: the client."""
    get: str


class Library(NamedTuple):
    """One client. ``sync`` and ``asynchronous`` are classes in ``module``, empty if there is none."""

    module: str
    sync: str
    asynchronous: str
    program: Program
    distribution: str = ""
    """What to install; empty: part of Python."""
    environment: str = MAIN
    pace: float = 1.0
    """The part of the requests that it does, since some take long: figures are per request."""


LIBRARIES = {
    "http3": Library(
        "ours",
        "Http3Sync",
        "Http3Async",
        Program("import http3", "http3.Client()", "client.get({url}).content"),
        "http3",
    ),
    "socket": Library(
        "stdlib",
        "RawSocket",
        "",
        Program(
            "import socket",
            "socket.socket()",
            "client.connect({address}); client.sendall({raw}); client.recv(65536)",
        ),
    ),
    "http.client": Library(
        "stdlib",
        "HttpClientSync",
        "",
        Program(
            "import http.client",
            "http.client.HTTPConnection(*{address})",
            "client.request('GET', {path}); client.getresponse().read()",
        ),
    ),
    "pycurl": Library(
        "of_pycurl",
        "PycurlSync",
        "",
        Program("import pycurl", "pycurl.Curl()", "client.setopt(pycurl.URL, {url}); client.perform_rb()"),
        "pycurl",
    ),
    "urllib3": Library(
        "of_urllib3",
        "Urllib3Sync",
        "",
        Program("import urllib3", "urllib3.PoolManager()", "client.request('GET', {url}).data"),
        "urllib3",
    ),
    "requests": Library(
        "of_requests",
        "RequestsSync",
        "",
        Program("import requests", "requests.Session()", "client.get({url}).content"),
        "requests",
        pace=0.3,
    ),
    "niquests": Library(
        "of_niquests",
        "NiquestsSync",
        "NiquestsAsync",
        Program("import niquests", "niquests.Session()", "client.get({url}).content"),
        "niquests",
        "bench-niquests",
        pace=0.3,
    ),
    "httpx": Library(
        "of_httpx",
        "HttpxSync",
        "HttpxAsync",
        Program("import httpx", "httpx.Client()", "client.get({url}).content"),
        "httpx",
        pace=0.3,
    ),
    "aiohttp": Library(
        "of_aiohttp",
        "",
        "AiohttpAsync",
        Program(
            "import aiohttp, asyncio",
            "",
            "async def main():\n"
            "    async with aiohttp.ClientSession() as session, session.get({url}) as response:\n"
            "        await response.read()\n"
            "asyncio.run(main())",
        ),
        "aiohttp",
    ),
    "pyreqwest": Library(
        "of_pyreqwest",
        "PyreqwestSync",
        "PyreqwestAsync",
        Program(
            "from pyreqwest.client import SyncClientBuilder",
            "SyncClientBuilder().build()",
            "client.get({url}).build().send().bytes()",
        ),
        "pyreqwest",
    ),
    "curl_cffi": Library(
        "of_curl_cffi",
        "CurlCffiSync",
        "CurlCffiAsync",
        Program("import curl_cffi.requests", "curl_cffi.requests.Session()", "client.get({url}).content"),
        "curl_cffi",
    ),
}
"""In the order of the report. Whoever is added here can be measured by every workload."""


def make_sync(name: str, setup: Setup) -> SyncClient:
    """A client that blocks; `CannotDo` if the library has none."""
    library = LIBRARIES[name]
    make: Callable[[Setup], SyncClient] = _find(library.module, library.sync, "no sync client")
    return make(setup)


def make_async(name: str, setup: Setup) -> AsyncClient:
    """An async client, to be called where a loop runs; `CannotDo` if the library has none."""
    library = LIBRARIES[name]
    make: Callable[[Setup], AsyncClient] = _find(library.module, library.asynchronous, "no async client")
    return make(setup)


def _find(module: str, name: str, missing: str) -> Callable[[Setup], Any]:
    if not name:
        raise CannotDo(missing)
    found: Callable[[Setup], Any] = getattr(import_module(f".{module}", __package__), name)
    return found
