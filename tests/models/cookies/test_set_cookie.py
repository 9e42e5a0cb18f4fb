"""Set-Cookie fields and cookie dates (RFC 6265bis 5.6), and the working group's own cases."""

from __future__ import annotations

import calendar
import email.utils
import json
import sys
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http3_models import URL, Cookies
from http3_models._cookies.date import parse_cookie_date
from http3_models._cookies.public_suffix import from_table, is_public_suffix
from http3_models._cookies.public_suffix_table import HOSTERS
from http3_models._cookies.set_cookie import (
    MAX_ATTRIBUTE,
    MAX_PAIR,
    SetCookie,
    parse_set_cookie,
    to_bytes,
    to_text,
)
from http3_models.engine import headers_from_pairs

CASES = Path(__file__).parents[4] / "shared/data/http-state-parser.json"

# The cases were written for RFC 6265. What 6265bis changed, and what comes back instead.
NAMELESS = "6265bis 5.6 step 3: without '=' the whole is the value of a nameless cookie"
LAST_DOMAIN = "6265bis 5.7 step 8: the last Domain attribute counts, also if it is empty"
CONTROL = "6265bis 5.6 step 1: a control character voids the field"
DIFFERENT: dict[str, tuple[str | None, str]] = {
    "0004": ("foo", NAMELESS),
    "0021": ("a=b; x; c=d", NAMELESS),
    "0023": ("foo", NAMELESS),
    "0024": ("foo", NAMELESS),
    "0025": ("foo", NAMELESS),
    "0026": ("foo", NAMELESS),
    "0027": ("bar", NAMELESS),
    "0028": ("foo", NAMELESS),
    "CHROMIUM0009": ("BLAHHH", NAMELESS),
    "CHROMIUM0010": ('"BLA\\"HHH"', NAMELESS),
    "CHROMIUM0012": ("ABC", NAMELESS),
    "DISABLED_CHROMIUM0022": (None, CONTROL),
    "DISABLED_CHROMIUM0023": (None, CONTROL),
    "MOZILLA0012": ('test="fubar! = foo; five', NAMELESS),
    "MOZILLA0014": ("six", NAMELESS),
    "MOZILLA0015": ("seven", NAMELESS),
    "MOZILLA0016": ("eight", NAMELESS),
    "MOZILLA0017": ("eight; test=six", NAMELESS),
    "NAME0017": ("a=bar", NAMELESS),
    "NAME0023": ("foo", NAMELESS),
    "NAME0025": ("==a=bar", NAMELESS),
    "NAME0028": ("a", NAMELESS),
    "NAME0031": ('"foo', NAMELESS),
    "NAME0032": ('"foo\\"bar', NAMELESS),
    "NAME0033": ("aaa", NAMELESS),
    "OPTIONAL_DOMAIN0042": ("foo=bar", LAST_DOMAIN),
    # Escapes in a path are compared as they stand; the case is disabled in the suite itself.
    "DISABLED_PATH0029": (None, "6265bis 5.1.4: paths are compared octet by octet"),
}


def load_cases() -> list[typing.Any]:
    if not CASES.exists():
        return []
    cases: list[typing.Any] = json.loads(CASES.read_text(encoding="utf-8"))
    return cases


@pytest.mark.skipif(not CASES.exists(), reason="shared/data is not beside the checkout")
class TestWorkingGroup:
    @pytest.mark.parametrize("case", load_cases(), ids=lambda case: case["test"])
    def test_case(self, case: dict[str, typing.Any]) -> None:
        name = case["test"]
        url = URL(f"http://home.example.org:8888/cookie-parser?{name.lower().replace('_', '-')}")
        cookies = Cookies(now=lambda: 1_300_000_000.0)  # 2011, when the cases were written
        fields = [(b"set-cookie", field.encode()) for field in case["received"]]
        cookies.extract(url, headers_from_pairs(fields))
        sent = cookies.header_for(url.join(case.get("sent-to", f"/cookie-parser-result?{name}")))
        pairs = [f"{pair['name']}={pair['value']}" for pair in case["sent"]]
        expected = DIFFERENT[name][0] if name in DIFFERENT else "; ".join(pairs) or None
        assert sent == (None if expected is None else expected.encode())

    def test_the_differences_are_cases(self) -> None:
        cases = {case["test"]: case for case in load_cases()}
        assert len(cases) > 200
        for name, (header, reason) in DIFFERENT.items():
            pairs = [f"{pair['name']}={pair['value']}" for pair in cases[name]["sent"]]
            assert header != "; ".join(pairs), (name, reason)


def parsed(field: str) -> SetCookie:
    cookie = parse_set_cookie(field)
    assert cookie is not None
    return cookie


class TestSetCookie:
    @pytest.mark.parametrize(
        ("field", "name", "value"),
        [
            ("a=b", "a", "b"),
            (" a \t=\t b ; Path=/", "a", "b"),
            ("a=", "a", ""),
            ("a==b=", "a", "=b="),
            ("value", "", "value"),
            ("=value", "", "value"),
            ('a="b c"', "a", '"b c"'),
            ("a=b\tc", "a", "b\tc"),
        ],
    )
    def test_name_and_value(self, field: str, name: str, value: str) -> None:
        assert (parsed(field).name, parsed(field).value) == (name, value)

    @pytest.mark.parametrize("field", ["", "=", ";", " ; Path=/", "=;", "\t=\t"])
    def test_nothing_is_ignored(self, field: str) -> None:
        assert parse_set_cookie(field) is None

    @pytest.mark.parametrize("control", [chr(code) for code in (*range(9), *range(10, 32), 127)])
    @pytest.mark.parametrize("field", ["a{}=b", "a=b{}c", "a=b; Path=/{}", "a=b; x{}"])
    def test_controls_void_the_field(self, field: str, control: str) -> None:
        assert parse_set_cookie(field.format(control)) is None

    @pytest.mark.parametrize("character", ["x", "é"])
    def test_the_size_of_the_pair_is_bounded_in_octets(self, character: str) -> None:
        octets = len(character.encode())
        fits = character * ((MAX_PAIR - 2) // octets)
        assert parsed(f"ab={fits}").value == fits
        assert parse_set_cookie(f"abc={fits}{character}") is None

    def test_long_attributes_are_ignored(self) -> None:
        fits = "/" + "x" * (MAX_ATTRIBUTE - 1)
        assert parsed(f"a=b; Path={fits}").path == fits
        assert parsed(f"a=b; Path=/early; Path={fits}x").path == "/early"
        assert parsed(f"a=b; Secure={fits}x").secure is False

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("10", 10),
            ("-1", -1),
            ("0", 0),
            ("0010", 10),
            ("9" * 1000, int("9" * 1000)),
            ("", None),
            ("-", None),
            ("+1", None),
            ("1.5", None),
            ("1e3", None),
            ("--1", None),
            ("1-", None),
            ("٣", None),
        ],
    )
    def test_max_age(self, text: str, seconds: int | None) -> None:
        assert parsed(f"a=b; Max-Age={text}").max_age == seconds

    def test_an_unreadable_max_age_leaves_the_earlier_one(self) -> None:
        assert parsed("a=b; max-age=5; max-age=x").max_age == 5

    @pytest.mark.parametrize(
        ("text", "domain"),
        [("example.org", "example.org"), (".Example.ORG", "example.org"), ("..a", ".a"), ("", ""), (".", "")],
    )
    def test_domain(self, text: str, domain: str) -> None:
        assert parsed(f"a=b; domain={text}").domain == domain

    @pytest.mark.parametrize(
        ("text", "path"), [("/a", "/a"), ("a", None), ("", None), ('"/a"', None), ("/a b", "/a b")]
    )
    def test_path(self, text: str, path: str | None) -> None:
        cookie = parsed(f"a=b; path={text}")
        assert (cookie.path, cookie.has_path) == (path, True)

    @pytest.mark.parametrize(
        ("text", "same_site"), [("Lax", "lax"), ("STRICT", "strict"), ("none", "none"), ("x", None)]
    )
    def test_same_site(self, text: str, same_site: str | None) -> None:
        assert parsed(f"a=b; SameSite={text}").same_site == same_site

    def test_flags(self) -> None:
        cookie = parsed("a=b; SECURE; httponly=no; Unknown=1; Expires=never")
        assert (cookie.secure, cookie.http_only, cookie.expires) == (True, True, None)
        bare = parsed("a=b")
        assert (bare.secure, bare.http_only, bare.domain, bare.path, bare.has_path) == (
            False,
            False,
            None,
            None,
            False,
        )

    @given(st.text() | st.binary().map(to_text))
    def test_anything_is_read_or_ignored(self, field: str) -> None:
        cookie = parse_set_cookie(field)
        if cookie is not None:
            assert ";" not in cookie.name + cookie.value
            assert "=" not in cookie.name
            assert cookie.name.strip(" \t") == cookie.name
            assert cookie.value.strip(" \t") == cookie.value

    @given(st.binary())
    def test_octets_survive(self, octets: bytes) -> None:
        assert to_bytes(to_text(octets)) == octets


class TestDates:
    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("Sun, 06 Nov 1994 08:49:37 GMT", (1994, 11, 6, 8, 49, 37)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", (1994, 11, 6, 8, 49, 37)),
            ("Sun Nov  6 08:49:37 1994", (1994, 11, 6, 8, 49, 37)),
            ("1994 nov 08:49:37 6", (1994, 11, 6, 8, 49, 37)),
            ("6 November 1994 8:4:7", (1994, 11, 6, 8, 4, 7)),
            ("1 Jan 70 0:0:0", (1970, 1, 1, 0, 0, 0)),
            ("1 Jan 69 0:0:0", (2069, 1, 1, 0, 0, 0)),
            ("1 Jan 99 0:0:0", (1999, 1, 1, 0, 0, 0)),
            ("1 Jan 100 0:0:0 1999", None),
            ("29 Feb 2000 12:00:00", (2000, 2, 29, 12, 0, 0)),
            ("31 Dec 9999 23:59:59", (9999, 12, 31, 23, 59, 59)),
            ("1 Jan 1601 00:00:00", (1601, 1, 1, 0, 0, 0)),
            ("1th Jan 2020x 1:2:3pm", (2020, 1, 1, 1, 2, 3)),
            ("29 Feb 1900 12:00:00", None),
            ("29 Feb 2023 12:00:00", None),
            ("31 Apr 2020 12:00:00", None),
            ("0 Jan 2020 12:00:00", None),
            ("32 Jan 2020 12:00:00", None),
            ("1 Jan 1600 12:00:00", None),
            ("1 Jan 2020 24:00:00", None),
            ("1 Jan 2020 00:60:00", None),
            ("1 Jan 2020 00:00:60", None),
            ("1 Jan 2020 00:00", None),
            ("1 Jan 2020 00:00:001", None),
            ("1 Jan 20200 00:00:00", None),
            ("1 Foo 2020 00:00:00", None),
            ("Jan 2020 00:00:00", None),
            ("1 Jan 00:00:00", None),
            ("", None),
            ("tomorrow", None),
        ],
    )
    def test_dates(self, text: str, moment: tuple[int, ...] | None) -> None:
        expected = None if moment is None else float(calendar.timegm((*moment, 0, 0, 0)))
        assert parse_cookie_date(text) == expected

    @given(st.integers(min_value=-11_644_473_600, max_value=253_402_300_799))
    def test_agrees_with_the_calendar(self, moment: int) -> None:
        assert parse_cookie_date(email.utils.formatdate(moment, usegmt=True)) == moment

    @given(st.text())
    def test_anything_is_read_or_refused(self, text: str) -> None:
        moment = parse_cookie_date(text)
        assert moment is None or isinstance(moment, float)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra ``psl`` is not installed."""
    monkeypatch.setitem(sys.modules, "publicsuffixlist", None)
    monkeypatch.setattr("http3_models._cookies.public_suffix._check", None)


@pytest.fixture
def full_list(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("publicsuffixlist")
    monkeypatch.setattr("http3_models._cookies.public_suffix._check", None)


SUFFIXES = """
    com co.uk com.au co.jp localhost co.uk. com. ne.jp or.jp ac.jp go.jp com.br co.kr or.kr com.cn co.in
    co.nz co.za com.mx gob.mx com.tr com.tw com.sg com.hk nhs.uk ltd.uk plc.uk gouv.fr gub.uy ca.us
    tokyo.jp oslo.no anything.ck github.io gitlab.io herokuapp.com vercel.app netlify.app
    azurewebsites.net azureedge.net cloudapp.net web.app firebaseapp.com appspot.com blogspot.com
    cloudfront.net pages.dev workers.dev onrender.com fly.dev surge.sh readthedocs.io pythonanywhere.com
    ngrok.io myshopify.com duckdns.org no-ip.org eu.org uk.com com.de s3.amazonaws.com
    kawasaki.jp yokohama.jp sch.uk nom.br blob.core.windows.net us-central1.run.app run.app up.railway.app
"""
DOMAINS = """
    example.com example.co.uk go.com a.b.c www.com.au id.me example.github.io github.com amazonaws.com
    co.example example.co.jp gov-example.uk
"""


class TestPublicSuffixes:
    @pytest.mark.parametrize("domain", SUFFIXES.split())
    def test_known_by_the_table(self, domain: str, table: None) -> None:
        assert is_public_suffix(domain)

    @pytest.mark.parametrize("domain", SUFFIXES.split())
    def test_known_by_the_list(self, domain: str, full_list: None) -> None:
        assert is_public_suffix(domain)

    @pytest.mark.parametrize("domain", DOMAINS.split())
    def test_domains_of_one_owner_by_the_table(self, domain: str, table: None) -> None:
        assert not is_public_suffix(domain)

    @pytest.mark.parametrize("domain", DOMAINS.split())
    def test_domains_of_one_owner_by_the_list(self, domain: str, full_list: None) -> None:
        assert not is_public_suffix(domain)

    def test_the_list_knows_more(self, full_list: None) -> None:
        assert is_public_suffix("s3.eu-west-1.amazonaws.com")
        assert is_public_suffix("nerdpol.ovh")

    def test_a_list_without_its_file(self, full_list: None, monkeypatch: pytest.MonkeyPatch) -> None:
        """In a frozen application, which takes code along but not every data file."""
        psl = pytest.importorskip("publicsuffixlist")

        def missing() -> None:
            raise FileNotFoundError(2, "No such file or directory", "public_suffix_list.dat")

        monkeypatch.setattr(psl, "PublicSuffixList", missing)
        with pytest.warns(RuntimeWarning, match="--collect-data publicsuffixlist"):
            assert is_public_suffix("co.jp")
        assert is_public_suffix("github.io")

    def test_the_table_agrees_with_the_list(self) -> None:
        """Nearly, since the list that is installed changes from week to week."""
        psl = pytest.importorskip("publicsuffixlist")
        text = Path(psl.PSLFILE).read_text(encoding="utf-8")
        registries = text.partition("===BEGIN PRIVATE DOMAINS===")[0]
        by_list, by_table = psl.PublicSuffixList(), from_table()
        rules = [rule for rule in registries.splitlines() if rule.count(".") == 1 and rule.isascii()]
        wanted = [rule for rule in rules if rule[0] not in "/!*"]
        missing = [rule for rule in wanted if not by_table(rule)]
        assert len(wanted) > 3000
        assert len(missing) < len(wanted) / 50, missing
        names = [name.replace("*.", "any.") for name in HOSTERS.split()]
        gone = [name for name in names if not by_list.is_public(name)]
        assert len(gone) < len(names) / 10, gone
