"""Programs of users under ``mypy --strict`` and pyright: what is right passes, what is wrong is found."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"
WANTED = re.compile(r"#\s*error: (.+)$", re.MULTILINE)


def mypy(program: Path, cache: Path) -> dict[int, str]:
    """The errors that mypy finds in it: texts by line."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--config-file=",
        "--cache-dir",
    ]
    output = subprocess.run(
        [*command, str(cache), program.name],
        cwd=program.parent,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    ).stdout
    errors: dict[int, str] = {}
    for line in output.splitlines():
        match = re.match(rf"{program.name}:(\d+): error: (.*)$", line)
        assert match or ": error:" not in line, line
        if match:
            errors[int(match[1])] = f"{errors.get(int(match[1]), '')}{match[2]}\n"
    return errors


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mypy's cache, shared by the programs."""
    return tmp_path_factory.mktemp("mypy")


@pytest.mark.parametrize("name", sorted(path.name for path in PROGRAMS.glob("right*.py")))
def test_what_is_right_passes(name: str, cache: Path) -> None:
    assert mypy(PROGRAMS / name, cache) == {}


def lines_with_errors(program: Path) -> dict[int, str]:
    """What the lines of a program say that mypy tells about them."""
    lines = enumerate(program.read_text().splitlines(), 1)
    return {number: match[1] for number, line in lines if (match := WANTED.search(line))}


@pytest.mark.parametrize("name", sorted(path.name for path in PROGRAMS.glob("wrong*.py")))
def test_what_is_wrong_is_found(name: str, cache: Path) -> None:
    wanted = lines_with_errors(PROGRAMS / name)
    found = mypy(PROGRAMS / name, cache)
    assert set(found) == set(wanted)
    for line, text in wanted.items():
        assert text in found[line]


def pyright(pattern: str) -> dict[str, set[int]]:
    """The lines of the programs, by their names, in which pyright finds errors."""
    pytest.importorskip("pyright")
    names = sorted(path.name for path in PROGRAMS.glob(pattern))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *names]
    done = subprocess.run(command, cwd=PROGRAMS, capture_output=True, text=True, timeout=110, check=False)
    found: dict[str, set[int]] = {name: set() for name in names}
    for problem in json.loads(done.stdout)["generalDiagnostics"]:
        if problem["severity"] == "error":
            found[Path(problem["file"]).name].add(problem["range"]["start"]["line"] + 1)
    return found


def test_pyright_passes_what_is_right() -> None:
    assert not any(pyright("right*.py").values())


def test_pyright_finds_what_is_wrong() -> None:
    for name, lines in pyright("wrong*.py").items():
        assert lines == set(lines_with_errors(PROGRAMS / name)), name


def test_one_class_of_auth_serves_both_clients() -> None:
    program = runpy.run_path(str(PROGRAMS / "right_auth.py"))
    added = [
        {"authorization": "Bearer abc"},
        {"x-either": "1"},
        {"authorization": "Bearer t", "x-trace": "1"},
        {"x-signature": "0"},
        {"x-apart": "1"},
        {"x-function": "1"},
        {"authorization": "Basic bWU6c2VjcmV0"},
    ]
    for auth, wanted in zip(program["AUTHS"], added, strict=True):
        for headers in program["arrived"](auth):
            assert wanted.items() <= headers.items()
