"""Upload what an async generator gives."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import httpx


async def numbers() -> AsyncIterator[bytes]:
    for number in range(1000):
        yield f"{number}\n".encode()


async def main() -> None:
    async with httpx.AsyncClient(base_url=sys.argv[1]) as client:
        response = await client.post("/upload", content=numbers())
        print(response.json())


asyncio.run(main())
