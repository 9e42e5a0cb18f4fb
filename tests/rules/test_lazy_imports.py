"""What an import costs: a fresh interpreter says what it has loaded."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from support.source_tree import called, imports, modules

NETWORK = {"ssl", "socket", "asyncio", "select", "selectors", "trio", "h11", "h2", "hpack", "certifi"}
HEAVY = {
    "http.cookiejar",
    "urllib.request",
    "email",
    "email.message",
    "importlib.metadata",
    "logging",
    "inspect",
}
EXTRAS = {"brotli", "backports.zstd", "charset_normalizer", "publicsuffixlist", "idna"}


def loaded(code: str) -> set[str]:
    """The modules that are loaded after ``code`` and were not before it."""
    script = f"import sys; before = set(sys.modules)\n{code}\nprint(' '.join(set(sys.modules) - before))"
    output = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert output.returncode == 0, output.stderr
    return set(output.stdout.split())


@pytest.mark.parametrize("package", ["http3_models", "http3_transport", "http3_client", "http3"])
def test_importing_a_package_loads_no_network(package: str) -> None:
    assert not loaded(f"import {package}") & (NETWORK | HEAVY | EXTRAS | {"threading", "dataclasses"})


def test_values_load_no_network() -> None:
    code = """
import http3_models as m
url = m.URL("https://user:pass@example.org:8443/a?b=c")
m.Headers({"Accept": "*/*"}); m.QueryParams({"a": [1, 2]}); m.Cookies({"a": "b"})
m.TimeoutConfig(3); m.PoolLimits(); m.SSLConfig(verify=False)
request = m.Request("POST", url, json={"a": 1}); request.read()
response = m.Response(200, json={"a": 1}, request=request)
response.json(); response.text; response.raise_for_status()
"""
    assert not loaded(code) & (NETWORK | HEAVY | {"threading"})


def test_a_client_over_a_dispatcher_loads_no_network() -> None:
    code = """
import http3_client, http3_models
dispatch = http3_models.MockDispatcher(lambda request: http3_models.Response(200, json={"a": 1}))
with http3_client.Client(dispatch=dispatch) as client:
    assert client.get("https://example.org/").json() == {"a": 1}
"""
    assert not {"ssl", "socket", "asyncio", "select", "trio", "h11", "h2"} & loaded(code)


def test_the_client_works_where_the_transport_cannot_be_imported() -> None:
    code = """
absent = ["http3_transport", "h11", "h2", "ssl", "_ssl", "socket", "_socket"]
for name in absent: sys.modules[name] = None
import http3_client, http3_models
dispatch = http3_models.MockDispatcher(lambda request: http3_models.Response(200, text="made up"))
with http3_client.Client(dispatch=dispatch) as client:
    assert client.get("https://example.org/").text == "made up"
try:
    http3_client.Client()
except ImportError as exc:
    assert "http3-client[transport]" in str(exc) or "http3-transport" in str(exc), exc
else:
    raise AssertionError("no ImportError")
for name in absent: del sys.modules[name]
"""
    loaded(code)


def test_making_a_client_loads_no_module_of_the_transport_but_the_package() -> None:
    code = "from http3_client import AsyncClient, Client; Client(); AsyncClient(); Client(timeout=3)"
    found = {name for name in loaded(code) if name.startswith("http3_transport")}
    assert found == {"http3_transport"}


def test_the_transport_is_missed_when_a_client_is_made() -> None:
    code = """
class NotThere:
    def find_spec(self, name, path=None, target=None):
        if name == "http3_transport":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NotThere())
import http3_client
for make in (http3_client.Client, http3_client.AsyncClient):
    try:
        make()
    except ImportError as exc:
        assert "http3-client[transport]" in str(exc), exc
    else:
        raise AssertionError("no ImportError")
"""
    loaded(code)


def test_blocking_requests_load_neither_asyncio_nor_http2() -> None:
    code = """
import http3_client
client = http3_client.Client(timeout=0.2)
try:
    client.get("http://127.0.0.1:1/")
except Exception as exc:
    assert type(exc).__name__ in ("ConnectError", "ConnectTimeout"), exc
client.close()
"""
    assert not {"asyncio", "trio", "h2", "hpack", "logging"} & loaded(code)


def test_star_import_gives_all_names() -> None:
    loaded("from http3 import *; Client, AsyncClient, ConnectionPool, URL, get, __version__")


EXTRAS_BY_STATEMENT = {
    "brotli",
    "brotlicffi",
    "backports.zstd",
    "compression.zstd",
    "charset_normalizer",
    "publicsuffixlist",
    "trio",
}


def test_frozen_applications_find_everything() -> None:
    """Tools such as PyInstaller read import statements, wherever they stand: each module of ours, and each
    library that may be there, is named by one."""
    named = {found.target for source in modules() for found in imports(source)}
    named |= {
        f"{node.module}.{alias.name}"
        for source in modules()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.level == 0
        for alias in node.names
    }
    parents = {name.rpartition(".")[0] for name in named}
    asked_for = (
        "http3.",
        "http3_transport.testing",
        "http3_transport.adapters",
        "http3_models.engine",
        "http3_client.example_site",
    )
    ours = {source.name for source in modules() if not source.name.startswith(asked_for)}
    assert ours - named - parents <= {"http3"}
    assert named >= EXTRAS_BY_STATEMENT


def test_nothing_is_imported_by_a_name_that_is_computed() -> None:
    """But for exports that statements under TYPE_CHECKING name as well, and emscripten's own module."""
    found = [
        (source.name, name)
        for source in modules()
        for name, _ in called(source.tree)
        if name in ("__import__", "import_module", "importlib.import_module")
    ]
    allowed = {"http3", "http3_transport", "http3_models", "http3_client", "http3_client._runners"}
    allowed.add("http3_models.engine")
    assert {name for name, _ in found} <= allowed, found
