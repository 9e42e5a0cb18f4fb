"""Follow rel=next to the last page."""

from __future__ import annotations

import sys

import httpx

names = []
with httpx.Client(base_url=sys.argv[1]) as client:
    url: str | None = "/items"
    while url:
        response = client.get(url)
        names += [item["name"] for item in response.json()]
        url = response.links.get("next", {}).get("url")
print(names)
