"""`python -m http3_client.example_site` in a process of its own, as a user starts it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def serving() -> Iterator[str]:
    """The site on a free port until the block is left; gives its address, as it prints it."""
    command = [sys.executable, "-m", "http3_client.example_site", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("Serving http://127.0.0.1:"), line
            yield line.split()[1]
        finally:
            process.terminate()
