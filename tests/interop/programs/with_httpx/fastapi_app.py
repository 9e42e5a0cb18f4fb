"""Test an application of FastAPI without a server."""

from __future__ import annotations

import asyncio

import fastapi
import httpx

app = fastapi.FastAPI()


@app.get("/items/{number}")
async def item(number: int) -> dict[str, int]:
    return {"number": number}


async def test_item() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        response = await client.get("/items/7")
        assert response.json() == {"number": 7}


asyncio.run(test_item())
