"""User and password by RFC 7616, which sends neither."""

from __future__ import annotations

import sys

import http3

print(http3.get(f"{sys.argv[1]}/digest", auth=http3.DigestAuth("user", "secret")).json())
