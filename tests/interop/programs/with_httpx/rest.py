"""Create, change, read and delete."""

from __future__ import annotations

import sys

import httpx

with httpx.Client(base_url=sys.argv[1]) as client:
    print(client.post("/items", json={"name": "new"}).json())
    print(client.patch("/items/3", json={"name": "changed"}).json())
    print(client.get("/items/3").json(), client.delete("/items/3").status_code)
