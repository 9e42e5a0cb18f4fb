"""Wrong arguments and attributes that a type checker must find; each line says what mypy tells. Never run."""

from __future__ import annotations

from pathlib import Path

import http3

URL = "https://example.org/"
numbers = {1: "x"}
counts = {"a": 1}
paths = {"photo": Path("photo.jpg")}

http3.get(URL, params=5)  # error: Argument "params"
http3.get(URL, params=numbers)  # error: Argument "params"
http3.get(URL, params=[1, 2])  # error: List item 0
http3.post(URL, data=5)  # error: Argument "data"
http3.post(URL, data=numbers)  # error: Argument "data"
http3.get(URL, headers=counts)  # error: Argument "headers"
http3.get(URL, cookies=counts)  # error: Argument "cookies"
http3.post(URL, files={"photo": "photo.jpg"})  # error: Dict entry 0
http3.post(URL, files=paths)  # error: Argument "files"
http3.post(URL, files={"photo": Path("photo.jpg")})  # error: Dict entry 0

response = http3.get(URL)
response.reason  # error: "Response" has no attribute "reason"
response.iter_content()  # error: "Response" has no attribute "iter_content"
response.headers.get_list("a")  # error: "Headers" has no attribute "get_list"
response.url.params  # error: "URL" has no attribute "params"
response.cookies.get_dict()  # error: "Cookies" has no attribute "get_dict"
http3.QueryParams("a=b").get_list("a")  # error: "QueryParams" has no attribute "get_list"
http3.Client().mount("https://", None)  # error: "Client" has no attribute "mount"
http3.AsyncClient().aclose()  # error: "AsyncClient" has no attribute "aclose"
try:
    response.json()
except http3.JSONDecodeError as exc:
    exc.response.reason  # error: "EitherResponse" has no attribute "reason"
