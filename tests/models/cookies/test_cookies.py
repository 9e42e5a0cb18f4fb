"""`Cookies`: the mapping, whom cookies without a domain go to, headers in and out, and `CookieJar`s."""

from __future__ import annotations

import copy
import http.cookiejar
import pathlib
import pickle
import subprocess
import sys
import time
import typing
import urllib.request
from collections.abc import Callable, MutableMapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http3_models import URL, AsyncRequest, CookieConflict, Cookies, CookieTypes, Headers, Request, Response
from http3_models.engine import join_cookie_headers

NOW = 1_700_000_000.0
HOME = "https://example.org/"


def clock() -> float:
    """A clock that stands; a function of the module, so that it pickles."""
    return NOW


def received(*fields: str, url: str = HOME, cookies: Cookies | None = None) -> Cookies:
    """Cookies that were set by a response to ``url``."""
    cookies = Cookies(now=clock) if cookies is None else cookies
    cookies.extract(URL(url), Headers([("Set-Cookie", field) for field in fields]))
    return cookies


def header(cookies: Cookies, url: str = HOME, **options: typing.Any) -> str | None:
    found = cookies.header_for(URL(url), **options)
    return None if found is None else found.decode()


class TestMapping:
    def test_of_a_dict(self) -> None:
        cookies = Cookies({"a": "1", "b": "2"})
        assert isinstance(cookies, MutableMapping)
        assert dict(cookies) == {"a": "1", "b": "2"} == cookies
        assert cookies["a"] == "1"
        assert "a" in cookies
        assert "c" not in cookies
        assert len(cookies) == 2
        assert list(cookies) == ["a", "b"]

    def test_of_pairs_and_of_cookies(self) -> None:
        cookies = Cookies([("a", "1"), ("b", "2")])
        twin = Cookies(cookies)
        twin["a"] = "3"
        assert (cookies["a"], twin["a"]) == ("1", "3")
        assert Cookies() == {}
        assert not Cookies(None)

    @pytest.mark.parametrize("cookies", ["a=b", b"a=b", 5, [("a",)], ["ab"], object()])
    def test_other_types_are_refused(self, cookies: typing.Any) -> None:
        with pytest.raises(TypeError, match="cookies must be"):
            Cookies(cookies)

    def test_setting_and_deleting(self) -> None:
        cookies = Cookies()
        cookies["a"] = "1"
        cookies["a"] = "2"
        assert cookies["a"] == "2"
        del cookies["a"]
        assert not cookies
        with pytest.raises(KeyError):
            cookies["a"]
        with pytest.raises(KeyError):
            del cookies["a"]
        cookies.delete("a")
        assert cookies.pop("a", "gone") == "gone"
        assert cookies.setdefault("b", "3") == "3"

    def test_get(self) -> None:
        cookies = Cookies({"a": "1"})
        cookies.set("a", "2", domain="Example.org", path="/x")
        assert cookies.get("none") is None
        assert cookies.get("none", "default") == "default"
        assert cookies.get("a", domain="example.org") == "2"
        assert cookies.get("a", domain=".example.org", path="/x") == "2"
        assert cookies.get("a", domain="") == "1"
        assert cookies.get("a", path="/") == "1"
        assert cookies.get("a", domain="example.com") is None

    def test_several_of_a_name_conflict(self) -> None:
        cookies = Cookies({"a": "1"})
        cookies.set("a", "2", domain="example.org", path="/x")
        with pytest.raises(CookieConflict, match=r"'a' \(any host/, example.org/x\); give domain or path"):
            cookies["a"]
        with pytest.raises(CookieConflict):
            cookies.get("a")
        assert len(cookies) == 1
        assert list(cookies) == ["a"]
        assert "a" in cookies
        assert cookies != {"a": "1"}
        del cookies["a"]
        assert not cookies

    def test_delete_and_clear_narrow_down(self) -> None:
        cookies = Cookies({"a": "1", "b": "2"})
        cookies.set("a", "3", domain="example.org")
        cookies.set("c", "4", domain="example.org", path="/x")
        cookies.delete("a", domain="")
        assert cookies == Cookies(cookies)
        assert cookies["a"] == "3"
        cookies.clear(domain="example.org", path="/x")
        assert list(cookies) == ["b", "a"]
        cookies.clear(domain="example.org")
        assert list(cookies) == ["b"]
        cookies.clear(path="/x")
        assert list(cookies) == ["b"]
        cookies.clear()
        assert not cookies

    def test_update(self) -> None:
        cookies = Cookies({"a": "1"})
        cookies.update({"a": "2"}, b="3")
        cookies.update([("c", "4")])
        cookies.update(received("d=5"))
        cookies.update()
        assert cookies == received("d=5", cookies=Cookies({"a": "2", "b": "3", "c": "4"}))
        assert header(cookies, "https://example.com/") == "a=2; b=3; c=4"
        with pytest.raises(TypeError):
            cookies.update(5)

    def test_comparing(self) -> None:
        assert Cookies({"a": "1", "b": "2"}) == Cookies({"b": "2", "a": "1"})
        assert Cookies({"a": "1"}) != received("a=1")
        assert Cookies({"a": "1"}) != Cookies({"a": "2"})
        assert received("a=1") == {"a": "1"}
        assert Cookies() != []
        hash_of: typing.Callable[[object], int] = hash
        with pytest.raises(TypeError, match="unhashable"):
            hash_of(Cookies())

    def test_expired_cookies_are_not_there(self) -> None:
        time = [NOW]
        cookies = received("a=1; Max-Age=10", cookies=Cookies(now=lambda: time[0]))
        cookies.set("b", "2", expires=NOW + 20)
        assert len(cookies) == 2
        time[0] += 10
        assert dict(cookies) == {"b": "2"}
        assert cookies.get("a") is None
        time[0] += 10
        assert not cookies
        assert repr(cookies) == "<Cookies []>"

    def test_the_repr_hides_values(self) -> None:
        cookies = Cookies({"session": "hush"})
        cookies.set("b", "hush", domain="example.org")
        assert repr(cookies) == (
            "<Cookies [<Cookie session=[secure] for any host/>, <Cookie b=[secure] for example.org/>]>"
        )


class TestWhatCallersWrite:
    @pytest.mark.parametrize("bad", ["\r", "\n", "\x00", ";", "a\r\nSet-Cookie: x", "\x7f", "\ud800"])
    def test_what_could_split_a_header_is_refused(self, bad: str) -> None:
        cookies = Cookies()
        with pytest.raises(ValueError, match="value of cookie 'sid'"):
            cookies["sid"] = f"x{bad}"
        with pytest.raises(ValueError, match="name"):
            cookies[f"sid{bad}"] = "x"
        with pytest.raises(ValueError, match="path of cookie 'sid'"):
            cookies.set("sid", "x", path=f"/{bad}")
        with pytest.raises(ValueError, match="domain"):
            cookies.set("sid", "x", domain=f"example.org{bad}")
        assert not cookies

    @pytest.mark.parametrize("name", ["", "a=b"])
    def test_names_that_would_be_read_otherwise_are_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match="name"):
            Cookies({name: "x"})

    @pytest.mark.parametrize("value", [None, 1, b"x"])
    def test_values_are_text(self, value: typing.Any) -> None:
        with pytest.raises(TypeError, match="value of cookie 'a'"):
            Cookies({"a": value})
        with pytest.raises(TypeError, match="name"):
            Cookies().set(value, "x")
        with pytest.raises(TypeError, match="path"):
            Cookies().set("a", "x", path=value)
        with pytest.raises(TypeError, match="domain"):
            Cookies().set("a", "x", domain=value)

    @pytest.mark.parametrize("domain", ["example.org:80", "https://example.org", "exa mple", "-.org", "[::1"])
    def test_malformed_domains_are_refused(self, domain: str) -> None:
        with pytest.raises(ValueError, match="host without port"):
            Cookies().set("a", "x", domain=domain)

    @pytest.mark.parametrize("path", ["", "x", "x/"])
    def test_malformed_paths_are_refused(self, path: str) -> None:
        with pytest.raises(ValueError, match="start with '/'"):
            Cookies().set("a", "x", path=path)

    @pytest.mark.parametrize(
        ("domain", "url"),
        [
            ("EXAMPLE.org", "https://www.example.org/"),
            (".example.org", "https://example.org/"),
            ("bücher.example", "https://xn--bcher-kva.example/"),
            ("::1", "http://[::1]:8000/"),
            ("[::1]", "http://[::1]:8000/"),
            ("127.0.0.1", "http://127.0.0.1:8000/"),
            ("localhost", "http://localhost/"),
        ],
    )
    def test_a_domain_is_a_host_and_what_lies_under_it(self, domain: str, url: str) -> None:
        cookies = Cookies()
        cookies.set("a", "x", domain=domain)
        assert header(cookies, url) == "a=x"
        assert header(cookies, "https://example.com/") is None

    def test_secure(self) -> None:
        cookies = Cookies()
        cookies.set("a", "x", secure=True)
        assert header(cookies, "https://example.org/") == "a=x"
        assert header(cookies, "http://example.org/") is None

    names = st.text(min_size=1).filter(lambda text: "=" not in text)

    @given(st.dictionaries(names, st.text(), min_size=1))
    def test_names_and_values_arrive_as_written(self, pairs: dict[str, str]) -> None:
        try:
            cookies = Cookies(pairs)
        except ValueError:
            return
        line = cookies.header_for(URL(HOME))
        assert line is not None
        assert not {10, 13, 0} & set(line)
        assert [pair.split("=", 1) for pair in line.decode().split("; ")] == [
            list(pair) for pair in pairs.items()
        ]


class TestWithoutDomain:
    """A cookie without a domain goes to whom the caller asks, or to base_url's host."""

    @pytest.mark.parametrize(
        ("url", "direct", "base_url", "goes"),
        [
            ("https://example.org/", True, None, True),
            ("http://anything.test/", True, None, True),
            ("https://example.org/", False, None, False),
            ("https://api.test/v1/x", True, "https://api.test/v1", True),
            ("https://other.test/", True, "https://api.test/v1", False),
            ("https://sub.api.test/", True, "https://api.test/v1", False),
            ("https://api.test:8443/", True, "https://api.test/v1", True),
            ("https://api.test/", False, "https://api.test/v1", True),
            ("https://api.test:8443/", False, "https://api.test/v1", False),
            ("http://api.test/", False, "https://api.test/v1", False),
            ("https://other.test/", False, "https://api.test/v1", False),
        ],
    )
    def test_table(self, url: str, direct: bool, base_url: str | None, goes: bool) -> None:
        cookies = Cookies({"a": "x"})
        base = None if base_url is None else URL(base_url)
        assert header(cookies, url, direct=direct, base_url=base) == ("a=x" if goes else None)

    def test_others_go_by_their_domain(self) -> None:
        cookies = received("b=y", cookies=Cookies({"a": "x"}, now=clock))
        assert header(cookies, direct=False) == "b=y"
        assert header(cookies) == "a=x; b=y"


class TestHeaders:
    def test_an_empty_store_reads_no_clock(self) -> None:
        def broken() -> float:
            raise AssertionError("the clock was read")

        cookies = Cookies(now=broken)
        assert header(cookies) is None
        cookies.extract(URL(HOME), Headers({"Content-Type": "text/plain"}))
        assert not cookies
        assert "a" not in cookies

    @pytest.mark.parametrize("octets", [b"caf\xe9", "café".encode(), b"\xff\xfe", b'"quoted, value"'])
    def test_octets_go_back_as_they_came(self, octets: bytes) -> None:
        cookies = Cookies(now=clock)
        cookies.extract(URL(HOME), Headers([(b"Set-Cookie", b"a=" + octets)]))
        assert cookies.header_for(URL(HOME)) == b"a=" + octets
        twin = pickle.loads(pickle.dumps(cookies.copy()))
        assert twin.header_for(URL(HOME)) == b"a=" + octets
        again = Cookies(now=clock)
        again.update(cookies)
        assert again == cookies
        assert again.header_for(URL(HOME)) == b"a=" + octets

    @pytest.mark.parametrize(
        ("field", "name", "value"),
        [
            (b"a=caf\xe9", "a", "caf\u00e9"),
            ("a=caf\u00e9".encode(), "a", "caf\u00e9"),
            (b"na\xefve=caf\xe9", "na\u00efve", "caf\u00e9"),
            (b"a=\xff\x80; Path=/\xe9; Comment=\xff", "a", "\u00ff\u0080"),
            ("a=\u2603; Comment=".encode() + b"\xff", "a", "\u2603"),
            (b"a=" + b"\xe9" * 4095, "a", "\u00e9" * 4095),
        ],
    )
    def test_octets_are_shown_as_utf_8_or_latin_1(self, field: bytes, name: str, value: str) -> None:
        cookies = Cookies(now=clock)
        cookies.extract(URL(HOME), Headers([(b"Set-Cookie", field)]))
        assert dict(cookies) == {name: value}
        assert str(dict(cookies)).encode()  # what printing does

    def test_latin_1_and_utf_8_in_one_header(self) -> None:
        cookies = Cookies({"own": "caf\u00e9"}, now=clock)
        fields = [(b"Set-Cookie", b"l=caf\xe9"), (b"Set-Cookie", "u=caf\u00e9".encode())]
        cookies.extract(URL(HOME), Headers(fields))
        assert cookies["own"] == cookies["l"] == cookies["u"] == "caf\u00e9"
        expected = "own=caf\u00e9; ".encode() + b"l=caf\xe9; " + "u=caf\u00e9".encode()
        assert cookies.header_for(URL(HOME)) == expected
        request = Request("GET", HOME, headers={"Cookie": b"hand=\xe8"})
        cookies.set_cookie_header(request)
        assert (b"Cookie", b"hand=\xe8; " + expected) in request.headers.wire

    def test_latin_1_through_a_jar(self) -> None:
        mine = http.cookiejar.CookieJar()
        cookies = Cookies(mine, now=clock)
        cookies.extract(URL(HOME), Headers([(b"Set-Cookie", b"a=caf\xe9")]))
        for jar in (mine, cookies.jar):
            assert [each.value for each in jar] == ["caf\u00e9"]
            assert Cookies(jar, now=clock).header_for(URL(HOME)) == b"a=caf\xe9"
        for each in list(cookies.jar):
            cookies.jar.set_cookie(each)
        assert cookies.header_for(URL(HOME)) == b"a=caf\xe9"
        (changed,) = mine
        changed.value = "\u2603"
        assert Cookies(mine, now=clock).header_for(URL(HOME)) == "a=\u2603".encode()

    @pytest.mark.parametrize("kind", [Request, AsyncRequest])
    def test_set_cookie_header(self, kind: type[Request | AsyncRequest]) -> None:
        cookies = received("a=1", "b=2", cookies=Cookies({"c": "3"}, now=clock))
        request = kind("GET", HOME)
        cookies.set_cookie_header(request)
        cookies.set_cookie_header(request)
        assert request.headers["Cookie"] == "c=3; a=1; b=2"
        by_hand = kind("GET", HOME, headers={"Cookie": "b=hand; d=4"})
        cookies.set_cookie_header(by_hand)
        assert by_hand.headers["Cookie"] == "b=hand; d=4; c=3; a=1"
        elsewhere = kind("GET", "https://example.com/", headers={"Cookie": "b=hand"})
        received("x=y").set_cookie_header(elsewhere)
        assert elsewhere.headers["Cookie"] == "b=hand"
        nothing = kind("GET", "https://example.com/")
        received("x=y").set_cookie_header(nothing)
        assert "Cookie" not in nothing.headers

    def test_extract_cookies(self) -> None:
        response = Response(
            200,
            headers=[("Set-Cookie", "a=1"), ("Age", "5"), ("set-cookie", "b=2; Path=/x"), ("Set-Cookie", "")],
            request=Request("GET", "https://example.org/deep/er"),
        )
        cookies = Cookies()
        cookies.extract_cookies(response)
        assert header(cookies, "https://example.org/deep/x") == "a=1"
        assert header(cookies, "https://example.org/x") == "b=2"
        assert response.cookies == {"a": "1", "b": "2"}

    @pytest.mark.parametrize(
        ("headers", "joined"),
        [
            ((), None),
            ((None, "", b""), None),
            (("a=1", None), b"a=1"),
            ((None, b"a=1"), b"a=1"),
            (("a=1; b=2", b"b=3; c=4", "c=5;d=6;; "), b"a=1; b=2; c=4; d=6"),
            (("a=1; a=2", "a=3"), b"a=1; a=2"),
            (("a=1", "b=2; b=3"), b"a=1; b=2; b=3"),
            (("token", "a=1", "other"), b"token; a=1"),
            (("a =1", "a=2"), b"a =1"),
            (("a=é", "b=2"), "a=é; b=2".encode()),
        ],
    )
    def test_joining(self, headers: tuple[str | bytes | None, ...], joined: bytes | None) -> None:
        assert join_cookie_headers(*headers) == joined


class TestTravel:
    def test_pickles_and_copies(self) -> None:
        cookies = received("b=2; Max-Age=10", cookies=Cookies({"a": "1"}, now=clock))
        assert cookies.jar
        for twin in (
            pickle.loads(pickle.dumps(cookies)),
            copy.deepcopy(cookies),
            copy.copy(cookies),
            cookies.copy(),
        ):
            assert twin == cookies
            assert header(twin) == "a=1; b=2"
            twin.set("a", "3")
            assert cookies["a"] == "1"
            assert twin.jar is not cookies.jar

    def test_a_jar_of_the_callers_stays_behind(self) -> None:
        jar = http.cookiejar.CookieJar()
        cookies = received("a=1", cookies=Cookies(jar, now=clock))
        for twin in (pickle.loads(pickle.dumps(cookies)), copy.deepcopy(cookies), cookies.copy()):
            twin.set("b", "2")
            assert header(twin) == "a=1; b=2"
        assert [cookie.name for cookie in jar] == ["a"]

    def test_a_subclass_stays_one(self) -> None:
        class Mine(Cookies):
            pass

        assert type(copy.deepcopy(Mine({"a": "1"}))) is Mine

    def test_an_alias_for_annotations(self) -> None:
        assert len(typing.get_args(CookieTypes)) == 4

    def test_http_cookiejar_is_not_loaded_for_nothing(self) -> None:
        program = (
            "import sys\n"
            "from http3_models._cookies.cookies import Cookies\n"
            "from http3_models._headers.headers import Headers\n"
            "from http3_models._url.url import URL\n"
            "c = Cookies({'a': 'b'}); c.extract(URL('http://x.org'), Headers({'set-cookie': 'c=d'}))\n"
            "c.header_for(URL('http://x.org')); Cookies(c).update({'e': 'f'})\n"
            "names = ('http.cookiejar', 'publicsuffixlist', 'ssl', 'socket', 'threading')\n"
            "print([name for name in names if name in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=30
        )
        assert done.stdout.strip() == "[]"


def jar_cookie(
    name: str, value: str | None, domain: str = "", **changes: typing.Any
) -> http.cookiejar.Cookie:
    facts: dict[str, typing.Any] = {
        "version": 0,
        "name": name,
        "value": value,
        "port": None,
        "port_specified": False,
        "domain": domain,
        "domain_specified": domain.startswith("."),
        "domain_initial_dot": domain.startswith("."),
        "path": "/",
        "path_specified": True,
        "secure": False,
        "expires": None,
        "discard": True,
        "comment": None,
        "comment_url": None,
        "rest": {},
    }
    return http.cookiejar.Cookie(**(facts | changes))


class TestGivenJar:
    def test_it_is_read(self) -> None:
        jar = http.cookiejar.CookieJar()
        jar.set_cookie(jar_cookie("wide", "1", ".example.org"))
        jar.set_cookie(jar_cookie("host", "2", "example.org", secure=True))
        jar.set_cookie(jar_cookie("any", "3"))
        jar.set_cookie(jar_cookie("old", "4", "example.org", expires=int(NOW) - 1))
        jar.set_cookie(jar_cookie("local", "5", "localhost.local"))
        jar.set_cookie(jar_cookie("bare", None, "example.org"))
        cookies = Cookies(jar, now=clock)
        assert header(cookies, direct=False) == "wide=1; host=2; bare"
        assert header(cookies, "https://www.example.org/") == "wide=1; any=3"
        assert header(cookies, "http://example.org/", direct=False) == "wide=1; bare"
        assert header(cookies, "http://localhost/", direct=False) == "local=5"

    @pytest.mark.parametrize("value", ["a\r\nb", "a;b"])
    def test_what_cannot_be_sent_is_refused(self, value: str) -> None:
        jar = http.cookiejar.CookieJar()
        jar.set_cookie(jar_cookie("sid", value, "example.org"))
        with pytest.raises(ValueError, match="'sid'"):
            Cookies(jar)

    def test_changes_are_written_to_it(self) -> None:
        jar = http.cookiejar.CookieJar()
        cookies = received("a=1", "b=2; Domain=example.org", "token", cookies=Cookies(jar, now=clock))
        cookies.set("c", "3")
        assert sorted([(each.domain, each.name, each.value or "") for each in jar]) == [
            ("", "c", "3"),
            (".example.org", "b", "2"),
            ("example.org", "a", "1"),
            ("example.org", "token", ""),
        ]
        cookies.delete("a")
        received("b=; Domain=example.org; Max-Age=0", cookies=cookies)
        assert sorted([each.name for each in jar]) == ["c", "token"]
        cookies.clear()
        assert len(jar) == 0

    def test_what_the_caller_removed_already_is_no_error(self) -> None:
        jar = http.cookiejar.CookieJar()
        cookies = Cookies(jar)
        cookies.set("a", "1", domain="example.org")
        jar.clear()
        cookies.clear()
        assert not cookies

    def test_a_mozilla_jar_can_be_saved_and_loaded(self, tmp_path: pathlib.Path) -> None:
        jar = http.cookiejar.MozillaCookieJar(tmp_path / "cookies.txt")
        cookies = received(
            "a=1; Max-Age=100; HttpOnly; SameSite=Lax", "b=2; Domain=example.org", cookies=Cookies(jar)
        )
        cookies.set("c", "3")
        jar.save(ignore_discard=True)
        loaded = http.cookiejar.MozillaCookieJar(tmp_path / "cookies.txt")
        loaded.load(ignore_discard=True)
        assert header(Cookies(loaded)) == header(cookies) == "a=1; b=2; c=3"

    def test_updating_from_a_jar_writes_nothing_to_it(self) -> None:
        jar = http.cookiejar.CookieJar()
        jar.set_cookie(jar_cookie("a", "1", "example.org"))
        cookies = Cookies()
        cookies.update(jar)
        cookies.set("b", "2")
        assert header(cookies) == "a=1; b=2"
        assert len(jar) == 1


class TestJarView:
    def test_it_reads_the_store(self) -> None:
        cookies = received(
            "a=1; Secure; HttpOnly; SameSite=Strict; Max-Age=60",
            "b=2; Domain=example.org",
            "token",
            cookies=Cookies(now=clock),
        )
        jar = cookies.jar
        assert isinstance(jar, http.cookiejar.CookieJar)
        assert cookies.jar is jar
        assert jar
        first, second, third = jar
        assert (first.domain, first.path, first.name, first.value) == ("example.org", "/", "a", "1")
        assert (first.secure, first.expires, first.discard) == (True, NOW + 60, False)
        assert first.has_nonstandard_attr("HttpOnly")
        assert first.get_nonstandard_attr("SameSite") == "strict"
        assert (second.domain, second.domain_specified, second.discard) == (".example.org", True, True)
        assert (third.name, third.value) == ("token", None)
        received("c=3", cookies=cookies)
        assert len(jar) == 4
        assert repr(jar).startswith("<JarView [<Cookie a=[secure] for example.org/>, ")
        assert str(jar) == repr(jar)

    def test_it_writes_the_store(self) -> None:
        cookies = Cookies(now=clock)
        jar = cookies.jar
        assert not jar
        jar.set_cookie(jar_cookie("a", "1", ".example.org", secure=True, rest={"HttpOnly": None}))
        jar.set_cookie(jar_cookie("b", "2", "example.org", expires=int(NOW) + 5, path="no slash"))
        jar.set_cookie(jar_cookie("c", "3", "localhost.local"))
        assert header(cookies) == "a=1; b=2"
        assert header(cookies, "http://www.example.org/") is None
        assert header(cookies, "http://localhost/") == "c=3"
        assert [cookie.domain for cookie in jar] == [".example.org", "example.org", "localhost.local"]
        with pytest.raises(ValueError, match="'bad'"):
            jar.set_cookie(jar_cookie("bad", "a\nb", "example.org"))

    def test_what_goes_in_comes_out(self) -> None:
        cookies = received("a=1; Secure; HttpOnly; SameSite=Lax; Max-Age=60", "b=2; Domain=example.org")
        received("token", cookies=cookies)
        cookies["c"] = "3"
        received("d=4", url="http://localhost/", cookies=cookies)
        other = Cookies(now=clock)
        for cookie in cookies.jar:
            other.jar.set_cookie(cookie)
        assert other == cookies

    def test_clearing(self) -> None:
        cookies = received("a=1", "b=2; Path=/x", "c=3; Domain=example.org; Max-Age=9", "d=4; Path=/x")
        jar = cookies.jar
        jar.clear("example.org", "/x", "b")
        assert sorted(cookies) == ["a", "c", "d"]
        jar.clear("example.org", "/x")
        assert sorted(cookies) == ["a", "c"]
        jar.clear(".example.org")
        assert sorted(cookies) == ["a"]
        for missing in (("example.com",), ("example.org", "/y"), ("example.org", "/", "z")):
            with pytest.raises(KeyError):
                jar.clear(*missing)
        for half in ({"path": "/"}, {"name": "a", "domain": "example.org"}):
            with pytest.raises(ValueError, match="needs"):
                jar.clear(**half)
        jar.clear()
        assert not cookies
        jar.clear()

    def test_session_and_expired_cookies(self) -> None:
        time = [NOW]
        cookies = received("a=1", "b=2; Max-Age=5", "c=3; Max-Age=50", cookies=Cookies(now=lambda: time[0]))
        time[0] += 10
        cookies.jar.clear_expired_cookies()
        assert [cookie.name for cookie in cookies._store] == ["a", "c"]
        cookies.jar.clear_session_cookies()
        assert list(cookies) == ["c"]

    @pytest.mark.parametrize("host", ["example.org", "localhost"])
    def test_urllib_can_use_it(self, host: str) -> None:
        cookies = received("a=1", "b=2; Path=/x", url=f"http://{host}/", cookies=Cookies())
        if host == "example.org":
            received("c=3; Domain=example.org", url=f"http://{host}/", cookies=cookies)
        request = urllib.request.Request(f"http://{host}/")
        cookies.jar.add_cookie_header(request)
        expected = {"a=1", "c=3"} if host == "example.org" else {"a=1"}
        assert set((request.get_header("Cookie") or "").split("; ")) == expected

    def test_copies_and_pickles_stand_alone(self) -> None:
        cookies = received("a=1", cookies=Cookies(now=clock))
        for jar in (pickle.loads(pickle.dumps(cookies.jar)), copy.deepcopy(cookies.jar)):
            jar.clear()
            assert len(jar) == 0
        assert list(cookies) == ["a"]


def many(number: int = 20_000) -> Cookies:
    cookies = Cookies(now=clock)
    for at in range(number):
        cookies.set(f"name-{at}", "1", domain=f"h{at}.example" if at % 2 else "")
    return cookies


class TestCost:
    """Hundredths of a second each; minutes if it looked at all cookies each time."""

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda cookies, at: cookies.__setitem__(f"other-{at}", "2"), id="set"),
            pytest.param(lambda cookies, at: cookies.__delitem__(f"name-{at}"), id="del"),
            pytest.param(lambda cookies, at: cookies.setdefault(f"name-{at * 2}", "2"), id="setdefault"),
            pytest.param(lambda cookies, at: cookies.update({f"name-{at * 2}": "2"}), id="update"),
            pytest.param(lambda cookies, at: cookies.pop(f"name-{at * 2}", None), id="pop"),
            pytest.param(lambda cookies, at: cookies.popitem(), id="popitem"),
            pytest.param(lambda cookies, at: cookies.delete(f"name-{at * 2}"), id="delete"),
            pytest.param(lambda cookies, at: cookies.clear(f"h{at}.example"), id="clear a domain"),
            pytest.param(lambda cookies, at: cookies[f"name-{at}"] + cookies.get("none", ""), id="get"),
            pytest.param(lambda cookies, at: (f"name-{at * 2}" in cookies, bool(cookies)), id="in"),
            pytest.param(lambda cookies, at: cookies.header_for(URL(HOME), direct=False), id="send"),
        ],
    )
    def test_one_operation(self, change: Callable[[Cookies, int], object]) -> None:
        cookies = many()
        begun = time.process_time()
        for at in range(20_000):
            change(cookies, at)
        assert time.process_time() - begun < 5

    def test_all_at_once(self) -> None:
        cookies = many()
        begun = time.process_time()
        assert cookies == cookies.copy()
        assert len(cookies) == len(list(cookies)) == 20_000
        cookies.clear()
        assert not cookies
        assert time.process_time() - begun < 5

    def test_the_jar(self) -> None:
        cookies = many(3_000)
        jar = cookies.jar
        begun = time.process_time()
        request = urllib.request.Request("https://h7.example/")
        jar.add_cookie_header(request)
        assert str(request.get_header("Cookie")).endswith("name-2998=1; name-7=1")
        for at in range(3_000):
            jar.clear(f".h{at}.example" if at % 2 else "", "/", f"name-{at}")
        assert len(jar) == 0
        assert time.process_time() - begun < 5
