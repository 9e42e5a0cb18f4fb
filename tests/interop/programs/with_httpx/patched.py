"""Replace a verb of a client in a test."""

from __future__ import annotations

from unittest import mock

import httpx

client = httpx.Client()
with mock.patch.object(client, "get", return_value=httpx.Response(200, json={"id": 1})) as get:
    print(client.get("https://shop.test/items/1").json())
get.assert_called_once_with("https://shop.test/items/1")
