"""Digest credentials (RFC 7616): challenges of servers and proxies, and the values that answer them. Pure."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from .challenges import parse_challenges

if TYPE_CHECKING:
    from .._headers import Headers

# RFC 7616 section 3.3; the first one that a server offers is used.
_HASHES = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}


class DigestChallenge:
    """A Digest challenge of a server, and how often its nonce was used."""

    __slots__ = ("_cnonce", "_count", "algorithm", "nonce", "opaque", "qop", "realm", "userhash", "utf8")

    def __init__(self, fields: dict[str, str], algorithm: str, qop: str | None) -> None:
        self.realm: str = fields["realm"]
        self.nonce: str = fields["nonce"]
        self.opaque: str | None = fields.get("opaque")
        self.algorithm: str = algorithm
        self.qop: str | None = qop
        self.userhash: bool = fields.get("userhash", "").lower() == "true"
        self.utf8: bool = fields.get("charset", "").upper() == "UTF-8"
        self._count = itertools.count(1)  # atomic: two threads never get the same count
        self._cnonce = os.urandom(16).hex()

    def __repr__(self) -> str:
        return f"<DigestChallenge {self.algorithm} qop={self.qop} realm={self.realm!r}>"

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

    def with_nonce(self, nonce: str) -> DigestChallenge:
        """The same challenge with another nonce (``nextnonce``)."""
        fields = {"realm": self.realm, "nonce": nonce, "userhash": str(self.userhash)}
        fields.update({"opaque": self.opaque} if self.opaque is not None else {})
        fields.update({"charset": "UTF-8"} if self.utf8 else {})
        return DigestChallenge(fields, self.algorithm, self.qop)


def digest_credentials(
    challenge: DigestChallenge,
    username: bytes,
    password: bytes,
    method: str,
    uri: str,
    *,
    body: bytes | None = None,
    cnonce: str | None = None,
) -> str:
    """The value of the Authorization header for a challenge (RFC 7616 section 3.4). ``cnonce`` is that of the
    challenge's session, or else random."""
    cnonce = cnonce or challenge.session_cnonce or os.urandom(16).hex()
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


def _user_field(challenge: DigestChallenge, username: bytes, digest: Callable[[bytes], str]) -> str:
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


def find_digest_challenge(
    headers: Headers, field: str = "WWW-Authenticate"
) -> tuple[DigestChallenge, bool] | None:
    """The strongest supported Digest challenge in the field (of a proxy: Proxy-Authenticate), and whether it
    says stale."""
    best: tuple[int, DigestChallenge, bool] | None = None
    for value in headers.getlist(field):
        for scheme, fields in parse_challenges(value):
            if scheme != "digest" or not {"realm", "nonce"} <= fields.keys():
                continue
            algorithm = _known_algorithm(fields.get("algorithm") or "MD5")
            qop = _chosen_qop(fields.get("qop"))
            if algorithm is None or qop == "":
                continue
            rank = list(_HASHES).index(algorithm.removesuffix("-sess"))
            if best is None or rank < best[0]:
                best = (
                    rank,
                    DigestChallenge(fields, algorithm, qop),
                    fields.get("stale", "").lower() == "true",
                )
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
