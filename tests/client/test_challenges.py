"""WWW-Authenticate as servers write it: strictly by RFC 9110 section 11.6, and less so."""

from __future__ import annotations

import hashlib
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http3_client import DigestAuth
from http3_models import Response
from http3_models._credentials.challenges import parse_challenges, parse_parameters
from support.worlds import World


def digest(**parameters: str) -> tuple[str, dict[str, str]]:
    return "digest", {"realm": "r", "nonce": "n", **parameters}


BASIC = ("basic", {"realm": "b"})


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", []),
        (" , ,, ", []),
        ("Negotiate", [("negotiate", {})]),
        ('Digest realm="r", nonce="n"', [digest()]),
        ('DIGEST Realm = "r" ,\tNONCE\t=\t"n"', [digest()]),
        ('Digest realm="r",nonce="n",qop="auth,auth-int"', [digest(qop="auth,auth-int")]),
        # without quotes, or without a value
        ('Digest realm="r", nonce=abc==, qop="auth"', [digest(nonce="abc==", qop="auth")]),
        ("Digest realm=,nonce=n", [digest(realm="")]),
        ("Digest nonce=n, realm=", [digest(realm="")]),
        ('Digest realm="", nonce="n"', [digest(realm="")]),
        ('Digest realm="r", domain=/, nonce="n"', [digest(domain="/")]),
        ("Digest domain=/a https://h/?c=d, realm=r, nonce=n", [digest(domain="/a https://h/?c=d")]),
        ("Digest realm=My Realm, nonce=a/b+c=", [digest(realm="My Realm", nonce="a/b+c=")]),
        ("Digest realm=r@h.example, nonce=n", [digest(realm="r@h.example")]),
        (r"Digest realm=a\b, nonce=n", [digest(realm=r"a\b")]),
        # without commas
        ('Digest realm="r" nonce="n"', [digest()]),
        ('Digest realm="r"nonce="n"', [digest()]),
        ('Digest realm="r"; nonce="n"', [digest()]),
        ("Digest realm=r; nonce=n;", [digest()]),
        ("Digest realm=r stale=false nonce=n", [digest(stale="false")]),
        # escapes and quotes
        (r'Digest realm="a\"b\\c", nonce="n"', [digest(realm=r'a"b\c')]),
        (r'Digest realm="\r, nonce=\"x\"", nonce="n"', [digest(realm='r, nonce="x"')]),
        ('Digest realm="r", nonce="n', [digest()]),
        ('Digest realm="r", nonce="n\\', [digest()]),
        # what is no parameter
        ('Digest realm="r", flag, nonce="n"', [digest(), ("flag", {})]),
        ('Digest realm="r", odd thing, nonce="n"', [digest(), ("odd", {}), ("thing", {})]),
        ('Digest realm="r", =3, "x", nonce="n"', [digest()]),
        ('Digest realm="r", x-new=1, a/b="2", nonce="n"', [digest(**{"x-new": "1", "a/b": "2"})]),
        ('Digest realm="r", nonce="m", nonce="n"', [digest()]),
        ('Digest, realm="r", nonce="n"', [digest()]),
        ("Digest realm=r, qop=auth,auth-int, nonce=n", [digest(qop="auth"), ("auth-int", {})]),
        # several
        ('Basic realm="b", Digest realm="r", nonce="n"', [BASIC, digest()]),
        ('Digest realm="r", nonce="n", Basic realm="b"', [digest(), BASIC]),
        ('Digest realm="r", nonce="n", Basic', [digest(), ("basic", {})]),
        ("Negotiate, NTLM,Digest realm=r, nonce=n", [("negotiate", {}), ("ntlm", {}), digest()]),
        ('Basic realm=b, Digest, realm="r", nonce="n"', [BASIC, digest()]),
        ("Negotiate YI/+b, Digest realm=r, nonce=n", [("negotiate", {}), ("yi/+b", {}), digest()]),
    ],
)
def test_challenges_are_read(field: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert parse_challenges(field) == expected


@pytest.mark.parametrize("token", ["dG9rZW4", "dG9rZW4=", "dG9rZW4==", "a-b._~+/c=="])
def test_a_token_is_no_part_of_the_next_challenge(token: str) -> None:
    found = parse_challenges(f'Negotiate {token}, Digest realm="r", nonce="n", Bearer {token}')
    assert found[0][0] == "negotiate"
    assert digest() in found


def test_parameters_without_a_scheme() -> None:
    assert parse_parameters("nextnonce=abc==, qop=auth") == {"nextnonce": "abc==", "qop": "auth"}
    assert parse_parameters('Digest nonce="n"') == {}


@given(st.text(alphabet='Dg r=",\\;\t\n', max_size=80))
def test_anything_is_read_without_complaint(field: str) -> None:
    for scheme, parameters in parse_challenges(field):
        assert scheme
        assert scheme == scheme.lower()
        assert all(parameters)


@pytest.mark.parametrize(
    "piece", ["a=b ", "a ", " ", ",", "a=", '"', "\\", 'a="', 'a="\\', "a=b,", " =", '=",', "a\t;", "a=\\ x"]
)
@pytest.mark.parametrize("start", ["", 'Digest realm="', "Digest realm=", "Digest "])
def test_the_time_it_takes_grows_with_the_length_only(start: str, piece: str) -> None:
    field = start + piece * (256 * 1024 // len(piece))
    before = time.process_time()
    parse_challenges(field)
    assert time.process_time() - before < 0.5  # 5 ms; a minute and more if it were quadratic


class Server:
    """Challenges as it is told to, and checks the answer with what it meant."""

    def __init__(self, *fields: str, realm: str, nonce: str, qop: str | None, hash_name: str = "md5") -> None:
        self.fields, self.realm, self.nonce = fields, realm, nonce
        self.qop, self.hash_name = qop, hash_name

    def __call__(self, request: Any) -> Response:
        header = request.headers.get("authorization", "")
        if not header:
            return Response(401, headers=[("WWW-Authenticate", field) for field in self.fields])
        pairs = re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\w+))', header)
        sent = {name: quoted or bare for name, quoted, bare in pairs}
        first = self.hashed("user", self.realm, "secret")
        second = self.hashed(request.method, request.url.full_path)
        middle = [] if self.qop is None else [sent["nc"], sent["cnonce"], self.qop]
        right = self.hashed(first, self.nonce, *middle, second)
        return Response(200 if (sent["response"], sent["nonce"]) == (right, self.nonce) else 403)

    def hashed(self, *parts: str) -> str:
        return hashlib.new(self.hash_name, ":".join(parts).encode()).hexdigest()


AUTH = {"qop": "auth"}


@pytest.mark.parametrize(
    ("fields", "meant"),
    [
        (['Digest realm="r", nonce=abc==, qop="auth"'], {"nonce": "abc==", "qop": "auth"}),
        (["Digest realm=, nonce=abc==, qop=auth"], {"realm": "", "nonce": "abc==", "qop": "auth"}),
        (['Digest domain=/, realm="r", nonce="n", qop=auth'], AUTH),
        (['Digest realm="r", nonce="n", qop=""'], {}),
        (['Digest realm="r", nonce="n", qop="auth-int auth"'], AUTH),
        (['Digest realm="r", nonce="n", algorithm=, qop="auth"'], AUTH),
        (["Digest realm=r, nonce=n, algorithm=sha-256, qop=AUTH"], {"qop": "auth", "hash_name": "sha256"}),
        (['Basic realm="b"', 'Digest realm="r", nonce="n"'], {}),
        (["Negotiate", "NTLM", 'digest realm="r",nonce="n",qop="auth"'], AUTH),
        (['Digest realm="x", nonce="m", algorithm=SHA-9', 'Digest realm="r", nonce="n"'], {}),
        (['Bearer dG9r==, Digest realm="r", nonce="n", Basic realm="b"'], {}),
        (
            ['Digest realm="r", nonce="m", algorithm=MD5, Digest realm="r", nonce="n", algorithm=SHA-256'],
            {"hash_name": "sha256"},
        ),
    ],
)
def test_odd_challenges_are_answered(world: World, fields: list[str], meant: dict[str, Any]) -> None:
    server = Server(*fields, **{"realm": "r", "nonce": "n", "qop": None, **meant})
    session = world.session(server, auth=DigestAuth("user", "secret"))
    assert session.get("https://h/path?q=1").status_code == 200
