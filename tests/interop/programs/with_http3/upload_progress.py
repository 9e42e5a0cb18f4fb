"""Upload a file and tell how far it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import http3


def reading(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(65_536):
            print(file.tell(), "bytes read")
            yield piece


print(http3.post(f"{sys.argv[1]}/upload", data=reading("photo.jpg")).json())
