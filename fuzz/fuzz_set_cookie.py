"""Coverage-guided fuzzing of Set-Cookie: what a server says is stored, refused and sent back as RFC 6265bis
says, and never raises. See README.md.

An input is one byte that chooses the URL, and Set-Cookie fields, each on a line.
"""

from __future__ import annotations

from harness import fuzz, instrumented

with instrumented("http3_models._cookie", "http3_models._set_cookie", "http3_models._public_suffix"):
    from http3_models import URL, Cookies, Headers
    from http3_models._cookie_store import MAX_COOKIES, MAX_PER_DOMAIN
    from http3_models._set_cookie import to_bytes

NOW = 1_900_000_000.0

URLS = [
    URL(text)
    for text in (
        "https://www.shop.example.org/basket/items",
        "http://www.shop.example.org/basket/items",
        "https://example.co.uk/",
        "https://10.0.0.1/a/b",
        "https://[2001:db8::1]/",
        "http://localhost/",
    )
]
STRANGERS = [URL(f"https://{host}/a/b") for host in ("evil.test", "org", "co.uk", "2.0.0.1")]

FIELDS = [
    b"sid=31d4d96e407aad42; Path=/; HttpOnly; Secure; SameSite=Lax",
    b"lang=en-US; Expires=Wed, 09 Jun 2031 10:18:14 GMT",
    b"a=b; Domain=.example.org; Max-Age=3600",
    b"a=b; Domain=org",
    b"a=b; Domain=co.uk",
    b"__Host-id=1; Secure; Path=/",
    b"__Secure-id=1; Secure; Domain=example.org",
    b"=__host-id=2; Secure; Path=/",
    b"nameless",
    b'quoted="a, b; c"; Path=/basket',
    b"a=; Max-Age=0",
    b"a=b; Max-Age=-1; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    b"caf\xc3\xa9=\xe9; Path=relative; Domain=",
    b"a=b; Expires=Sunday, 06-Nov-94 08:49:37 GMT; SameSite=None",
]


def one_input(data: bytes) -> None:
    if len(data) < 2:
        return
    url = URLS[data[0] % len(URLS)]
    jar = Cookies(now=lambda: NOW)
    fields = data[1:].split(b"\n")[:40]
    jar.extract(url, Headers([(b"set-cookie", field) for field in fields if b"\r" not in field]))
    assert len(list(jar._store)) <= min(MAX_COOKIES, MAX_PER_DOMAIN * 3)
    for stranger in STRANGERS:
        assert jar.header_for(stranger) is None, "a cookie goes to another site"
    sent = jar.header_for(url)
    if sent is None:
        return
    assert not any((byte < 32 and byte != 9) or byte == 127 for byte in sent), "a control character is sent"
    insecure = jar.header_for(url.copy_with(scheme="http", port=None)) or b""
    for cookie in jar._store:
        assert not (cookie.secure and not url.is_ssl), "set over plain http, and Secure"
        assert url.host == cookie.domain or url.host.endswith(f".{cookie.domain}"), "set for another host"
        assert cookie.expires is None or NOW < cookie.expires <= NOW + 400 * 86400
        if cookie.secure:
            alike = [other for other in jar._store if other.pair == cookie.pair and not other.secure]
            assert alike or to_bytes(cookie.pair) not in insecure.split(b"; "), "Secure, and sent over http"
    if not all(cookie.name for cookie in jar._store):
        return  # a value alone, which may look like a name
    twin = Cookies(now=lambda: NOW)
    twin.extract(url, Headers([(b"set-cookie", pair) for pair in sent.split(b"; ") if b";" not in pair]))
    back = twin.header_for(url)
    if back is not None:  # a prefix in a name wants attributes, which are not sent
        assert set(back.split(b"; ")) <= set(sent.split(b"; ")), "what is sent is read as something else"


if __name__ == "__main__":
    seeds = [bytes([number]) + field for number in range(len(URLS)) for field in FIELDS]
    fuzz(one_input, [*seeds, b"\x00" + b"\n".join(FIELDS)])
