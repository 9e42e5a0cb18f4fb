"""Sign in with a form; the cookie stays in the client."""

from __future__ import annotations

import sys

import httpx

with httpx.Client(base_url=sys.argv[1], follow_redirects=True) as client:
    client.post("/login", data={"user": "ada", "password": "secret"}).raise_for_status()
    print(client.get("/account").json())
