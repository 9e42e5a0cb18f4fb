"""Mistakes that a type checker must find; each line says what mypy tells. Never run."""

from __future__ import annotations

import http3

client = http3.Client()
http3.get("https://example.org/", tiemout=3)  # error: Unexpected keyword argument "tiemout"
client.post("https://example.org/", jsn={})  # error: Unexpected keyword argument "jsn"
client.get(42)  # error: Argument 1 to "get" of "Client" has incompatible type "int"
client.get("https://example.org/", timeout="3")  # error: Argument "timeout"
client.get("https://example.org/", stream=1)  # error: Argument "stream"
client.get("https://example.org/", {"a": "1"})  # error: Too many positional arguments for "get" of "Client"
client.request("GET", "https://example.org/", foo=1)  # error: Unexpected keyword argument "foo"
client.stream("GET", "https://example.org/", stream=True)  # error: Unexpected keyword argument "stream"
client.send(http3.Request("GET", "https://h/"), data=b"")  # error: Unexpected keyword argument "data"
client.get("https://example.org/", auth=True)  # error: Argument "auth"
http3.Client(tiemout=3)  # error: Unexpected keyword argument "tiemout"
http3.TimeoutConfig(connect=3)  # error: Unexpected keyword argument "connect"
http3.PoolLimits(10)  # error: Too many positional arguments
response = http3.get("https://example.org/")
response.status_code = 200  # error: Property "status_code"
response.body  # error: "Response" has no attribute "body"
len(response.json)  # error: Argument 1 to "len"


async def forgets_to_await(session: http3.AsyncClient) -> int:
    """A response that is still a coroutine."""
    answer = session.get("https://example.org/")
    return answer.status_code  # error: has no attribute "status_code"


def async_in_sync() -> None:
    """An async body for a sync client."""
    session = http3.Client()
    session.send(http3.AsyncRequest("GET", "https://example.org/"))  # error: Argument 1 to "send" of "Client"
