"""`hatch run bump 0.8.0`: write a version wherever it stands; `test_packaging.py` compares the places.

Say what is new in CHANGELOG.md yourself.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACES = [
    ("packages/*/pyproject.toml", r'(?m)^(version = ")[^"]+(")'),
    ("packages/*/pyproject.toml", r'("http3[\w-]*(?:\[[\w,-]+\])?==)[^"]+(")'),
    ("packages/*/src/*/__init__.py", r'(?m)^(__version__ = ")[^"]+(")'),
    ("packages/http3-models/src/http3_models/_config.py", r'(USER_AGENT: Final = "python-http3/)[^"]+(")'),
]


def bump(root: Path, version: str) -> int:
    """Write ``version`` in all `PLACES`; returns how many there were. Raises ValueError if it is none."""
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+|\.dev\d+)?", version):
        raise ValueError(f"not a version of ours: {version!r}")
    total = 0
    for pattern, place in PLACES:
        for path in sorted(root.glob(pattern)):
            text, count = re.subn(place, rf"\g<1>{version}\g<2>", path.read_text())
            path.write_text(text)
            total += count
    return total


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: hatch run bump VERSION")
    print(f"{bump(ROOT, sys.argv[1])} places; then: hatch env prune, for the editable installs")
