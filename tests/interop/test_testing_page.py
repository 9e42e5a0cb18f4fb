"""The files of docs/testing.md are run by pytest, as those who copy them run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.source_tree import ROOT

pytestmark = pytest.mark.thorough

PAGE = ROOT / "docs" / "testing.md"
FILE = re.compile(r"^```python\n# (test_\w+\.py)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILES = dict(FILE.findall(PAGE.read_text()))


def test_each_recipe_is_a_file() -> None:
    assert len(FILES) >= 8
    assert all("def test_" in code for code in FILES.values())


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_page(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FILES[name])
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", name]
    ended = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    tests = len(re.findall(r"^def test_", FILES[name], re.MULTILINE))
    assert int(re.findall(r"(\d+) passed", ended.stdout)[0]) >= tests
