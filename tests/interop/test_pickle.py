"""Responses and exceptions of real exchanges, pickled and copied."""

from __future__ import annotations

import copy
import pickle

import http3
import http3.config
import http3.exceptions
import http3.models
from support.worlds import Site, World, do, raised


async def test_responses_travel(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)
    response = await do(client.get(two_ways.url + "/redirect/1", cookies={"a": "1"}))
    for again in (pickle.loads(pickle.dumps(response)), copy.deepcopy(response)):
        assert type(again) is type(response)
        assert again.content == response.content
        assert await do(again.json()) == await do(response.json())
        assert again.headers == response.headers
        assert again.url == response.url
        assert [one.status_code for one in again.history] == [302]
        assert again.request.method == "GET"
        assert again.elapsed == response.elapsed
    gzipped = await do(client.get(two_ways.url + "/gzip"))
    assert pickle.loads(pickle.dumps(gzipped)).text == gzipped.text
    bounced = await do(client.get(two_ways.url + "/redirect/1", allow_redirects=False))
    pickle.loads(pickle.dumps(bounced))


async def test_exceptions_travel(world: World, plain: Site) -> None:
    client = world.client(plain, timeout=0.2)
    response = await do(client.get(plain.url + "/status/404"))
    errors = [
        await raised(http3.ConnectError, lambda: client.get("http://127.0.0.1:1/")),
        await raised(http3.ReadTimeout, lambda: client.get(plain.url + "/delay/3")),
        await raised(http3.RedirectLoop, lambda: client.get(plain.url + "/loop")),
        await raised(http3.InvalidURL, lambda: client.get("nonsense")),
        await raised(http3.LocalProtocolError, lambda: client.get(plain.url, headers={"a": "\n"})),
        await raised(http3.HttpError, response.raise_for_status),
    ]
    for error in errors:
        for again in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
            assert type(again) is type(error)
            assert str(again) == str(error)
            if isinstance(error, http3.RequestError):
                assert again.delivery == error.delivery
            if isinstance(error, http3.NetworkError | http3.Timeout | http3.RedirectError):
                assert again.request.url == error.request.url
            if isinstance(error, http3.RedirectError | http3.HttpError):
                assert again.response.status_code == error.response.status_code
    assert "refused" in str(pickle.loads(pickle.dumps(errors[0])).__cause__).lower() or "refused" in str(
        errors[0]
    )
