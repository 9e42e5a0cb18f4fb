"""Sign in with a form; the cookie stays in the client."""

from __future__ import annotations

import sys

import http3

with http3.Client(base_url=sys.argv[1]) as client:
    client.post("/login", data={"user": "ada", "password": "secret"}).raise_for_status()
    print(client.get("/account").json())
