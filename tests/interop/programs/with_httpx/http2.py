"""Is HTTP/2 spoken?"""

from __future__ import annotations

import ssl
import sys

import httpx

with httpx.Client(http2=True, verify=ssl.create_default_context(cafile="ca.pem")) as client:
    print(client.get(f"{sys.argv[2]}/small").http_version)
