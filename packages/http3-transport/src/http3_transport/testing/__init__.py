"""Conformance suites for the parts of http3 that can be swapped, to be run on one's own.

`check_stream`, `check_backend` and `check_dispatcher` take a way to make the thing and, where it is
asynchronous, a way to run coroutines. They need no test framework: what is wrong is an AssertionError
that names the check. With pytest, the names make parameters::

    @pytest.mark.parametrize("name", BACKEND_CHECKS)
    def test_my_backend(name):
        check_backend(trio.run, MyBackend(), [name])

The checks open connections on the loopback interface only, and start helper threads. A thing that
hangs hangs its check as well: give the test run a limit of its own.
"""

from __future__ import annotations

from .._interfaces import Address, Backend, OperationTimeout, Stream, Waiter
from ._backends import BACKEND_CHECKS, check_backend
from ._dispatchers import DISPATCHER_CHECKS, check_dispatcher
from ._peers import Peer, plain_pairs, tls_pairs
from ._server import answer, asgi_app, wsgi_app
from ._streams import STREAM_CHECKS, check_stream

__all__ = [
    "BACKEND_CHECKS",
    "DISPATCHER_CHECKS",
    "STREAM_CHECKS",
    "Address",
    "Backend",
    "OperationTimeout",
    "Peer",
    "Stream",
    "Waiter",
    "answer",
    "asgi_app",
    "check_backend",
    "check_dispatcher",
    "check_stream",
    "plain_pairs",
    "tls_pairs",
    "wsgi_app",
]

for _name in __all__:
    _object = globals()[_name]
    if isinstance(_object, type):
        # One public address for each class, whatever module it is written in.
        _object.__module__ = __name__
