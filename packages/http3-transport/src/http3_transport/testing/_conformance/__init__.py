"""The public conformance suites: `streams`, `backends` and `dispatchers`. Their checks are made of `steps`
and run by `reporting`; `server` and `peers` are what is at the other end.
"""

from __future__ import annotations

from .backends import BACKEND_CHECKS, check_backend
from .dispatchers import DISPATCHER_CHECKS, check_dispatcher
from .peers import MakePair, Peer, plain_pairs, tls_pairs
from .reporting import RunFunction
from .server import answer, asgi_app, wsgi_app
from .streams import STREAM_CHECKS, check_stream

__all__ = [
    "BACKEND_CHECKS",
    "DISPATCHER_CHECKS",
    "STREAM_CHECKS",
    "MakePair",
    "Peer",
    "RunFunction",
    "answer",
    "asgi_app",
    "check_backend",
    "check_dispatcher",
    "check_stream",
    "plain_pairs",
    "tls_pairs",
    "wsgi_app",
]
