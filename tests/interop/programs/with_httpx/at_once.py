"""500 requests at once."""

from __future__ import annotations

import asyncio
import sys

import httpx


async def main() -> None:
    async with httpx.AsyncClient(base_url=sys.argv[1], timeout=60) as client:
        responses = await asyncio.gather(*[client.get(f"/items/{n % 9 + 1}") for n in range(500)])
    print(sum(response.status_code == 200 for response in responses))


asyncio.run(main())
