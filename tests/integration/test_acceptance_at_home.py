"""What users of requests and httpx write, with http3 in its place."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest

import http3
from support.servers import Nginx
from support.worlds import Site


def test_make_a_request(plain: Site) -> None:
    r = http3.get(plain.url + "/json")
    assert r.status_code == http3.codes.OK
    assert r.ok
    assert r.json()["text"] == "naïve café"
    assert "application/json" in r.headers["Content-Type"]
    assert r.headers.get("content-type") == r.headers["CONTENT-TYPE"]
    assert r.text.startswith("{")
    assert isinstance(r.content, bytes)
    assert r.elapsed.total_seconds() > 0


def test_parameters_in_urls(plain: Site) -> None:
    payload = {"key1": "value1", "key2": ["value2", "value3"], "gone": None}
    r = http3.get(plain.url + "/echo", params=payload)
    assert str(r.url) == plain.url + "/echo?key1=value1&key2=value2&key2=value3"


def test_post_form_json_and_raw(plain: Site) -> None:
    form = http3.post(plain.url + "/echo", data={"key": "value"}).json()
    assert form["body"] == "key=value"
    assert json.loads(http3.post(plain.url + "/echo", json={"some": "data"}).json()["body"]) == {
        "some": "data"
    }
    raw = http3.post(plain.url + "/echo", data=json.dumps({"a": 1})).json()
    assert raw["body"] == '{"a": 1}'


def test_upload_a_file(plain: Site, tmp_path: Path) -> None:
    (tmp_path / "report.xls").write_bytes(b"cells")
    with (tmp_path / "report.xls").open("rb") as report:
        r = http3.post(plain.url + "/parts", files={"file": report}, data={"by": "me"})
    got = {part["name"]: part for part in r.json()["parts"]}
    assert got["file"]["filename"] == "report.xls"
    assert got["by"]["text"] == "me"
    text = http3.post(plain.url + "/parts", files={"file": ("r.csv", "some,data\n")}).json()
    assert text["parts"][0]["text"] == "some,data\n"


def test_save_a_download(plain: Site, tmp_path: Path) -> None:
    target = tmp_path / "saved"
    with http3.get(plain.url + "/download/200000", stream=True) as r, target.open("wb") as file:
        r.raise_for_status()
        for chunk in r.stream(chunk_size=8192):
            file.write(chunk)
    assert target.stat().st_size == 200_000


def test_lines_of_a_stream(plain: Site) -> None:
    with http3.Client() as client, client.get(plain.url + "/stream", stream=True) as r:
        assert [line for line in r.iter_lines() if line] == [f"line {number}" for number in range(5)]


def test_errors(plain: Site) -> None:
    r = http3.get(plain.url + "/status/404")
    with pytest.raises(http3.HttpError) as bad_status:
        r.raise_for_status()
    assert bad_status.value.response.status_code == 404
    with pytest.raises(http3.RequestError) as refused:
        http3.get("http://127.0.0.1:1")
    assert str(refused.value.request.url).startswith("http://127.0.0.1:1")
    with pytest.raises(http3.Timeout):
        http3.get(plain.url + "/delay/2", timeout=0.1)
    with pytest.raises(http3.Http3Error):
        http3.get("no url")


def test_a_session(plain: Site) -> None:
    s = http3.Client()
    s.headers.update({"x-test": "true"})
    s.auth = ("user", "secret")
    s.cookies.set("token", "t")
    first = dict(s.get(plain.url + "/echo", headers={"x-test2": "true"}).json()["headers"])
    assert (first["x-test"], first["x-test2"], first["cookie"]) == ("true", "true", "token=t")
    assert s.get(plain.url + "/basic-auth").status_code == 200
    assert "x-test2" not in dict(s.get(plain.url + "/echo").json()["headers"])
    s.close()


def test_cookies(plain: Site) -> None:
    with http3.Client() as s:
        r = s.get(plain.url + "/cookies/set?sessioncookie=123456789")
        assert r.json() == {"sessioncookie": "123456789"}
        assert s.cookies["sessioncookie"] == "123456789"
        assert s.cookies.get("none", "default") == "default"
    assert http3.get(plain.url + "/cookies", cookies={"are": "working"}).json() == {"are": "working"}


def test_redirection_and_history(plain: Site) -> None:
    r = http3.get(plain.url + "/redirect/1")
    assert [one.status_code for one in r.history] == [302]
    kept = http3.get(plain.url + "/redirect/1", allow_redirects=False)
    assert kept.status_code == 302
    assert kept.is_redirect
    assert kept.history == []


def test_prepared_requests(plain: Site) -> None:
    with http3.Client() as client:
        req = client.build_request("POST", plain.url + "/echo", data={"a": "b"})
        req.headers["X-Signature"] = "signed"
        r = client.send(req)
        assert r.request.headers["x-signature"] == "signed"
        assert r.json()["body"] == "a=b"


def test_digest(plain: Site) -> None:
    assert http3.get(plain.url + "/digest", auth=http3.DigestAuth("user", "secret")).status_code == 200


def test_event_hooks(plain: Site) -> None:
    lines: list[str] = []

    def log_response(response: Any) -> None:
        lines.append(f"{response.request.method} {response.request.url} - {response.status_code}")

    with http3.Client(hooks={"response": [log_response]}) as client:
        client.get(plain.url + "/json")
    assert lines == [f"GET {plain.url}/json - 200"]


def test_custom_auth_class(plain: Site) -> None:
    class PizzaAuth(http3.AuthBase):
        def __init__(self, username: str) -> None:
            self.username = username

        def __call__(self, r: Any) -> Any:
            r.headers["X-Pizza"] = self.username
            return r

    headers = dict(http3.get(plain.url + "/echo", auth=PizzaAuth("kenneth")).json()["headers"])
    assert headers["x-pizza"] == "kenneth"


def test_async(site: Site) -> None:
    async def main() -> None:
        async with http3.AsyncClient(base_url=site.url, **site.options) as client:
            r = await client.get("/json")
            assert r.status_code == 200
            assert (await r.json())["message"] == "hello"
            tasks = [client.get("/echo", params={"i": i}) for i in range(10)]
            responses = await asyncio.gather(*tasks)
            assert [(await one.json())["query"] for one in responses] == [f"i={i}" for i in range(10)]
            async with await client.get("/stream", stream=True) as streamed:
                assert [line async for line in streamed.iter_lines()] == [f"line {i}" for i in range(5)]

    asyncio.run(main())


def test_http2_and_verification(nginx: Nginx, authority: Any) -> None:
    with http3.Client(verify=authority.ca_file) as client:
        assert client.get(nginx.tls_h2 + "/small").protocol == "HTTP/2"
    with http3.Client(verify=False, http_versions=("HTTP/1.1",)) as client:
        assert client.get(nginx.tls_h2 + "/small").protocol == "HTTP/1.1"


def test_fine_tuned_timeouts(plain: Site) -> None:
    timeout = http3.TimeoutConfig(10.0, connect_timeout=60.0)
    with http3.Client(timeout=timeout, pool_limits=http3.PoolLimits(soft_limit=20, hard_limit=100)) as client:
        assert client.timeout.read_timeout == 10
        assert client.get(plain.url + "/json").status_code == 200


def test_a_file_like_body(plain: Site) -> None:
    r = http3.put(plain.url + "/upload", data=io.BytesIO(b"x" * 1000))
    assert r.json()["size"] == 1000


def test_mocking_for_tests() -> None:
    def handler(request: Any) -> http3.Response:
        if request.url.path == "/users":
            return http3.Response(200, json=[{"id": 1}])
        return http3.Response(404)

    client = http3.Client(dispatch=http3.MockDispatcher(handler), base_url="https://api.example.com")
    assert client.get("/users").json() == [{"id": 1}]
    assert client.get("/nothing").status_code == 404


def test_the_examples_of_clients_md(plain: Site) -> None:
    client = http3.Client(auth=("username", "password"), timeout=30.0, verify=False, base_url=plain.url)
    try:
        assert client.get("/json").json()["message"] == "hello"
        assert client.post("/echo", json={"name": "Jane"}).status_code == 200
    finally:
        client.close()
