"""Test an application of Flask without a server."""

from __future__ import annotations

import flask
import httpx

app = flask.Flask("shop")


@app.get("/items/<int:number>")
def item(number: int) -> dict[str, int]:
    return {"number": number}


with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://test") as client:
    assert client.get("/items/7").json() == {"number": 7}
