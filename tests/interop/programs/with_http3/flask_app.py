"""Test an application of Flask without a server."""

from __future__ import annotations

import flask

import http3

app = flask.Flask("shop")


@app.get("/items/<int:number>")
def item(number: int) -> dict[str, int]:
    return {"number": number}


with http3.Client(app=app) as client:
    assert client.get("/items/7").json() == {"number": 7}
