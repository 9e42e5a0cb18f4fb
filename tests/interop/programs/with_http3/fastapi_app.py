"""Test an application of FastAPI without a server."""

from __future__ import annotations

import asyncio

import fastapi

import http3

app = fastapi.FastAPI()


@app.get("/items/{number}")
async def item(number: int) -> dict[str, int]:
    return {"number": number}


async def test_item() -> None:
    async with http3.AsyncClient(app=app) as client:
        response = await client.get("/items/7")
        assert await response.json() == {"number": 7}


asyncio.run(test_item())
