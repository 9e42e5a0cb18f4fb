"""Typed code: parameters in a variable, an error's JSON."""

from __future__ import annotations

import sys

import http3


def items(client: http3.Client, page: int) -> list[str]:
    params = {"page": page, "sort": "name"}
    return [item["name"] for item in client.get("/items", params=params).json()]


def error_of(client: http3.Client, number: int) -> str | None:
    try:
        client.get(f"/items/{number}").raise_for_status()
    except http3.HttpError as exc:
        return str(exc.response.json()["error"])
    return None


with http3.Client(base_url=sys.argv[1]) as client:
    print(items(client, 2), error_of(client, 1), error_of(client, 99))
