"""Coverage-guided fuzzing of URLs: refused with InvalidURL, or the same however often they are read again,
with each part in its place and no password shown. See README.md.

An input is UTF-8 (what is none becomes lone surrogates): a URL, and on a second line a reference to be
resolved against it, which also becomes each part of the URL in turn.
"""

from __future__ import annotations

import pickle
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from harness import fuzz, instrumented, load

with instrumented("http3_models"):
    from http3_models import URL, InvalidURL, Origin
    from http3_models._url.url import URLParts
    from http3_models.engine import redacted

    load("http3_models._url.edit")

PartName = Literal[
    "username",
    "password",
    "path",
    "query",
    "fragment",
    "host",
    "authority",
    "userinfo",
    "full_path",
    "scheme",
]

SECRET = "0123456789abcdef"
TEXTS: tuple[PartName, ...] = ("username", "password", "path", "query", "fragment")
WHOLES: tuple[PartName, ...] = ("host", "authority", "userinfo", "full_path", "scheme")

SEEDS = """\
https://example.org
http://user:pass%20word@example.org:8080/a/b;c?d=e&f#g
HTTPS://EXAMPLE.org:443/./a/../b/%7Euser?q=%zz
http://b\u00fccher.example/\u00e9?\u00fc=\u00df
http://[2001:db8::1]:80/
http://[::ffff:10.0.0.1]/
http://0x7f.1/
http://2130706433/
http://example.org:99999/
http://exa mple.org/
http://example.org\\@evil.test/
http:///path
//host/path
/.//host/path
mailto:.//host/path
./a:b/c
mailto:user@example.org
https://xn--bcher-kva.example/
https://example.org/a\n../b?c
https://example.org/a/b?c\n//other/d
https://example.org/\n?q#f
https://a@b@c/
https://example.org/%2e%2e/%2F?a=b+c%20d
http://\uff45xample.org/
http://example.org./
http://127.0.0.1:0/
""".encode()


def one_input(data: bytes) -> None:
    text, _, reference = data.decode("utf-8", "surrogateescape").partition("\n")
    check_secret(text)
    try:
        relative = URL(text, allow_relative=True)
        check_relative(relative)
        check_relative(relative.copy_with(path=reference))
        if relative.scheme:
            check_relative(relative.join(reference))
        url = URL(text)
    except InvalidURL:
        return
    check(url)
    if reference:
        check_join(url, reference)
        check_parts(url, reference)
        check_params(url, reference)


def check_relative(url: URL) -> None:
    shown = str(url)
    again = URL(shown, allow_relative=True)
    assert (again, str(again)) == (url, shown)
    assert (again.scheme, again.host, again.path) == (url.scheme, url.host, url.path)


def check(url: URL) -> None:
    shown = str(url)
    again = URL(shown)
    assert str(again) == shown, (shown, str(again))
    assert again == url
    assert hash(again) == hash(url)
    twin = pickle.loads(pickle.dumps(url))
    assert (twin, str(twin), twin.full_path) == (url, shown, url.full_path)
    assert shown.isascii()
    assert shown.isprintable()
    assert " " not in shown
    assert url.host
    assert not set(url.host) & set("/?#@\\ <>^|%[]"), url.host
    assert url.host == url.host.lower()
    assert url.port is None or 0 <= url.port <= 65535
    target = url.full_path
    assert target.startswith("/") or url.scheme not in ("http", "https"), target
    assert "#" not in target
    assert Origin(shown) == url.origin
    other = urlsplit(shown)  # another reader sees the same host in it
    assert (other.scheme, other.hostname, other.path or "/") == (url.scheme, url.host, url.path), shown
    assert (other.port or url.port) == url.port
    assert (other.query, other.fragment) == (url.query, url.fragment)
    if url.password:
        assert SECRET not in redacted(url.copy_with(password=SECRET))


def check_secret(text: str) -> None:
    """A password before the first ``@`` is not shown, neither in a repr nor in a message."""
    before, at, after = text.partition("@")
    if not at:
        return
    try:
        url = URL(f"{before}:{SECRET}@{after}", allow_relative=True)
    except InvalidURL as exc:
        error: BaseException | None = exc
        while error is not None:
            assert SECRET not in str(error), "a password in a message"
            error = error.__cause__
        return
    if SECRET in url.password:
        assert SECRET not in repr(url)
        assert SECRET not in redacted(url)


def check_join(url: URL, reference: str) -> None:
    try:
        joined = url.join(reference)
    except InvalidURL:
        return
    if joined.is_absolute_url:
        check(joined)
        assert url.join(str(joined)) == joined
        assert joined.join("") == joined.copy_with(fragment=None)


def with_part(url: URL, name: PartName, value: str) -> URL:
    part: URLParts = {}
    part[name] = value
    return url.copy_with(**part)


def check_parts(url: URL, value: str) -> None:
    """Each part may be anything, and spills into no other."""
    for name in TEXTS:
        try:
            changed = with_part(url, name, value)
        except InvalidURL:
            continue
        check(changed)
        for other in {"scheme", "host", "port", *TEXTS} - {name}:
            if other != "password" or name != "username":
                assert getattr(changed, other) == getattr(url, other), (name, other)
    for name in WHOLES:
        try:
            changed = with_part(url, name, value)
        except InvalidURL:
            continue
        if changed.is_absolute_url and changed.full_path != "*":
            check(changed)
            assert name != "host" or (changed.port, changed.userinfo) == (url.port, url.userinfo)
            assert name not in ("userinfo", "full_path") or changed.origin == url.origin


def check_params(url: URL, value: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in value):
        return
    longer = URL(url, params=[(value, "a&b=c#d+e f"), ("last", value)])
    check(longer)
    pairs = parse_qsl(longer.query, keep_blank_values=True, max_num_fields=None)
    assert pairs[-2:] == [(value, "a&b=c#d+e f"), ("last", value)]
    assert longer.origin == url.origin


if __name__ == "__main__":
    lines = SEEDS.split(b"\n")
    pairs = [line + b"\n" + other for line in lines[:4] for other in (b"../b?c", b"//other/d", b"?q#f", b"")]
    fuzz(one_input, [*lines, *pairs])
