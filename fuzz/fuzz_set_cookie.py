"""Coverage-guided fuzzing of Set-Cookie: what a server says is stored, refused and sent back as RFC 6265bis
says, and never raises. See README.md.

An input is lines; each is one byte that chooses the URL that answers (its bit 7: leave the field as it is),
and the value of a Set-Cookie field. All go into one jar, as they do for a client that talks to many.
"""

from __future__ import annotations

import pickle

from harness import fuzz, instrumented, load

with instrumented("http3_models"):
    from http3_models import URL, CookieConflict, Cookies, Headers
    from http3_models._cookies import store
    from http3_models._cookies.cookie import Cookie

    load("http3_models._cookies.date", "http3_models._cookies.jar")

NOW = 1_900_000_000.0
LONGEST = 400 * 86400
PER_DOMAIN, IN_ALL = 6, 16  # a short input must be able to reach them
for bound, small in (("MAX_PER_DOMAIN", PER_DOMAIN), ("MAX_COOKIES", IN_ALL), ("_EXTRA_ROOM", 3)):
    assert hasattr(store, bound)
    setattr(store, bound, small)

# By owner of the hosts: a cookie that one of them sets must not be sent to another.
SITES = {
    b"A": [
        "https://www.shop.example.org/basket/items",
        "http://www.shop.example.org/basket/items",
        "https://example.org/",
        "https://shop.example.org/basketball",
        "http://example.org/a/b",
    ],
    b"B": ["https://example.co.uk/", "https://www.example.co.uk/a"],
    b"C": ["https://other.co.uk/", "https://co.uk/"],
    b"D": ["https://10.0.0.1/a/b", "http://10.0.0.1/"],
    b"E": ["https://20.0.0.1/"],
    b"F": ["https://[2001:db8::1]/"],
    b"G": ["http://localhost/", "https://localhost/"],
    b"H": ["https://notexample.org/", "https://example.org.evil.test/"],
    b"I": ["https://www.example.org./a"],
}
URLS = [(tag, URL(text)) for tag, texts in SITES.items() for text in texts]


def by_the_rules(cookie: Cookie, url: URL) -> bool:
    """Whether RFC 6265bis 5.8.3 sends it there, said once more and more simply than in the package."""
    under = not cookie.host_only and not url.host[-1].isdigit() and url.host.endswith("." + cookie.domain)
    folder = cookie.path if cookie.path.endswith("/") else cookie.path + "/"
    return (
        (url.host == cookie.domain or under)
        and (url.path == cookie.path or url.path.startswith(folder))
        and (url.is_ssl or not cookie.secure)
        and (cookie.expires is None or cookie.expires > NOW)
    )


def header_by_the_rules(stored: list[Cookie], url: URL) -> bytes | None:
    found = [cookie for cookie in stored if by_the_rules(cookie, url)]
    found.sort(key=lambda cookie: -len(cookie.path))
    return b"; ".join([cookie.octets for cookie in found]) or None


class Watcher:
    """Checks each cookie that is stored."""

    url = URLS[0][1]

    def put(self, cookie: Cookie) -> None:
        check_new(cookie, self.url)

    def drop(self, cookie: Cookie) -> None:
        pass


def receive(jar: Cookies, watcher: Watcher, line: bytes) -> bool:
    """One field from one host; whether it was marked as that site's."""
    tag, url = URLS[(line[0] & 127) % len(URLS)]
    pair, semicolon, attributes = line[1:].partition(b";")
    is_marked = not line[0] & 128
    field = b"%s.%s%s%s" % (pair, tag, semicolon, attributes) if is_marked else line[1:]
    watcher.url = url
    jar.extract(url, Headers([(b"set-cookie", field)]))
    return is_marked


def check_new(cookie: Cookie, url: URL) -> None:
    """``cookie`` is one that an answer of ``url`` may set."""
    is_under = not url.host[-1].isdigit() and url.host.endswith("." + cookie.domain)
    assert url.host == cookie.domain or (is_under and not cookie.host_only), "set for another host"
    assert cookie.host_only or cookie.domain not in ("org", "uk", "co.uk", "test"), "set for a registry"
    assert url.is_ssl or not cookie.secure, "set over plain http, and Secure"
    assert cookie.expires is None or NOW < cookie.expires <= NOW + LONGEST
    assert cookie.path.startswith("/")
    sent_as = cookie.pair.lower()
    if sent_as.startswith(("__secure-", "__host-")):
        assert cookie.secure, "breaks what its prefix says"
        assert cookie.name, "looks like a name with a prefix"
    if sent_as.startswith("__host-"):
        assert cookie.host_only, "breaks what its prefix says"
        assert cookie.path == "/", "breaks what its prefix says"


def check_jar(jar: Cookies, is_marked: bool) -> None:
    stored = list(jar._store)
    assert len(stored) == jar._store._received <= IN_ALL
    for domain in {cookie.domain for cookie in stored}:
        assert sum(cookie.domain == domain for cookie in stored) <= PER_DOMAIN
    twin = TWINS[len(stored) % 3](jar)
    for tag, url in URLS:
        sent = jar.header_for(url)
        expected = header_by_the_rules(stored, url)
        assert sent == expected, (sent, expected)
        if sent is None:
            continue
        assert not any((byte < 32 and byte != 9) or byte == 127 for byte in sent), "a control character"
        if is_marked:
            pairs = sent.split(b"; ")
            assert all(pair.endswith(b"." + tag) for pair in pairs), "a cookie goes to another site"
        assert twin.header_for(url) == sent, "not the same once it was stored and read again"
    for name in jar:
        try:
            assert isinstance(jar[name], str)
        except CookieConflict:
            assert sum(cookie.name == name for cookie in stored) > 1


def now() -> float:
    return NOW


def through_a_jar(jar: Cookies) -> Cookies:
    return Cookies(jar.jar, now=now)


def through_pickle(jar: Cookies) -> Cookies:
    twin = pickle.loads(pickle.dumps(jar))
    assert isinstance(twin, Cookies)
    return twin


TWINS = (Cookies.copy, through_a_jar, through_pickle)


def one_input(data: bytes) -> None:
    jar = Cookies(now=now)
    jar._store.mirror = watcher = Watcher()
    lines = [line for line in data.split(b"\n")[:40] if line and b"\r" not in line]
    marked = [receive(jar, watcher, line) for line in lines]
    check_jar(jar, all(marked))


FIELDS = [
    b"sid=31d4d96e407aad42; Path=/; HttpOnly; Secure; SameSite=Lax",
    b"lang=en-US; Expires=Wed, 09 Jun 2031 10:18:14 GMT",
    b"a=b; Domain=.example.org; Max-Age=3600",
    b"a=b; Domain=org",
    b"a=b; Domain=co.uk",
    b"a=b; Domain=example.co.uk; Path=/a",
    b"a=b; Domain=0.0.1",
    b"__Host-id=1; Secure; Path=/",
    b"__Secure-id=1; Secure; Domain=example.org",
    b"=__host-id=2; Secure; Path=/",
    b"nameless",
    b'quoted="a, b; c"; Path=/basket',
    b"a=b; Path=/basket; Domain=example.org",
    b"a=; Max-Age=0",
    b"a=b; Max-Age=-1; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    b"caf\xc3\xa9=\xe9; Path=relative; Domain=",
    b"a=b; Expires=Sunday, 06-Nov-94 08:49:37 GMT; SameSite=None",
]

if __name__ == "__main__":
    hosts = [bytes([number]) for number in range(len(URLS))]
    seeds = [host + field for host in hosts for field in FIELDS]
    seeds += [b"\n".join([host + field for field in FIELDS]) for host in hosts]
    seeds += [b"\n".join([host + field for host in hosts]) for field in FIELDS]
    seeds += [b"\n".join([b"\x80%d=x; Domain=example.org" % number for number in range(9)])]
    fuzz(one_input, seeds)
