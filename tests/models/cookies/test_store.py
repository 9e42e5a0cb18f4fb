"""The cookie store: who may set what, who gets what, in which order, and how much is kept."""

from __future__ import annotations

import pickle
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from http3_models import URL
from http3_models._cookies.cookie import (
    MAX_LIFETIME,
    Cookie,
    default_path,
    domain_matches,
    domains_of,
    is_ip,
    path_matches,
)
from http3_models._cookies.set_cookie import parse_set_cookie
from http3_models._cookies.store import MAX_COOKIES, MAX_PER_DOMAIN, CookieStore

NOW = 1_700_000_000.0


def receive(store: CookieStore, url: str, *fields: str, now: float = NOW) -> list[Cookie | None]:
    """Take Set-Cookie fields in as from a response to ``url``."""
    at = URL(url)
    taken = []
    for text in fields:
        field = parse_set_cookie(text)
        assert field is not None
        taken.append(store.receive(field, at.host, at.path, at.is_ssl, now))
    return taken


def sent(store: CookieStore, url: str, *, undomained: bool = False, now: float = NOW) -> str:
    """The Cookie header for a request to ``url``."""
    at = URL(url)
    found = store.matching(at.host, at.path, at.is_ssl, now, undomained)
    return "; ".join([cookie.pair for cookie in found])


def put(store: CookieStore, name: str, value: str, domain: str = "", path: str = "/") -> Cookie:
    """Store a cookie as the caller's."""
    cookie = Cookie(name, value, domain, path)
    store.put(cookie)
    return cookie


@pytest.fixture
def store() -> CookieStore:
    return CookieStore()


class TestRules:
    @pytest.mark.parametrize(
        ("path", "cookie_path", "matches"),
        [
            ("/", "/", True),
            ("/a", "/", True),
            ("/a", "/a", True),
            ("/a/", "/a", True),
            ("/a/b", "/a", True),
            ("/a/b", "/a/", True),
            ("/ab", "/a", False),
            ("/a", "/a/", False),
            ("/a", "/A", False),
            ("/", "/a", False),
            ("/a//b", "/a/", True),
        ],
    )
    def test_path_matches(self, path: str, cookie_path: str, matches: bool) -> None:
        assert path_matches(path, cookie_path) is matches

    @pytest.mark.parametrize(
        ("path", "default"),
        [("/", "/"), ("/a", "/"), ("/a/", "/a"), ("/a/b", "/a"), ("/a/b/", "/a/b"), ("", "/"), ("*", "/")],
    )
    def test_default_path(self, path: str, default: str) -> None:
        assert default_path(path) == default

    @pytest.mark.parametrize(
        ("host", "domain", "matches"),
        [
            ("example.org", "example.org", True),
            ("a.b.example.org", "example.org", True),
            ("badexample.org", "example.org", False),
            ("example.org", "a.example.org", False),
            ("127.0.0.1", "127.0.0.1", True),
            ("127.0.0.1", "0.0.1", False),
            ("1.2.3.4", "4", False),
            ("::1", "::1", True),
            ("example.org.", "example.org", False),
        ],
    )
    def test_domain_matches(self, host: str, domain: str, matches: bool) -> None:
        assert domain_matches(host, domain) is matches

    def test_parents(self) -> None:
        assert domains_of("a.b.example.org") == ["a.b.example.org", "b.example.org", "example.org", "org"]
        assert domains_of("localhost") == ["localhost"]
        assert domains_of("10.0.0.1") == ["10.0.0.1"]
        assert domains_of("fe80::1") == ["fe80::1"]
        assert domains_of("example.org.") == ["example.org.", "org."]

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1", "a.0x7f", "10.1", "1"])
    def test_addresses(self, host: str) -> None:
        assert is_ip(host)

    @pytest.mark.parametrize("host", ["example.org", "1and1.com", "1.example", "x0", "a.b0x"])
    def test_names(self, host: str) -> None:
        assert not is_ip(host)


class TestDomains:
    def test_a_cookie_without_domain_attribute_is_for_its_host_alone(self, store: CookieStore) -> None:
        receive(store, "https://example.org/", "a=b")
        assert sent(store, "https://example.org/") == "a=b"
        assert sent(store, "http://example.org:8080/x") == "a=b"
        assert sent(store, "https://www.example.org/") == ""
        assert sent(store, "https://org/") == ""

    @pytest.mark.parametrize("domain", ["example.org", ".example.org", ".EXAMPLE.org"])
    def test_a_domain_attribute_covers_subdomains(self, store: CookieStore, domain: str) -> None:
        receive(store, "https://www.example.org/", f"a=b; Domain={domain}")
        assert sent(store, "https://example.org/") == "a=b"
        assert sent(store, "https://x.y.example.org/") == "a=b"
        assert sent(store, "https://badexample.org/") == ""

    @pytest.mark.parametrize(
        "domain", ["other.org", "www.example.org", "ample.org", "org", ".org", "..example.org", "exämple.org"]
    )
    def test_domains_that_are_not_the_hosts_are_refused(self, store: CookieStore, domain: str) -> None:
        assert receive(store, "https://example.org/", f"a=b; Domain={domain}") == [None]
        assert not store

    @pytest.mark.parametrize(
        ("host", "domain"),
        [
            ("example.co.uk", "co.uk"),
            ("example.com", "com"),
            ("a.localhost", "localhost"),
            ("evil.co.jp", "co.jp"),
            ("evil.github.io", "github.io"),
            ("evil.github.io", ".GitHub.io"),
            ("a.evil.herokuapp.com", "herokuapp.com"),
            ("evil.vercel.app", "vercel.app"),
            ("evil.azurewebsites.net", "azurewebsites.net"),
        ],
    )
    def test_public_suffixes_are_refused(self, store: CookieStore, host: str, domain: str) -> None:
        assert receive(store, f"https://{host}/", f"a=b; Domain={domain}") == [None]

    @pytest.mark.parametrize("host", ["localhost", "co.uk", "intranet", "github.io", "co.jp"])
    def test_a_host_that_is_a_suffix_may_name_itself(self, store: CookieStore, host: str) -> None:
        receive(store, f"https://{host}/", f"a=b; Domain={host}")
        assert sent(store, f"https://{host}/") == "a=b"
        assert sent(store, f"https://www.{host}/") == ""

    @pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
    def test_addresses_match_exactly(self, store: CookieStore, host: str) -> None:
        receive(store, f"http://{host}/", "a=b", f"c=d; Domain={URL(f'http://{host}').host}")
        assert sent(store, f"http://{host}:81/") == "a=b; c=d"
        assert sent(store, "http://10.0.0.1/") == ""
        assert receive(store, "http://127.0.0.1/", "a=b; Domain=0.0.1") == [None]


class TestSecure:
    def test_plain_http_does_not_get_secure_cookies(self, store: CookieStore) -> None:
        receive(store, "https://example.org/", "a=b; Secure", "c=d")
        assert sent(store, "https://example.org/") == "a=b; c=d"
        assert sent(store, "http://example.org/") == "c=d"

    def test_plain_http_does_not_set_secure_cookies(self, store: CookieStore) -> None:
        assert receive(store, "http://example.org/", "a=b; Secure") == [None]

    @pytest.mark.parametrize(
        ("url", "field", "taken"),
        [
            ("http://example.org/", "a=evil", False),
            ("http://example.org/", "a=evil; Max-Age=0", False),
            ("http://example.org/", "a=evil; Domain=example.org", False),
            ("http://www.example.org/", "a=evil; Domain=example.org", False),
            ("http://www.example.org/", "a=evil", False),  # lies under the Secure one's domain
            ("http://example.org/", "a=evil; Path=/login/deep", False),
            ("http://example.org/", "a=other; Path=/log", True),
            ("http://example.org/", "a=other; Path=/", True),  # /login is not below / for the new one
            ("http://example.org/", "b=other", True),
            ("http://example.com/", "a=other", True),
        ],
    )
    def test_plain_http_does_not_shadow_secure_cookies(
        self, store: CookieStore, url: str, field: str, taken: bool
    ) -> None:
        receive(store, "https://www.example.org/", "a=good; Secure; Domain=example.org; Path=/login")
        if "Path" not in field:
            field += "; Path=/login"
        assert (receive(store, url, field) != [None]) is taken
        assert "a=good" in sent(store, "https://example.org/login")

    def test_an_expired_secure_cookie_shadows_nothing(self, store: CookieStore) -> None:
        receive(store, "https://example.org/", "a=good; Secure; Max-Age=10")
        assert receive(store, "http://example.org/", "a=new", now=NOW + 11) != [None]

    def test_https_may_replace_it(self, store: CookieStore) -> None:
        receive(store, "https://example.org/", "a=good; Secure", "a=new")
        assert sent(store, "http://example.org/") == "a=new"

    @pytest.mark.parametrize(
        ("url", "field", "taken"),
        [
            ("https://example.org/", "__Secure-a=b; Secure", True),
            ("https://example.org/", "__Secure-a=b", False),
            ("https://example.org/", "__sECURE-a=b", False),
            ("http://example.org/", "__Secure-a=b; Secure", False),
            ("https://example.org/", "__Host-a=b; Secure; Path=/", True),
            ("https://example.org/", "__Host-a=b; Secure; Path=/; Domain=", True),
            ("https://example.org/", "__Host-a=b; Path=/", False),
            ("https://example.org/", "__Host-a=b; Secure", False),
            ("https://example.org/", "__Host-a=b; Secure; Path=/x", False),
            ("https://example.org/", "__Host-a=b; Secure; Path=/; Domain=example.org", False),
            ("https://example.org/", "__HOST-a=b; Secure; Path=/; Domain=example.org", False),
            ("https://example.org/", "=__Host-a=b; Secure; Path=/", False),
            ("https://example.org/", "__Secure-a; Secure", False),
            ("https://example.org/", "__Hosta=b", True),
        ],
    )
    def test_prefixes(self, store: CookieStore, url: str, field: str, taken: bool) -> None:
        assert (receive(store, url, field) != [None]) is taken


class TestExpiry:
    @pytest.mark.parametrize(
        ("attributes", "life"),
        [
            ("Max-Age=60", 60),
            ("Expires=Tue, 14 Nov 2023 22:14:20 GMT", 60),
            ("Expires=Tue, 14 Nov 2033 22:14:20 GMT; Max-Age=60", 60),
            ("Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", 60),
            ("Max-Age=" + "9" * 900, MAX_LIFETIME),
            ("Expires=Fri, 31 Dec 9999 23:59:59 GMT", MAX_LIFETIME),
        ],
    )
    def test_it_goes_when_its_time_is_over(self, store: CookieStore, attributes: str, life: float) -> None:
        receive(store, "https://example.org/", f"a=b; {attributes}")
        assert sent(store, "https://example.org/", now=NOW + life - 0.5) == "a=b"
        assert store.find("a", None, None, NOW + life - 0.5)
        assert not store.find("a", None, None, NOW + life)
        assert sent(store, "https://example.org/", now=NOW + life) == ""
        assert not store  # and is removed when it is found

    @pytest.mark.parametrize(
        "attributes",
        ["Max-Age=0", "Max-Age=-5", "Expires=Thu, 01 Jan 1970 00:00:00 GMT", "Max-Age=-" + "9" * 900],
    )
    def test_the_past_removes(self, store: CookieStore, attributes: str) -> None:
        receive(store, "https://example.org/", "a=b", "c=d", f"a=; {attributes}")
        assert sent(store, "https://example.org/") == "c=d"
        receive(store, "https://example.org/", f"unknown=; {attributes}")
        assert sent(store, "https://example.org/") == "c=d"

    def test_a_session_cookie_stays(self, store: CookieStore) -> None:
        receive(store, "https://example.org/", "a=b; Expires=whenever")
        assert sent(store, "https://example.org/", now=NOW + 10**9) == "a=b"


class TestOrder:
    def test_longer_paths_first_then_older(self, store: CookieStore) -> None:
        receive(
            store,
            "https://www.example.org/x/y/z",
            "root=1; Path=/",
            "deep=2; Path=/x/y",
            "wide=3; Path=/; Domain=example.org",
            "deeper=4; Path=/x/y/z",
            "default=5",
        )
        assert sent(store, "https://www.example.org/x/y/z") == "deeper=4; deep=2; default=5; root=1; wide=3"

    def test_a_replaced_cookie_keeps_its_place(self, store: CookieStore) -> None:
        receive(store, "https://example.org/", "a=1", "b=2", "a=3")
        assert sent(store, "https://example.org/") == "a=3; b=2"
        assert [cookie.name for cookie in store] == ["a", "b"]

    def test_host_only_and_wide_cookies_are_two(self, store: CookieStore) -> None:
        receive(store, "https://example.org/", "a=host", "a=wide; Domain=example.org")
        assert sent(store, "https://example.org/") == "a=host; a=wide"
        assert sent(store, "https://www.example.org/") == "a=wide"

    def test_a_nameless_cookie_is_its_value(self, store: CookieStore) -> None:
        receive(store, "https://example.org/", "token", "a=b", "other")
        assert sent(store, "https://example.org/") == "other; a=b"


class TestWithoutDomain:
    def test_only_where_the_caller_says(self, store: CookieStore) -> None:
        put(store, "a", "1")
        assert sent(store, "https://example.org/", undomained=True) == "a=1"
        assert sent(store, "https://example.org/") == ""

    def test_paths_apply(self, store: CookieStore) -> None:
        put(store, "a", "1", path="/x")
        assert sent(store, "https://example.org/x/y", undomained=True) == "a=1"
        assert sent(store, "https://example.org/", undomained=True) == ""

    def test_a_server_that_renews_it_gets_the_new_value_alone(self, store: CookieStore) -> None:
        put(store, "session", "old")
        receive(store, "https://example.org/login", "session=new")
        assert sent(store, "https://example.org/", undomained=True) == "session=new"
        assert sent(store, "https://example.com/", undomained=True) == "session=old"

    def test_a_server_that_ends_it_does_not_see_it_again(self, store: CookieStore) -> None:
        put(store, "session", "old")
        receive(store, "https://example.org/", "session=new", "session=; Max-Age=0")
        assert sent(store, "https://example.org/", undomained=True) == ""
        assert sent(store, "https://example.com/", undomained=True) == "session=old"

    def test_only_within_the_path_and_domain_that_the_server_named(self, store: CookieStore) -> None:
        put(store, "session", "old")
        receive(store, "https://www.example.org/", "session=new; Path=/shop; Domain=example.org")
        assert sent(store, "https://example.org/shop", undomained=True) == "session=new"
        assert sent(store, "https://example.org/", undomained=True) == "session=old"

    def test_a_refused_cookie_changes_nothing(self, store: CookieStore) -> None:
        put(store, "session", "old")
        receive(store, "http://example.org/", "session=new; Secure")
        assert sent(store, "http://example.org/", undomained=True) == "session=old"

    def test_the_callers_word_is_the_last_if_it_came_last(self, store: CookieStore) -> None:
        receive(store, "https://example.org/", "session=server", "a=b")
        put(store, "session", "mine")
        assert sent(store, "https://example.org/", undomained=True) == "a=b; session=mine"
        assert sent(store, "https://example.org/") == "session=server; a=b"

    def test_what_is_remembered_of_servers_is_bounded(self, store: CookieStore) -> None:
        mine = put(store, "session", "old")
        for number in range(2 * MAX_PER_DOMAIN):
            receive(store, f"https://host-{number}.org/", "session=; Max-Age=0")
            receive(store, f"https://host-{number}.org/", "session=; Max-Age=0")
        assert len(mine.overridden) == MAX_PER_DOMAIN


class TestBounds:
    def test_per_domain_the_least_used_goes(self, store: CookieStore) -> None:
        for number in range(MAX_PER_DOMAIN):
            receive(store, "https://example.org/", f"c{number}=1; Path=/{number}")
        sent(store, "https://example.org/0")
        receive(store, "https://example.org/", "new=1")
        names = {cookie.name for cookie in store}
        assert len(names) == MAX_PER_DOMAIN
        assert {"c0", "new"} < names
        assert "c1" not in names

    def test_expired_ones_go_first_then_those_not_secure(self, store: CookieStore) -> None:
        receive(store, "https://example.org/", "plain=1", *[f"c{n}=1; Secure" for n in range(178)])
        receive(store, "https://example.org/", "brief=1; Max-Age=1")
        receive(store, "https://example.org/", "new=1; Secure", now=NOW + 2)
        assert "brief" not in {cookie.name for cookie in store}
        receive(store, "https://example.org/", "newer=1; Secure", now=NOW + 2)
        names = {cookie.name for cookie in store}
        assert "plain" not in names
        assert len(names) == MAX_PER_DOMAIN

    def test_in_all(self, store: CookieStore) -> None:
        put(store, "mine", "1")
        for number in range(MAX_COOKIES + 1):
            receive(store, f"https://host-{number}.org/", "a=b")
        assert MAX_COOKIES - 500 < len(list(store)) <= MAX_COOKIES
        assert sent(store, f"https://host-{MAX_COOKIES}.org/") == "a=b"
        assert sent(store, "https://host-0.org/") == ""
        assert sent(store, "https://host-0.org/", undomained=True) == "mine=1"

    def test_the_callers_own_are_neither_counted_nor_evicted(self, store: CookieStore) -> None:
        for number in range(MAX_COOKIES + 10):
            put(store, f"c{number}", "1", "example.org")
        receive(store, "https://example.org/", "a=b")
        assert len(list(store)) == MAX_COOKIES + 11


class TestChanges:
    class Log:
        def __init__(self) -> None:
            self.lines: list[str] = []

        def put(self, cookie: Cookie) -> None:
            self.lines.append(f"+{cookie.pair}")

        def drop(self, cookie: Cookie) -> None:
            self.lines.append(f"-{cookie.pair}")

    def test_a_mirror_is_called_for_each(self, store: CookieStore) -> None:
        log = store.mirror = self.Log()
        receive(store, "https://example.org/", "a=1; Max-Age=5", "a=2; Max-Age=5", "b=3", "b=; Max-Age=0")
        sent(store, "https://example.org/", now=NOW + 6)
        store.drop(Cookie("c", "4"))
        assert log.lines == ["+a=1", "+a=2", "+b=3", "-b=3", "-a=2"]

    def test_copies_go_their_own_way(self, store: CookieStore) -> None:
        store.mirror = self.Log()
        receive(store, "https://example.org/", "a=1", "b=2")
        twin = store.copy()
        receive(twin, "https://example.org/", "a=3")
        assert twin.mirror is None
        assert sent(store, "https://example.org/") == "a=1; b=2"
        assert sent(twin, "https://example.org/") == "a=3; b=2"

    def test_cookies_compare_by_what_they_say(self) -> None:
        assert Cookie("a", "1", "example.org") == Cookie("a", "1", "example.org")
        assert Cookie("a", "1") != Cookie("a", "2")
        assert Cookie("a", "1") != "a=1"
        assert len({Cookie("a", "1"), Cookie("a", "1")}) == 1
        assert repr(Cookie("a", "hush", "example.org", "/x")) == "<Cookie a=[secure] for example.org/x>"


HOSTS = [
    "example.org",
    "www.example.org",
    "a.www.example.org",
    "example.com",
    "co.uk",
    "a.co.uk",
    "localhost",
    "127.0.0.1",
    "1.127.0.0.1",
    "::1",
    "badexample.org",
]
PATHS = ["/", "/a", "/a/", "/a/b", "/ab", "/A"]
DOMAINS = [None, "", *HOSTS, "org", ".example.org", "0.0.1"]

fields = st.tuples(
    st.sampled_from(HOSTS),
    st.sampled_from(PATHS),
    st.booleans(),
    st.sampled_from(["a", "b", "__Host-a", "__Secure-b", ""]),
    st.sampled_from(DOMAINS),
    st.sampled_from([None, *PATHS]),
    st.booleans(),
    st.sampled_from([None, -1, 0, 10, 20]),
)


@settings(max_examples=300)
@given(st.lists(fields, max_size=12), st.sampled_from(HOSTS), st.sampled_from(PATHS), st.booleans())
def test_no_cookie_reaches_where_it_must_not(
    received: list[tuple[str, str, bool, str, str | None, str | None, bool, int | None]],
    host: str,
    path: str,
    is_secure: bool,
) -> None:
    """Every cookie sent is checked against the words of the RFC, written anew; its value names it."""
    store = CookieStore()
    for number, (at, under, over_tls, name, domain, cookie_path, secure, age) in enumerate(received):
        text = f"{name}=v{number}"
        text += "" if domain is None else f"; Domain={domain}"
        text += "" if cookie_path is None else f"; Path={cookie_path}"
        text += "; Secure" if secure else ""
        text += "" if age is None else f"; Max-Age={age}"
        field = parse_set_cookie(text)
        assert field is not None
        store.receive(field, at, under, over_tls, NOW)
    lengths: list[int] = []
    for cookie in store.matching(host, path, is_secure, NOW + 15, False):
        at, under, over_tls, name, domain, cookie_path, secure, age = received[int(cookie.value[1:])]
        shared = (domain or "").removeprefix(".")
        if shared in ("", "localhost", "co.uk") or at.replace(".", "").isdigit():
            assert host == at
        else:
            assert at == shared or at.endswith("." + shared)
            assert host == shared or host.endswith("." + shared)
        scope = under[: under.rindex("/")] or "/" if cookie_path is None else cookie_path
        assert path == scope or path.startswith(scope.rstrip("/") + "/")
        assert not secure or (over_tls and is_secure)
        assert age is None or age > 15
        assert not name.startswith("__") or secure
        assert name != "__Host-a" or (host == at and cookie_path == "/" and not domain)
        lengths.append(len(scope))
    assert lengths == sorted(lengths, reverse=True)


class TestHostsWithADotAtTheEnd:
    def test_cookies_without_domain_go_there_only_where_the_caller_asked(self, store: CookieStore) -> None:
        put(store, "session", "secret")
        assert sent(store, "https://evil.example./") == ""
        assert sent(store, "https://evil.example./", undomained=True) == "session=secret"


HOSTS = ["example.org", "a.example.org", "b.a.example.org", "other.org", "org", "127.0.0.1", "example.org."]
LONG = ".".join("abcdefghijkl")  # more labels than the store enters a domain under
SECURE = st.sampled_from([*HOSTS, f"{LONG}.org", f"x.{LONG}.org", f"y.{LONG}.org"])


class TestIndexes:
    @given(
        st.lists(st.tuples(SECURE, st.sampled_from(["a", "b"]), st.sampled_from(["/", "/x"]), st.booleans())),
        st.lists(st.integers(0, 8)),
        SECURE,
        st.sampled_from(["/", "/x", "/xy"]),
    )
    def test_plain_http_shadows_no_secure_cookie(
        self, cookies: list[tuple[str, str, str, bool]], dropped: list[int], host: str, path: str
    ) -> None:
        store = CookieStore()
        for domain, name, cookie_path, secure in cookies:
            store.put(Cookie(name, "1", domain, cookie_path, secure=secure))
        for number in dropped:
            if len(list(store)) > number:
                store.drop(list(store)[number])
        shadowed = any(
            each.secure
            and each.name == "a"
            and path_matches(path, each.path)
            and (domain_matches(host, each.domain) or domain_matches(each.domain, host))
            for each in store
        )
        taken = receive(store, f"http://{host}/", f"a=2; Path={path}")
        assert (taken == [None]) == shadowed

    @given(
        st.lists(st.tuples(st.sampled_from(HOSTS), st.sampled_from("abc"), st.booleans(), st.booleans())),
        st.sampled_from(HOSTS),
    )
    def test_a_lookup_finds_what_a_look_at_all_finds(
        self, changes: list[tuple[str, str, bool, bool]], domain: str
    ) -> None:
        store = CookieStore()
        for host, name, secure, is_there in changes:
            cookie = Cookie(name, "1", host, secure=secure, from_server=True)
            (store.put if is_there else store.drop)(cookie)
        for name in "abc":
            named = [each for each in store if each.name == name]
            assert store.find(name, None, None, NOW) == named
            assert store.find(name, domain, None, NOW) == [each for each in named if each.domain == domain]
            assert store.named(domain, name) == store.find(name, domain, None, NOW)
        twin = pickle.loads(pickle.dumps(store))
        assert list(twin) == list(store.copy()) == list(store)
        for cookie in list(store):
            store.drop(cookie)
        assert not any([store._domains, store._names, store._secure])
        assert store._received == 0


def crowd(secure: str = "") -> CookieStore:
    """3,000 cookies of as many sites, and one of the caller's for each."""
    store = CookieStore()
    for number in range(MAX_COOKIES):
        receive(store, f"https://a.site-{number}.example/", f"sid=1{secure}")
        put(store, f"own-{number}", "1")
    return store


class TestCost:
    """Some microseconds each; milliseconds if it looked at all cookies."""

    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize("attributes", ["", "; Domain=site-7.example", "; Max-Age=0"])
    def test_a_response_costs_what_its_own_domain_has(self, scheme: str, attributes: str) -> None:
        store = crowd("; Secure")
        field = parse_set_cookie("other=2" + attributes)
        assert field is not None
        begun = time.process_time()
        for _ in range(3_000):
            store.receive(field, "site-7.example", "/", scheme == "https", NOW)
        assert time.process_time() - begun < 1

    def test_a_request_costs_what_its_own_domain_has(self) -> None:
        store = crowd()
        begun = time.process_time()
        for _ in range(3_000):
            store.matching("a.site-7.example", "/", True, NOW, undomained=False)
            assert len(store.find("sid", "a.site-7.example", None, NOW)) == 1
            assert len(store.find("own-7", None, None, NOW)) == 1
        assert time.process_time() - begun < 1

    def test_cookies_of_the_caller_make_no_room_necessary(self) -> None:
        store = CookieStore()
        for number in range(MAX_COOKIES + 1000):
            put(store, f"own-{number}", "1")
        field = parse_set_cookie("sid=1")
        assert field is not None
        begun = time.process_time()
        for number in range(1_000):
            store.receive(field, f"site-{number}.example", "/", False, NOW)
        assert time.process_time() - begun < 1
        assert len(list(store)) == MAX_COOKIES + 2000
