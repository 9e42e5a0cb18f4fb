"""Certificates and streams for the tests of this folder."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import trustme
import uvloop

from http3_transport._interfaces import Backend
from http3_transport.testing import MakePair, plain_pairs, tls_pairs

T = TypeVar("T")


@functools.cache
def authority() -> trustme.CA:
    """One certificate authority for all tests."""
    return trustme.CA()


def server_context(*names: str, protocols: tuple[str, ...] = ()) -> ssl.SSLContext:
    """A server's context with a certificate for these names (default: localhost and its addresses)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(*(names or ("localhost", "127.0.0.1", "::1"))).configure_cert(context)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def client_context(*protocols: str) -> ssl.SSLContext:
    """A client's context that trusts `authority`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().configure_trust(context)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def make_pairs(backend: Backend, kind: str) -> MakePair:
    """Pairs of stream and peer: plain, tls (1.3) or tls12."""
    if kind == "plain":
        return plain_pairs(backend)
    server = server_context()
    if kind == "tls12":
        server.maximum_version = ssl.TLSVersion.TLSv1_2
    return tls_pairs(backend, server, client_context(), "localhost")


def run_uvloop(function: Callable[..., Coroutine[Any, Any, T]], /, *args: object) -> T:
    """`asyncio.run` on uvloop, in the shape of `trio.run`."""
    return uvloop.run(function(*args))
