"""Programs that people write every day do with http3 what their twins with httpx do, in no more lines."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.programs_app import FILE
from support.servers import TESTS, Authority, Nginx, free_port, running

PROGRAMS = TESTS / "interop" / "programs"
NAMES = sorted(path.stem for path in (PROGRAMS / "with_http3").glob("*.py"))
FILES = {"photo.jpg": b"\xff\xd8\xff" * 100_000, "notes.txt": b"a note\n", "part.bin": FILE[:500_000]}
pytestmark = pytest.mark.thorough

DOWNLOADED = {"download": "copy.bin", "resume": "part.bin"}
"""Where a program leaves `FILE`."""

Start = Callable[[Path], tuple[str, Path]]
"""Runs a program; returns what it printed, and the folder it ran in."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of `programs_app` under uvicorn."""
    port = free_port()
    options = ["--port", str(port), "--no-access-log", "--backlog", "1024"]
    command = [sys.executable, "-m", "uvicorn", "support.programs_app:app", *options]
    with running(command, ports=[port], log=tmp_path_factory.mktemp("shop") / "log", cwd=TESTS):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def start(shop: str, nginx: Nginx, authority: Authority, tmp_path: Path) -> Start:
    """Runs a program with three URLs, in a folder of its own with the files it needs."""

    def started(path: Path) -> tuple[str, Path]:
        folder = tmp_path / path.parent.name
        folder.mkdir()
        for name, content in FILES.items():
            (folder / name).write_bytes(content)
        shutil.copy(authority.ca_file, folder / "ca.pem")
        shutil.copy(authority.client_pem, folder / "client.pem")
        command = [sys.executable, str(path), shop, nginx.tls_h2, nginx.mutual_tls]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout, folder

    return started


def lines(path: Path) -> int:
    """The lines of a program, without empty ones."""
    return sum(1 for line in path.read_text().splitlines() if line.strip())


@pytest.mark.parametrize("name", NAMES)
def test_a_program_does_what_its_twin_does(name: str, start: Start) -> None:
    ours, theirs = (PROGRAMS / kind / f"{name}.py" for kind in ("with_http3", "with_httpx"))
    printed, folder = start(ours)
    assert printed == start(theirs)[0]
    assert lines(ours) <= lines(theirs)
    if name in DOWNLOADED:
        assert (folder / DOWNLOADED[name]).read_bytes() == FILE


def test_each_program_has_a_twin() -> None:
    assert [path.stem for path in sorted((PROGRAMS / "with_httpx").glob("*.py"))] == NAMES
    assert len(NAMES) >= 26
    for name in NAMES:
        assert not re.search(r"\bhttpx\b", (PROGRAMS / "with_http3" / f"{name}.py").read_text())
