"""What the client does, in the log."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import httpx

logging.basicConfig(level=logging.DEBUG, filename="log.txt")
print(httpx.get(f"{sys.argv[1]}/new").text)
print("/new" in Path("log.txt").read_text())
