"""Go on with a download that was cut."""

from __future__ import annotations

import sys

import http3

with open("part.bin", "ab") as file:
    headers = {"Range": f"bytes={file.tell()}-", "If-Range": '"v1"', "Accept-Encoding": "identity"}
    with http3.get(f"{sys.argv[1]}/file", headers=headers, stream=True) as response:
        if response.status_code != http3.codes.PARTIAL_CONTENT:
            file.truncate(0)
        file.writelines(response.stream())
    print(file.tell(), response.headers["content-range"])
