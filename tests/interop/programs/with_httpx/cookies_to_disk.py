"""Cookies that outlive the program."""

from __future__ import annotations

import sys
from http.cookiejar import MozillaCookieJar

import httpx

jar = MozillaCookieJar("cookies.txt")
with httpx.Client(base_url=sys.argv[1], cookies=jar) as client:
    client.post("/login", data={"user": "ada", "password": "secret"})
jar.save(ignore_discard=True)

again = MozillaCookieJar("cookies.txt")
again.load(ignore_discard=True)
print(httpx.Client(cookies=again).get(f"{sys.argv[1]}/account").json())
