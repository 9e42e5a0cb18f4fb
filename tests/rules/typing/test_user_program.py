"""A user's program under ``mypy --strict``: what is right passes, what is wrong is found."""

from __future__ import annotations

import re
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


def test_what_is_right_passes(cache: Path) -> None:
    assert mypy(PROGRAMS / "right.py", cache) == {}


def test_what_is_wrong_is_found(cache: Path) -> None:
    program = PROGRAMS / "wrong.py"
    lines = enumerate(program.read_text().splitlines(), 1)
    wanted = {number: match[1] for number, line in lines if (match := WANTED.search(line))}
    found = mypy(program, cache)
    assert set(found) == set(wanted)
    for line, text in wanted.items():
        assert text in found[line]
