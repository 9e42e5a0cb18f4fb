"""User and password."""

from __future__ import annotations

import sys

import http3

print(http3.get(f"{sys.argv[1]}/basic", auth=("user", "secret")).json())
