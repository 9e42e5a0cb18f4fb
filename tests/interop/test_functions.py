"""The functions of the module (docs/quickstart.md)."""

from __future__ import annotations

import asyncio

import pytest

import http3
from support.worlds import Site


@pytest.mark.parametrize("verb", ["get", "options", "head", "post", "put", "patch", "delete"])
def test_every_verb(plain: Site, verb: str) -> None:
    response = getattr(http3, verb)(
        plain.url + "/echo", headers={"X-Test": "1"}, params={"a": "1"}, timeout=5
    )
    assert response.status_code == 200
    if verb != "head":
        assert response.json()["method"] == verb.upper()
        assert ["x-test", "1"] in response.json()["headers"]


def test_request_takes_every_option(site: Site) -> None:
    if site.name == "h2-prior":
        pytest.skip("prior knowledge needs a client of one's own")
    response = http3.request(
        "POST",
        site.url + "/echo",
        json={"a": 1},
        params={"q": "1"},
        headers={"X-Test": "1"},
        cookies={"c": "1"},
        stream=False,
        auth=("user", "secret"),
        allow_redirects=True,
        cert=None,
        verify=site.options["verify"],
        timeout=http3.TimeoutConfig(5),
    )
    echo = response.json()
    names = {name for name, _ in echo["headers"]}
    assert {"x-test", "cookie", "authorization"} <= names
    assert (echo["body"], echo["query"]) == ('{"a":1}', "q=1")
    assert response.protocol == ("HTTP/2" if site.is_tls else "HTTP/1.1")


def test_in_a_running_loop(plain: Site) -> None:
    async def main() -> int:
        return http3.get(plain.url + "/json").status_code

    assert asyncio.run(main()) == 200
