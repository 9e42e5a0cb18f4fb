"""Download to a file, and show the progress."""

from __future__ import annotations

import sys

import httpx

with httpx.stream("GET", f"{sys.argv[1]}/file") as response, open("copy.bin", "wb") as file:
    total = int(response.headers["content-length"])
    for chunk in response.iter_bytes(262_144):
        file.write(chunk)
        print(f"{response.num_bytes_downloaded >= file.tell()} {file.tell() / total:.0%}")
