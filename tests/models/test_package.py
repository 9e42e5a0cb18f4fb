"""The package as a whole: its names, where classes say they live, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
import typing

import pytest

import http3_models

ABSENT = [
    "ssl",
    "socket",
    "_socket",
    "asyncio",
    "select",
    "threading",
    "h11",
    "h2",
    "trio",
    "dataclasses",
    "inspect",
    "email",
    "http.cookiejar",
    "http.client",
    "urllib.request",
    "urllib.parse",
    "importlib.metadata",
    "logging",
    "idna",
    "certifi",
    "json",
    "datetime",
    "brotli",
    "backports.zstd",
    "charset_normalizer",
]

ALIASES = [
    "URLTypes",
    "QueryParamTypes",
    "HeaderTypes",
    "CookieTypes",
    "AuthTypes",
    "CertTypes",
    "VerifyTypes",
    "TimeoutTypes",
    "RequestData",
    "AsyncRequestData",
    "RequestFiles",
    "ResponseContent",
    "AsyncResponseContent",
]


def test_all_names_are_there() -> None:
    assert len(http3_models.__all__) == len(set(http3_models.__all__))
    for name in http3_models.__all__:
        assert getattr(http3_models, name) is not None
        assert name in dir(http3_models)


def test_nothing_public_is_missing_from_all() -> None:
    here = {
        name
        for name, value in vars(http3_models).items()
        if not name.startswith("_")
        and not isinstance(value, type(typing))
        and name not in ("annotations", "TYPE_CHECKING")
    }
    assert here <= set(http3_models.__all__)


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = http3_models.nonsense  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", http3_models.__all__)
def test_classes_live_in_the_package(name: str) -> None:
    value = getattr(http3_models, name)
    if isinstance(value, type):
        assert value.__module__ == "http3_models"
        assert value.__doc__


@pytest.mark.parametrize("name", ALIASES)
def test_aliases_are_unions_at_run_time(name: str) -> None:
    assert len(typing.get_args(getattr(http3_models, name))) >= 2


def test_the_ca_bundle_is_asked_for_late() -> None:
    assert http3_models.DEFAULT_CA_BUNDLE_PATH.endswith(".pem")


def fresh(program: str) -> str:
    """What a new interpreter without site packages' start-up files prints."""
    path = [part for part in sys.path if part]
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {path!r}\n{program}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_what_an_import_does_not_load() -> None:
    loaded = fresh("import http3_models\nprint(*sys.modules)").split()
    assert "http3_models" in loaded
    assert not [name for name in ABSENT if name in loaded]


def test_making_values_loads_little_more() -> None:
    program = """
from http3_models import Request, Response, SSLConfig, TimeoutConfig
request = Request("POST", "https://example.org/", params={"a": 1}, data={"b": 2}, cookies={"c": "3"})
response = Response(200, text="x", request=request)
response.text, response.cookies, response.headers, TimeoutConfig(5), SSLConfig()
print(*sys.modules)
"""
    loaded = fresh(program).split()
    heavy = {
        "ssl",
        "socket",
        "asyncio",
        "threading",
        "dataclasses",
        "logging",
        "http.cookiejar",
        "idna",
        "certifi",
    }
    assert not heavy & set(loaded)


def test_an_import_is_cheap() -> None:
    """Far below the 25 ms that are allowed (over ``typing`` and ``enum``, which any program has); the best of
    several, as the machine is shared, and with room for slower ones."""
    program = """
import typing, enum, time
begun = time.process_time()
import http3_models
print(time.process_time() - begun)
"""
    fresh("import http3_models")
    assert min(float(fresh(program)) for _ in range(5)) < 0.05
