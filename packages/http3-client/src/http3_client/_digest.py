"""Digest access authentication (RFC 7616).

The first request is sent without credentials, unless a challenge of its origin is stored. After a 401 with a
Digest challenge the request is sent again with credentials; after a second one only if the server says that
the nonce was stale. The challenge is stored, and its nonce count goes up with each request, so that later
requests need no 401.

A `DigestAuth` stores one challenge per origin and replaces it as a whole, so threads may share it. What
answers a challenge is computed in `http3_models`, since proxies are answered in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from http3_models import LocalProtocolError
from http3_models.engine import (
    DigestChallenge,
    as_utf8,
    digest_credentials,
    find_digest_challenge,
    hide_arguments,
    parse_parameters,
    state_of,
)

from ._auth import Auth

if TYPE_CHECKING:
    from http3_models import Headers, Origin, Request

    from ._auth import Flow

_MAX_ORIGINS = 64
"""Challenges that a `DigestAuth` stores; the oldest is dropped."""


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
        self._challenges: dict[Origin, DigestChallenge] = {}

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
            found = find_digest_challenge(response.headers)
            if found is None:
                return
            challenge, stale = found
            self._store(origin, challenge)
            if attempt == 2 or (attempt == 1 and not stale):
                return  # the server refused the credentials
            self._authorize(request, challenge)

    def _store(self, origin: Origin, challenge: DigestChallenge) -> None:
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

    def _authorize(self, request: Request, challenge: DigestChallenge) -> None:
        body = None
        if challenge.qop == "auth-int":
            body = state_of(request).body.data
            if body is None:
                raise LocalProtocolError(
                    "The server requires Digest authentication with qop=auth-int, which hashes the body: "
                    "send it as bytes, str, form or JSON",
                    request=request,
                )
        value = digest_credentials(
            challenge,
            self._username,
            self._password,
            request.method,
            request.url.full_path,
            body=body,
        )
        request.headers["Authorization"] = value.encode("utf-8", "surrogateescape")
