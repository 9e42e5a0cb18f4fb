"""Upload what an async generator gives."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import http3


async def numbers() -> AsyncIterator[bytes]:
    for number in range(1000):
        yield f"{number}\n".encode()


async def main() -> None:
    async with http3.AsyncClient(base_url=sys.argv[1]) as client:
        response = await client.post("/upload", data=numbers())
        print(await response.json())


asyncio.run(main())
