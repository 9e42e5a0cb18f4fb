"""Where a redirect leads: the pure policy, record in, record or error out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http3_client._redirects import Chain, is_redirect, next_request, same_origin
from http3_models import (
    URL,
    Headers,
    RedirectBodyUnavailable,
    RedirectError,
    RedirectLoop,
    TooManyRedirects,
    UnsupportedProtocol,
)
from http3_models.engine import (
    SECRET_HEADERS,
    RequestState,
    ResponseState,
    build_request,
    headers_from_pairs,
    run_sync,
)

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"]
CODES = [301, 302, 303, 307, 308]


def response(status: int, headers: Headers) -> ResponseState:
    return ResponseState(
        status_code=status, reason_phrase="", protocol="HTTP/1.1", headers=headers, body=None
    )


def answer(location: str | bytes, status: int = 302) -> ResponseState:
    value = location.encode() if isinstance(location, str) else location
    return response(status, headers_from_pairs([(b"Location", value)]))


async def _first_chunk(sent: RequestState) -> bytes:
    return await sent.body.read_chunk()


def follow(
    sent: RequestState, response: ResponseState, chain: Chain | None = None, headers: Headers | None = None
) -> RequestState:
    return next_request(
        sent,
        response,
        chain or Chain(20, SECRET_HEADERS),
        hop_url=sent.url,
        hop_headers=sent.headers if headers is None else headers,
    )


@pytest.mark.parametrize("status", [*CODES, 200, 300, 304, 305, 306, 309])
def test_what_is_a_redirect(status: int) -> None:
    assert is_redirect(answer("/x", status)) is (status in CODES)
    assert not is_redirect(response(status, Headers()))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("status", CODES)
def test_methods(method: str, status: int) -> None:
    sent = build_request(method, "https://h/a", data=b"body" if method != "HEAD" else None)
    got = follow(sent, answer("/b", status))
    becomes_get = method != "HEAD" and (status in (302, 303) or (status == 301 and method == "POST"))
    assert got.method == ("GET" if becomes_get else method)
    changed = got.method != method
    assert got.body.data == (b"" if changed or method == "HEAD" else b"body")
    assert ("content-length" in got.headers) is (not changed and method != "HEAD")


def test_changing_to_get_drops_the_body_and_its_headers() -> None:
    sent = build_request(
        "POST",
        "https://h/a",
        data=iter([b"x"]),
        headers={"Content-Type": "a/b", "Content-Language": "de", "CONTENT-ENCODING": "gzip", "X-Keep": "1"},
    )
    got = follow(sent, answer("/b"))
    assert {
        name for name in got.headers if name.startswith("content-") or name == "transfer-encoding"
    } == set()
    assert got.headers["x-keep"] == "1"


@pytest.mark.parametrize(
    ("base", "location", "expected"),
    [
        ("https://h/a/b?q=1", "c", "https://h/a/c"),
        ("https://h/a/b?q=1", "/c?d=1", "https://h/c?d=1"),
        ("https://h/a/b?q=1", "?d=1", "https://h/a/b?d=1"),
        ("https://h/a/b?q=1", "", "https://h/a/b?q=1"),
        ("https://h/a/b", "//other/x", "https://other/x"),
        ("https://h/a/b", "http://other:8080/x", "http://other:8080/x"),
        ("https://h/a/b", "../../c", "https://h/c"),
        ("https://h/a#frag", "/b", "https://h/b#frag"),
        ("https://h/a#frag", "/b#new", "https://h/b#new"),
        ("https://h/a#frag", "https://other/b", "https://other/b#frag"),
        ("https://h/a", "/ä b", "https://h/%C3%A4%20b"),
        ("https://h/a", "/%zz%2f", "https://h/%25zz%2f"),
        ("https://h/a", "https://user:secret@other/b", "https://other/b"),
        ("https://h/a", "HTTPS://H:443/b", "https://h/b"),
    ],
)
def test_locations(base: str, location: str, expected: str) -> None:
    assert str(follow(build_request("GET", base), answer(location)).url) == expected


def test_a_location_in_latin_1() -> None:
    assert str(follow(build_request("GET", "https://h/"), answer(b"/caf\xe9")).url) == "https://h/caf%C3%A9"


@pytest.mark.parametrize(
    "location", ["http://", "https:///x", "https://h:99999/", "https://a b/", "http://[::1/", "\\\\h/x\t"]
)
def test_malformed_locations_are_not_followed(location: str) -> None:
    with pytest.raises(RedirectError, match="invalid URL"):
        follow(build_request("GET", "https://h/"), answer(location))


@pytest.mark.parametrize(
    "location", ["ftp://h/x", "mailto:a@b", "javascript:alert(1)", "file:///etc/passwd", "data:,x"]
)
def test_other_schemes_are_not_followed(location: str) -> None:
    with pytest.raises(UnsupportedProtocol):
        follow(build_request("GET", "https://h/"), answer(location))


def test_two_different_locations_are_refused() -> None:
    response = answer("/a")
    response.headers.add("Location", "/a")
    assert str(follow(build_request("GET", "https://h/"), response).url) == "https://h/a"
    response.headers.add("Location", "/b")
    with pytest.raises(RedirectError, match="2 different"):
        follow(build_request("GET", "https://h/"), response)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("https://h/a", "https://h/b", True),
        ("https://h/a", "https://h:443/b", True),
        ("https://h/a", "https://H/b", True),
        ("http://h/", "https://h/", True),
        ("http://h:80/", "https://h:443/", True),
        ("https://h/", "http://h/", False),
        ("http://h:8080/", "https://h:8080/", False),
        ("http://h:8080/", "https://h/", False),
        ("http://h/", "https://h:8443/", False),
        ("http://h/", "https://x.h/", False),
        ("https://h/", "https://x/", False),
        ("https://h/", "https://h:444/", False),
    ],
)
def test_same_origin(old: str, new: str, same: bool) -> None:
    assert same_origin(URL(old), URL(new)) is same


SECRETS = {
    "Authorization": "Bearer x",
    "Proxy-Authorization": "Basic x",
    "X-API-Key": "x",
    "Api-Key": "x",
    "X-Auth-Token": "x",
    "X-Amz-Security-Token": "x",
    "X-CSRF-Token": "x",
    "X-Mine": "x",
    "PRIVATE-TOKEN": "x",
    "X-Goog-Api-Key": "x",
    "X-Vault-Token": "x",
    "X-Auth-Key": "x",
    "X-Access-Token": "x",
    "Job-Token": "x",
    "Ocp-Apim-Subscription-Key": "x",
    "X-Consul-Token": "x",
    "X-Functions-Key": "x",
    "DD-API-KEY": "x",
    "X-Shopify-Access-Token": "x",
    "X-CSRFToken": "x",
    "X-XSRF-TOKEN": "x",
}


def test_a_repr_hides_what_a_redirect_leaves_behind() -> None:
    assert repr(Headers(dict.fromkeys(SECRET_HEADERS, "hunter2"))).count("hunter2") == 0


@pytest.mark.parametrize("location", ["https://other/", "http://h/", "https://h:444/", "//other/"])
def test_secrets_stay_behind(location: str) -> None:
    chain = Chain(20, SECRET_HEADERS | {"x-mine"})
    sent = build_request(
        "GET", "https://h/", headers={**SECRETS, "Cookie": "a=1", "Host": "hand", "X-Plain": "1"}
    )
    got = follow(sent, answer(location), chain)
    assert not {name.lower() for name in SECRETS} & set(got.headers)
    assert "cookie" not in got.headers
    assert got.headers["host"] == got.url.netloc
    assert got.headers["x-plain"] == "1"
    assert got.explicit_cookie is None
    assert got.cookies is None
    assert not chain.same_origin_so_far
    back = follow(got, answer("https://h/"), chain)
    assert not {name.lower() for name in SECRETS} & set(back.headers)
    assert not chain.same_origin_so_far


@pytest.mark.parametrize(("first", "location"), [("https://h/", "/x"), ("http://h/", "https://h/x")])
def test_secrets_go_along_on_the_same_origin(first: str, location: str) -> None:
    chain = Chain(20, SECRET_HEADERS)
    sent = build_request(
        "GET", first, headers={**SECRETS, "Cookie": "a=1", "Host": "by-hand"}, cookies={"b": "2"}
    )
    got = follow(sent, answer(location), chain)
    assert {name: got.headers[name] for name in SECRETS} == SECRETS
    assert got.headers["host"] == "by-hand"
    assert got.explicit_cookie == "a=1"
    assert got.cookies is sent.cookies
    assert chain.same_origin_so_far


def test_the_automatic_host_follows_and_stays_first() -> None:
    got = follow(build_request("GET", "https://h/"), answer("https://other:8443/"))
    assert got.headers.wire[0] == (b"Host", b"other:8443")


def test_bodies_are_sent_again_or_refused() -> None:
    sent = build_request("POST", "https://h/", data=iter([b"x"]))
    assert follow(sent, answer("/b", 307)).body is sent.body  # nothing of it was read yet
    assert run_sync(_first_chunk(sent)) == b"x"
    with pytest.raises(RedirectBodyUnavailable, match="only once"):
        follow(sent, answer("/b", 307))
    assert follow(sent, answer("/b", 303)).body.data == b""


def test_what_the_call_settled_goes_along() -> None:
    sent = build_request("GET", "https://h/")
    sent.verify, sent.cert = False, "/cert.pem"
    got = follow(sent, answer("/b"))
    assert (got.verify, got.cert, got.timeout, got.deadline) == (
        False,
        "/cert.pem",
        sent.timeout,
        sent.deadline,
    )


@pytest.mark.parametrize(
    ("location", "cert", "without_cert"),
    [("/b", "/cert.pem", False), ("https://h:443/b", "/cert.pem", False), ("https://other/b", None, True)],
)
def test_a_client_certificate_stays_on_its_origin(
    location: str, cert: str | None, without_cert: bool
) -> None:
    chain = Chain(20, SECRET_HEADERS)
    sent = build_request("GET", "https://h/")
    sent.verify, sent.cert = "/ca.pem", "/cert.pem"
    got = follow(sent, answer(location), chain)
    assert (got.verify, got.cert, got.without_cert) == ("/ca.pem", cert, without_cert)
    back = follow(got, answer("https://h/"), chain)
    assert (back.cert, back.without_cert) == (cert, without_cert)


def test_the_headers_before_auth_are_the_ones_that_go_on() -> None:
    sent = build_request("GET", "https://h/", headers={"X-Sig": "auth", "X-Own": "hand"})
    headers = build_request("GET", "https://h/", headers={"X-Own": "hand"}).headers
    assert follow(sent, answer("/b"), headers=headers).headers == headers


def test_chains_have_an_end() -> None:
    chain = Chain(2, frozenset())
    request = build_request("GET", "https://h/")
    chain.count_redirect(request)
    chain.count_redirect(request)
    with pytest.raises(TooManyRedirects, match="More than 2"):
        chain.count_redirect(request)


def test_loops_are_the_same_method_url_and_cookies() -> None:
    chain = Chain(20, frozenset())
    chain.add_sent(build_request("GET", "https://h/a?b#frag", headers={"Cookie": "a=1"}))
    for other in [
        build_request("GET", "https://h/a?b"),
        build_request("POST", "https://h/a?b", headers={"Cookie": "a=1"}),
        build_request("GET", "https://h/a", headers={"Cookie": "a=1"}),
        build_request("GET", "https://h/a?b", headers={"Cookie": "a=2"}),
        build_request("GET", "http://h/a?b", headers={"Cookie": "a=1"}),
    ]:
        chain.check_loop(other)
    with pytest.raises(RedirectLoop, match="https://h/a"):
        chain.check_loop(build_request("GET", "https://h/a?b#other", headers={"Cookie": "a=1"}))


HOSTS = st.sampled_from(["http://a", "https://a", "http://a:81", "https://b", "http://b", "https://a:444"])


@given(st.lists(HOSTS, min_size=2, max_size=8), st.sampled_from(CODES), st.sampled_from(METHODS))
def test_no_secret_is_ever_at_a_place_it_was_not_sent_to(hosts: list[str], status: int, method: str) -> None:
    """Whatever the chain: a secret is only sent to origins reached by same-origin hops alone."""
    chain = Chain(20, SECRET_HEADERS)
    request = build_request(
        method, f"{hosts[0]}/0", headers={"Authorization": "x", "Cookie": "a=1"}, cookies={"b": "1"}
    )
    trusted = True
    for number, host in enumerate(hosts[1:], 1):
        trusted = trusted and same_origin(request.url, URL(host))
        request = follow(request, answer(f"{host}/{number}", status), chain)
        assert ("authorization" in request.headers) is trusted
        assert (request.explicit_cookie is not None) is trusted
        assert (request.cookies is not None) is trusted
        assert chain.same_origin_so_far is trusted
        assert request.headers["host"] == request.url.netloc


@given(st.binary(max_size=40))
def test_any_location_gives_a_request_or_an_error_of_ours(location: bytes) -> None:
    try:
        got = follow(build_request("GET", "https://h/a?b"), answer(location))
    except (RedirectError, UnsupportedProtocol):
        return
    assert got.url.scheme in ("http", "https")
    assert got.url.is_absolute_url
    assert not got.url.userinfo
