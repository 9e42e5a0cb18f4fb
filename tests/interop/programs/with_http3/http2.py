"""Is HTTP/2 spoken?"""

from __future__ import annotations

import sys

import http3

with http3.Client(verify="ca.pem") as client:
    print(client.get(f"{sys.argv[2]}/small").protocol)
