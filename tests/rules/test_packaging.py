"""The four distributions agree with each other and are complete."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

import http3
from support.source_tree import DISTRIBUTIONS, ROOT

every_distribution = pytest.mark.parametrize("distribution", DISTRIBUTIONS)


def project(distribution: str) -> dict[str, Any]:
    """The [project] table of its pyproject.toml."""
    with (ROOT / "packages" / distribution / "pyproject.toml").open("rb") as file:
        table: dict[str, Any] = tomllib.load(file)["project"]
    return table


def requirements(distribution: str) -> list[str]:
    """What it asks for, extras included."""
    table = project(distribution)
    extras = [line for lines in table["optional-dependencies"].values() for line in lines]
    return [*table["dependencies"], *extras]


VERSION: str = project("http3")["version"]


@every_distribution
def test_one_version(distribution: str) -> None:
    assert project(distribution)["version"] == VERSION
    assert importlib.import_module(distribution.replace("-", "_")).__version__ == VERSION


@every_distribution
def test_siblings_are_pinned(distribution: str) -> None:
    for line in requirements(distribution):
        if line.startswith("http3"):
            assert line.endswith(f"=={VERSION}"), line


def test_who_depends_on_whom() -> None:
    def names(distribution: str) -> set[str]:
        return {line.split(">")[0].split("=")[0] for line in project(distribution)["dependencies"]}

    assert names("http3-models") == {"idna", "certifi"}
    assert names("http3-transport") == {"http3-models", "h11", "h2"}
    assert names("http3-client") == {"http3-models"}
    assert names("http3") == {"http3-client[transport]"}


def test_extras_are_passed_through() -> None:
    extras = {name: set(project(name)["optional-dependencies"]) for name in DISTRIBUTIONS}
    assert extras["http3"] == {"brotli", "zstd", "charset", "trio", "psl", "system-trust", "all"}
    assert extras["http3"] == extras["http3-models"] | extras["http3-transport"]
    assert "transport" in extras["http3-client"]


@every_distribution
def test_complete(distribution: str) -> None:
    folder = ROOT / "packages" / distribution
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (folder / "src" / distribution.replace("-", "_") / "py.typed").is_file()
    readme = (folder / "README.md").read_text()
    assert readme.startswith(f"# {distribution}\n")
    assert f" ./packages/{distribution}\n" in readme or f" ./packages/{distribution} " in readme
    assert len(readme) > 400


@every_distribution
def test_the_pythons_it_runs_on(distribution: str) -> None:
    table = project(distribution)
    assert table["requires-python"] == ">=3.11"
    for version in ("3.11", "3.12", "3.13"):
        assert f"Programming Language :: Python :: {version}" in table["classifiers"]


def test_the_user_agent_tells_the_version() -> None:
    assert http3.USER_AGENT.rpartition("/") == ("python-http3", "/", VERSION)


def bump(root: Path, version: str) -> int:
    """`tools/bump_version.py` on another folder."""
    spec = importlib.util.spec_from_file_location("bump_version", ROOT / "tools" / "bump_version.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    places: int = tool.bump(root, version)
    return places


def test_bumping_the_version_finds_every_place(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "packages", tmp_path / "packages", ignore=shutil.ignore_patterns("__pycache__"))
    count = bump(tmp_path, "9.8.7")
    texts = [
        path.read_text() for path in (tmp_path / "packages").rglob("*") if path.suffix in (".toml", ".py")
    ]
    assert sum(text.count("9.8.7") for text in texts) == count
    assert not [text for text in texts if VERSION in text]
    with pytest.raises(ValueError, match="9.8"):
        bump(tmp_path, "9.8")


def test_the_changelog_tells_of_this_version() -> None:
    assert f"\n## {VERSION}" in (ROOT / "CHANGELOG.md").read_text()
