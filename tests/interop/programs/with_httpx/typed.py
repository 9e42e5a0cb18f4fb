"""Typed code: parameters in a variable, an error's JSON."""

from __future__ import annotations

import sys

import httpx


def items(client: httpx.Client, page: int) -> list[str]:
    params: dict[str, str | int] = {"page": page, "sort": "name"}
    return [item["name"] for item in client.get("/items", params=params).json()]


def error_of(client: httpx.Client, number: int) -> str | None:
    try:
        client.get(f"/items/{number}").raise_for_status()
    except httpx.HTTPStatusError as exc:
        return str(exc.response.json()["error"])
    return None


with httpx.Client(base_url=sys.argv[1]) as client:
    print(items(client, 2), error_of(client, 1), error_of(client, 99))
