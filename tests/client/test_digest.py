"""Digest authentication: the examples of RFC 7616, and a server that checks every answer."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http3_client import DigestAuth
from http3_models import Headers, LocalProtocolError, Response
from http3_models.engine import DigestChallenge, digest_credentials, find_digest_challenge
from support.pages import Site, redirect
from support.worlds import World

NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"

# RFC 7616 section 3.9.1
CHALLENGE = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
    f'nonce="{NONCE}", opaque="{OPAQUE}"'
)
BOTH = Headers(
    [
        (
            "WWW-Authenticate",
            CHALLENGE.format(algorithm=algorithm),
        )
        for algorithm in ("SHA-256", "MD5")
    ]
)
MD5_ONLY = Headers([(BOTH.wire[1])])


def answered(headers: Headers, **changes: Any) -> dict[str, str]:
    found = find_digest_challenge(headers)
    assert found is not None
    arguments: dict[str, Any] = {
        "method": "GET",
        "uri": "/dir/index.html",
        "body": None,
        "cnonce": CNONCE,
        **changes,
    }
    value = digest_credentials(found[0], b"Mufasa", b"Circle of Life", **arguments)
    return fields_of(value)


def fields_of(value: str) -> dict[str, str]:
    scheme, _, rest = value.partition(" ")
    assert scheme == "Digest"
    return {name: text.strip('"') for name, _, text in (part.partition("=") for part in rest.split(", "))}


def test_the_examples_of_the_rfc() -> None:
    strong = answered(BOTH)
    assert strong["response"] == "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    assert strong == {
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "nonce": NONCE,
        "uri": "/dir/index.html",
        "algorithm": "SHA-256",
        "response": strong["response"],
        "opaque": OPAQUE,
        "qop": "auth",
        "nc": "00000001",
        "cnonce": CNONCE,
    }
    assert answered(MD5_ONLY)["response"] == "8ca523f5e9506fed4657c9700eebdbec"


def test_the_example_of_rfc_2069() -> None:
    """Without qop; the example of RFC 2069 section 2.4, with the response that its errata give."""
    headers = Headers(
        {
            "WWW-Authenticate": 'Digest realm="testrealm@host.com", '
            'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
            'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        }
    )
    found = find_digest_challenge(headers)
    assert found is not None
    value = digest_credentials(
        found[0], b"Mufasa", b"CircleOfLife", "GET", "/dir/index.html", body=None, cnonce="x"
    )
    fields = fields_of(value)
    assert fields["response"] == "1949323746fe6a43ef61f9606e7febea"
    assert not {"qop", "nc", "cnonce"} & set(fields)


def challenge_of(value: str) -> DigestChallenge:
    found = find_digest_challenge(Headers({"WWW-Authenticate": value}))
    assert found is not None
    return found[0]


def test_userhash_and_charset() -> None:
    challenge = challenge_of('Digest realm="r", nonce="n", userhash=true, charset=UTF-8, qop="auth"')
    value = digest_credentials(challenge, "Jäsøn".encode(), b"p", "GET", "/", body=None, cnonce="c")
    assert f'username="{hashlib.md5("Jäsøn:r".encode()).hexdigest()}"' in value
    assert "userhash=true" in value
    challenge = challenge_of('Digest realm="r", nonce="n", charset=UTF-8, qop="auth"')
    value = digest_credentials(challenge, "Jäsøn Doe".encode(), b"p", "GET", "/", body=None, cnonce="c")
    assert "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe" in value
    challenge = challenge_of('Digest realm="r", nonce="n", qop="auth"')
    assert 'username="Jäsøn"' in digest_credentials(
        challenge, "Jäsøn".encode(), b"p", "GET", "/", body=None, cnonce="c"
    )


@pytest.mark.parametrize(
    ("value", "algorithm", "qop"),
    [
        ('Digest realm="r", nonce="n"', "MD5", None),
        ('digest REALM="r",NONCE="n",Algorithm=sha-256', "SHA-256", None),
        ('Digest realm="r", nonce="n", algorithm="MD5-sess", qop=auth-int', "MD5-sess", "auth-int"),
        ('Digest realm="r", nonce="n", qop="auth-int,auth"', "MD5", "auth"),
        ('Basic realm="b", Digest realm="r", nonce="n"', "MD5", None),
        ('Negotiate, Digest realm="r", nonce="n", Basic realm="x"', "MD5", None),
        ('Negotiate dG9rZW4=, Digest realm="r", nonce="n"', "MD5", None),
        ('Digest realm="a, b=\\"c\\"", nonce="n"', "MD5", None),
    ],
)
def test_challenges(value: str, algorithm: str, qop: str | None) -> None:
    challenge = challenge_of(value)
    assert (challenge.algorithm, challenge.qop, challenge.nonce) == (algorithm, qop, "n")
    assert challenge.realm in ("r", 'a, b="c"')
    assert "nonce" not in repr(challenge)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Digest",
        'Digest realm="r"',
        'Digest nonce="n"',
        'Digest realm="r", nonce="n", algorithm=SHA-1',
        'Digest realm="r", nonce="n", qop="other"',
        'Digest realm="r, nonce="n',
        'Basic realm="r"',
        "=,=",
    ],
)
def test_challenges_that_are_none(value: str) -> None:
    assert find_digest_challenge(Headers({"WWW-Authenticate": value})) is None


@given(st.text(alphabet='Digest realm="abc", nonce\\=;\t', max_size=60))
def test_any_challenge_is_read_without_complaint(text: str) -> None:
    found = find_digest_challenge(Headers({"WWW-Authenticate": text}))
    assert found is None or found[0].nonce is not None


class Server:
    """A handler that challenges, and checks answers on its own."""

    def __init__(self, algorithm: str = "SHA-256", qop: str | None = "auth", extra: str = "") -> None:
        self.algorithm, self.qop, self.extra = algorithm, qop, extra
        self.nonce = "nonce0"
        self.counts: dict[str, list[int]] = {}
        self.requests: list[Any] = []
        self.stale = False
        self.info: str | None = None

    def challenge(self) -> Response:
        qop = "" if self.qop is None else f', qop="{self.qop}"'
        stale = ", stale=TRUE" if self.stale else ""
        value = f'Digest realm="r", nonce="{self.nonce}", algorithm={self.algorithm}{qop}{stale}{self.extra}'
        return Response(401, headers={"WWW-Authenticate": value}, text="who?")

    def __call__(self, request: Any) -> Response:
        self.requests.append(request)
        header = request.headers.get("authorization")
        if header is None or not self.is_right(request, fields_of(header)):
            return self.challenge()
        headers = {} if self.info is None else {"Authentication-Info": self.info}
        return Response(200, text="in", headers=headers)

    def is_right(self, request: Any, fields: dict[str, str]) -> bool:
        name = self.algorithm.removesuffix("-sess").replace("SHA-256", "sha256").replace("MD5", "md5")

        def digest(text: str) -> str:
            return hashlib.new(name, text.encode()).hexdigest()

        first = digest("user:r:secret")
        if self.algorithm.endswith("-sess"):
            first = digest(f"{first}:{fields['nonce']}:{fields['cnonce']}")
        second = f"{request.method}:{request.url.full_path}"
        if fields.get("qop") == "auth-int":
            second += ":" + hashlib.new(name, request.content).hexdigest()
        if "qop" in fields:
            self.counts.setdefault(fields["nonce"], []).append(int(fields["nc"], 16))
            middle = f"{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:{fields['qop']}"
        else:
            middle = fields["nonce"]
        right = digest(f"{first}:{middle}:{digest(second)}")
        return fields["response"] == right and fields["nonce"] == self.nonce


@pytest.mark.parametrize("qop", [None, "auth", "auth-int", "auth,auth-int"])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "MD5-sess", "SHA-256-sess"])
def test_a_server_is_convinced(world: World, algorithm: str, qop: str | None) -> None:
    server = Server(algorithm, qop or ("auth" if algorithm.endswith("-sess") else None))
    session = world.session(server, auth=DigestAuth("user", "secret"))
    response = session.post("https://h/path?q=1", data=b"body")
    assert response.text == "in"
    assert [earlier.status_code for earlier in response.history] == [401]
    assert session.get("https://h/other").text == "in"
    assert len(server.requests) == 3  # the second request needed no challenge
    if server.qop is not None:
        assert server.counts == {"nonce0": [1, 2]}


def test_wrong_credentials_are_tried_once(world: World) -> None:
    server = Server()
    response = world.session(server, auth=DigestAuth("user", "wrong")).get("https://h/")
    assert (response.status_code, response.text) == (401, "who?")
    assert len(server.requests) == 2


def test_a_stale_nonce_is_answered_again(world: World) -> None:
    server = Server()
    session = world.session(server, auth=DigestAuth("user", "secret"))
    session.get("https://h/")
    server.nonce, server.stale = "nonce1", True
    assert session.get("https://h/").text == "in"
    assert len(server.requests) == 4


def test_a_nonce_that_is_always_stale_ends(world: World) -> None:
    server = Server()
    server.stale = True
    server.is_right = lambda *_: False  # type: ignore[method-assign]
    assert world.session(server, auth=DigestAuth("user", "secret")).get("https://h/").status_code == 401
    assert len(server.requests) == 3


def test_a_next_nonce_is_used(world: World) -> None:
    server = Server()
    session = world.session(server, auth=DigestAuth("user", "secret"))
    server.info = 'nextnonce="nonce1", qop=auth'
    session.get("https://h/")
    server.nonce, server.info = "nonce1", None
    assert session.get("https://h/").text == "in"
    assert len(server.requests) == 3


def test_other_challenges_are_the_callers_business(world: World) -> None:
    page = Response(401, headers={"WWW-Authenticate": 'Basic realm="r"'})
    site = Site({"/": page})
    assert world.session(site, auth=DigestAuth("user", "secret")).get("https://h/").status_code == 401
    assert len(site.requests) == 1


def test_auth_int_needs_the_body_in_memory(world: World) -> None:
    server = Server(qop="auth-int")
    with pytest.raises(LocalProtocolError, match="auth-int"):
        world.session(server, auth=DigestAuth("user", "secret")).post("https://h/", data=iter([b"x"]))

    class Loading(DigestAuth):
        requires_request_body = True

    assert (
        world.session(server, auth=Loading("user", "secret")).post("https://h/", data=iter([b"x"])).text
        == "in"
    )


def test_nonces_belong_to_their_origin(world: World) -> None:
    server = Server()
    session = world.session(server, auth=DigestAuth("user", "secret"))
    session.get("https://h/")
    session.get("https://other/")
    assert ["authorization" in request.headers for request in server.requests] == [False, True, False, True]


def test_few_origins_are_kept(world: World) -> None:
    server = Server()
    auth = DigestAuth("user", "secret")
    session = world.session(server, auth=auth)
    for number in range(70):
        session.get(f"https://h{number}/")
    assert len(auth._challenges) == 64
    session.get("https://h69/")
    assert len(server.requests) == 141


def test_no_digest_for_another_origin(world: World) -> None:
    server = Server()
    site = Site({"https://h/a": redirect("https://other/b"), "https://other/b": server})
    response = world.session(site, auth=DigestAuth("user", "secret")).get("https://h/a")
    assert response.status_code == 401
    assert "authorization" not in site.last.headers
