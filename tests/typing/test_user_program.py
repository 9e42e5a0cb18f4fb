"""A user's program under ``mypy --strict``: what is right passes, what is wrong is found."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"
WANTED = re.compile(r"#\s*error: (.+)$", re.MULTILINE)


def mypy(program: Path, cache: Path) -> list[tuple[int, str]]:
    """The errors that mypy finds in it: line and text."""
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
        [*command, str(cache), str(program)], capture_output=True, text=True, timeout=110, check=False
    ).stdout
    errors = re.findall(rf"^{re.escape(str(program))}:(\d+): error: (.*)$", output, re.MULTILINE)
    others = [
        line for line in output.splitlines() if ": error:" in line and not line.startswith(str(program))
    ]
    assert not others, "\n".join(others)
    return [(int(line), text) for line, text in errors]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mypy's cache, shared by the programs."""
    return tmp_path_factory.mktemp("mypy")


def test_what_is_right_passes(cache: Path) -> None:
    assert mypy(PROGRAMS / "right.py", cache) == []


def test_what_is_wrong_is_found(cache: Path) -> None:
    program = PROGRAMS / "wrong.py"
    lines = enumerate(program.read_text().splitlines(), 1)
    wanted = {number: match[1] for number, line in lines if (match := WANTED.search(line))}
    found = dict(mypy(program, cache))
    assert set(found) == set(wanted)
    for line, text in wanted.items():
        assert text in found[line]
