"""Coverage-guided fuzzing of URLs: refused with InvalidURL, or the same however often they are read again.
See README.md.

An input is UTF-8: a URL, and on a second line a reference to be resolved against it.
"""

from __future__ import annotations

from harness import fuzz, instrumented

with instrumented("http3_models._url", "http3_models._percent", "http3_models._idna_host"):
    from http3_models import URL, InvalidURL, Origin
    from http3_models._url import redacted

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
    text, _, reference = data.decode("utf-8", "replace").partition("\n")
    try:
        url = URL(text)
    except InvalidURL:
        return
    shown = str(url)
    check(url, shown)
    if reference:
        try:
            joined = url.join(reference)
        except InvalidURL:
            return
        if joined.is_absolute_url:
            check(joined, str(joined))


def check(url: URL, shown: str) -> None:
    again = URL(shown)
    assert str(again) == shown, (shown, str(again))
    assert again == url
    assert hash(again) == hash(url)
    assert shown.isascii()
    assert shown.isprintable()
    assert " " not in shown
    assert url.host
    assert not set(url.host) & set("/?#@\\ <>^|%[]"), url.host
    assert url.host == url.host.lower()
    assert url.port is None or 0 <= url.port <= 65535
    target = url.full_path
    assert target == "*" or target.startswith("/") or url.scheme not in ("http", "https"), target
    assert "#" not in target
    assert Origin(shown) == url.origin
    parts = {"path": url.path, "query": url.query or None, "fragment": url.fragment or None}
    assert url.copy_with(path=url.path).full_path.partition("?")[0] == url.path, parts
    if url.password:
        assert "[secure]" in redacted(url)
        assert "0123456789abcdef" not in redacted(url.copy_with(password="0123456789abcdef"))


if __name__ == "__main__":
    lines = SEEDS.split(b"\n")
    pairs = [line + b"\n" + other for line in lines[:4] for other in (b"../b?c", b"//other/d", b"?q#f", b"")]
    fuzz(one_input, [*lines, *pairs])
