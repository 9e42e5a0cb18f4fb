"""Files, functions and comments keep a size and a form that a reader can take in."""

from __future__ import annotations

import ast
import re
import statistics
from pathlib import Path

import pytest

from support.source_tree import ROOT, Module, body_lines, functions, modules

LONGEST_FILE = 500
LONGEST_FUNCTION = 60

LONG_FILES: dict[str, str] = {}
"""Modules that may be longer, with the reason."""

LONG_FUNCTIONS: dict[str, str] = {}
"""Functions that may be longer ("module:qualified.name"), with the reason."""


def names(found: Module) -> str:
    """The id of a parametrised test."""
    return found.name


every_module = pytest.mark.parametrize("source", modules(), ids=names)


@every_module
def test_files_are_short(source: Module) -> None:
    lines = source.text.count("\n")
    assert (lines > LONGEST_FILE) == (source.name in LONG_FILES), f"{source.path} has {lines} lines"


@every_module
def test_functions_are_short(source: Module) -> None:
    for name, function in functions(source.tree):
        lines, key = body_lines(function), f"{source.name}:{name}"
        assert (lines > LONGEST_FUNCTION) == (key in LONG_FUNCTIONS), f"{key} has {lines} lines"


def test_the_median_function_is_small() -> None:
    lengths = [body_lines(function) for source in modules() for _, function in functions(source.tree)]
    assert statistics.median(lengths) <= 13


@every_module
def test_files_open_with_what_they_are_for(source: Module) -> None:
    text = ast.get_docstring(source.tree)
    assert text, f"{source.path} has no docstring"
    assert len(text) > 40, f"{source.path} says too little: {text!r}"


@every_module
def test_everything_is_annotated_lazily(source: Module) -> None:
    first = source.tree.body[1:2]
    assert first
    assert ast.unparse(first[0]) == "from __future__ import annotations", source.path


@every_module
def test_nothing_is_left_for_later(source: Module) -> None:
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", source.text), source.path
    assert "raise NotImplementedError()" not in source.text, source.path


TEXTS = {".py", ".md", ".toml", ".ini", ".cfg", ".yml", ".yaml", ""}
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|farm|root|home)/[\w.-]+")


def test_no_paths_of_a_machine() -> None:
    """What is written here works anywhere."""
    found = []
    for path in _project_files():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if MACHINE_PATH.search(line):
                found.append(f"{path}:{number}: {line.strip()}")
    assert not found, "\n" + "\n".join(found)


def _project_files() -> list[Path]:
    folders = ["packages", "tests", "demo", "docs", "benchmarks", ".ci"]
    nested = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    kept = [path for path in [*nested, *ROOT.iterdir()] if path.is_file() and path.suffix in TEXTS]
    return [
        path for path in kept if "__pycache__" not in path.parts and path.name not in (".coverage", ".git")
    ]


def test_the_map_in_the_design_is_complete() -> None:
    text = (ROOT / "DESIGN.md").read_text()
    places = text[text.index("## Where things are") : text.index("## Habits")]
    rows = [row for row in places.splitlines() if row.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    private = {tuple(source.name.split(".")[:2]) for source in modules() if source.package != "http3"}
    assert sorted(named) == sorted(name[1] for name in private if len(name) == 2)
