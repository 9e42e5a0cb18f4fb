"""Digest access authentication (RFC 7616).

The first request is sent without credentials, unless a challenge of its origin is stored. After a 401 with a
Digest challenge the request is sent again with credentials; after a second one only if the server says that
the nonce was stale. The challenge is stored, and its nonce count goes up with each request, so that later
requests need no 401.

Pure functions parse challenges (in `_challenges`) and compute values. A `DigestAuth` stores one `Challenge`
per origin and replaces it as a whole, so threads may share it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from http3_models import LocalProtocolError
from http3_models.engine import hide_arguments, state_of

from ._auth import Auth, as_utf8
from ._challenges import parse_challenges, parse_parameters

if TYPE_CHECKING:
    from http3_models import Headers, Origin, Request

    from ._auth import Flow

# RFC 7616 section 3.3; the first one that a server offers is used.
_HASHES = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}

_MAX_ORIGINS = 64
"""Challenges that a `DigestAuth` stores; the oldest is dropped."""


class Challenge:
    """A Digest challenge of a server, and how often its nonce was used."""

    __slots__ = ("_cnonce", "_count", "algorithm", "nonce", "opaque", "qop", "realm", "userhash", "utf8")

    def __init__(self, fields: dict[str, str], algorithm: str, qop: str | None) -> None:
        self.realm = fields["realm"]
        self.nonce = fields["nonce"]
        self.opaque = fields.get("opaque")
        self.algorithm = algorithm
        self.qop = qop
        self.userhash = fields.get("userhash", "").lower() == "true"
        self.utf8 = fields.get("charset", "").upper() == "UTF-8"
        self._count = itertools.count(1)  # atomic: two threads never get the same count
        self._cnonce = os.urandom(16).hex()

    def __repr__(self) -> str:
        return f"<Challenge {self.algorithm} qop={self.qop} realm={self.realm!r}>"

    @property
    def hash_name(self) -> str:
        """The algorithm without -sess."""
        return self.algorithm.removesuffix("-sess")

    @property
    def session_cnonce(self) -> str | None:
        """With -sess: the cnonce of all requests, since A1 has that of the first (section 3.4.2). Else
        None."""
        return self._cnonce if self.algorithm.endswith("-sess") else None

    def next_count(self) -> int:
        """The nonce count (``nc``) of the next request; 1 for the first."""
        return next(self._count)

    def with_nonce(self, nonce: str) -> Challenge:
        """The same challenge with another nonce (``nextnonce``)."""
        fields = {"realm": self.realm, "nonce": nonce, "userhash": str(self.userhash)}
        fields.update({"opaque": self.opaque} if self.opaque is not None else {})
        fields.update({"charset": "UTF-8"} if self.utf8 else {})
        return Challenge(fields, self.algorithm, self.qop)


class DigestAuth(Auth):
    """Digest authentication (RFC 7616): MD5, SHA-256, SHA-512-256, each with -sess; qop auth and auth-int.

    Use one object for many requests, clients and threads: it stores the server's nonce, so that later
    requests need no 401. If a server offers auth-int only, the request's body must be in memory (else
    LocalProtocolError); in a subclass ``requires_request_body = True`` has it read.
    """

    __module__ = "http3_client"

    @hide_arguments
    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        self._username = as_utf8("username", username)
        self._password = as_utf8("password", password)
        self._challenges: dict[Origin, Challenge] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}([secure])"

    def auth_flow(self, request: Request) -> Flow:
        """Send the request; again after a challenge, and once more if the nonce was stale."""
        origin = request.url.origin
        challenge = self._challenges.get(origin)
        if challenge is not None:
            self._authorize(request, challenge)
        for attempt in range(3):
            response = yield request
            if response.status_code != 401:
                self._store_next_nonce(origin, response.headers)
                return
            found = find_challenge(response.headers)
            if found is None:
                return
            challenge, stale = found
            self._store(origin, challenge)
            if attempt == 2 or (attempt == 1 and not stale):
                return  # the server refused the credentials
            self._authorize(request, challenge)

    def _store(self, origin: Origin, challenge: Challenge) -> None:
        while len(self._challenges) >= _MAX_ORIGINS and origin not in self._challenges:
            self._challenges.pop(next(iter(list(self._challenges))), None)
        self._challenges[origin] = challenge

    def _store_next_nonce(self, origin: Origin, headers: Headers) -> None:
        """Authentication-Info may have the nonce of the next request (section 3.5)."""
        challenge, info = self._challenges.get(origin), headers.get("Authentication-Info")
        if challenge is not None and info is not None:
            nonce = parse_parameters(info).get("nextnonce")
            if nonce:
                self._store(origin, challenge.with_nonce(nonce))

    def _authorize(self, request: Request, challenge: Challenge) -> None:
        body = None
        if challenge.qop == "auth-int":
            body = state_of(request).body.data
            if body is None:
                raise LocalProtocolError(
                    "The server requires Digest authentication with qop=auth-int, which hashes the body: "
                    "send it as bytes, str, form or JSON",
                    request=request,
                )
        value = authorization(
            challenge,
            self._username,
            self._password,
            request.method,
            request.url.full_path,
            body=body,
            cnonce=challenge.session_cnonce or self._new_cnonce(),
        )
        request.headers["Authorization"] = value.encode("utf-8", "surrogateescape")

    def _new_cnonce(self) -> str:
        return os.urandom(16).hex()


def authorization(
    challenge: Challenge,
    username: bytes,
    password: bytes,
    method: str,
    uri: str,
    *,
    body: bytes | None,
    cnonce: str,
) -> str:
    """The value of the Authorization header for a challenge (RFC 7616 section 3.4)."""
    digest = _hasher(challenge.hash_name)
    realm = challenge.realm.encode("utf-8")
    count = f"{challenge.next_count():08x}"
    a1 = digest(username + b":" + realm + b":" + password)
    if challenge.session_cnonce is not None:
        a1 = digest(f"{a1}:{challenge.nonce}:{cnonce}".encode())
    a2 = f"{method}:{uri}" + (f":{digest(body or b'')}" if challenge.qop == "auth-int" else "")
    middle = f"{challenge.nonce}:{count}:{cnonce}:{challenge.qop}" if challenge.qop else challenge.nonce
    fields = [
        _user_field(challenge, username, digest),
        f"realm={_quoted(challenge.realm)}",
        f"nonce={_quoted(challenge.nonce)}",
        f"uri={_quoted(uri)}",
        f"algorithm={challenge.algorithm}",
        f'response="{digest(f"{a1}:{middle}:{digest(a2.encode())}".encode())}"',
    ]
    if challenge.opaque is not None:
        fields.append(f"opaque={_quoted(challenge.opaque)}")
    if challenge.qop is not None:
        fields += [f"qop={challenge.qop}", f"nc={count}", f'cnonce="{cnonce}"']
    if challenge.userhash:
        fields.append("userhash=true")
    return "Digest " + ", ".join(fields)


def _user_field(challenge: Challenge, username: bytes, digest: Callable[[bytes], str]) -> str:
    if challenge.userhash:
        return f'username="{digest(username + b":" + challenge.realm.encode("utf-8"))}"'
    if username.isascii() or not challenge.utf8:
        return f"username={_quoted(username.decode('utf-8', 'surrogateescape'))}"
    # RFC 8187: percent-encoded, without quotes, and only if the server said that it reads UTF-8.
    return "username*=UTF-8''" + "".join(
        chr(byte) if _is_attr_char(byte) else f"%{byte:02X}" for byte in username
    )


def _is_attr_char(byte: int) -> bool:
    return byte < 128 and (chr(byte).isalnum() or chr(byte) in "!#$&+-.^_`|~")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _hasher(name: str) -> Callable[[bytes], str]:
    import hashlib  # loads OpenSSL

    algorithm = _HASHES[name]

    def digest(data: bytes) -> str:
        return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()

    return digest


def find_challenge(headers: Headers) -> tuple[Challenge, bool] | None:
    """The strongest supported Digest challenge in WWW-Authenticate, and whether it says stale."""
    best: tuple[int, Challenge, bool] | None = None
    for value in headers.getlist("WWW-Authenticate"):
        for scheme, fields in parse_challenges(value):
            if scheme != "digest" or not {"realm", "nonce"} <= fields.keys():
                continue
            algorithm = _known_algorithm(fields.get("algorithm") or "MD5")
            qop = _chosen_qop(fields.get("qop"))
            if algorithm is None or qop == "":
                continue
            rank = list(_HASHES).index(algorithm.removesuffix("-sess"))
            if best is None or rank < best[0]:
                best = (rank, Challenge(fields, algorithm, qop), fields.get("stale", "").lower() == "true")
    return best[1:] if best is not None else None


def _known_algorithm(name: str) -> str | None:
    import hashlib

    for known, function in _HASHES.items():
        for spelling in (known, f"{known}-sess"):
            if name.upper() == spelling.upper() and function in hashlib.algorithms_available:
                return spelling
    return None


def _chosen_qop(offer: str | None) -> str | None:
    """auth before auth-int, which needs the body. None: nothing is offered (RFC 2069); "": nothing known."""
    offered = (offer or "").replace(",", " ").lower().split()
    if not offered:
        return None
    return next((qop for qop in ("auth", "auth-int") if qop in offered), "")
