"""Cases of a server that dies at one point of an exchange, for tests of what is sent again.

A case is one request to a server that closes, resets or half-closes its connection: the first request of a
connection, or one that reuses it. `Ledger` holds what the server saw.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import http3
from support.hostile_peers import reset
from support.worlds import do

MANY = 1 << 20
"""More bytes than any request here has."""

BARE = {"User-Agent": None, "Accept": None, "Accept-Encoding": None, "Connection": None}


class Kind(NamedTuple):
    """A request: its method, and a body that is none, bytes or an iterator."""

    method: str
    body: str

    @property
    def can_be_sent_again(self) -> bool:
        return self.body != "iterator"

    def options(self) -> dict[str, Any]:
        bodies: dict[str, Any] = {"none": {}, "bytes": {"data": b"xy"}, "iterator": {"data": iter([b"xy"])}}
        options: dict[str, Any] = bodies[self.body]
        return options


KINDS = [
    Kind("GET", "none"),
    Kind("PUT", "bytes"),
    Kind("PUT", "iterator"),
    Kind("POST", "bytes"),
    Kind("POST", "iterator"),
]


def name(value: Any) -> str:
    return "-".join(value) if isinstance(value, Kind) else str(value.__name__)


def close(connection: socket.socket) -> None:
    """What is unread makes the kernel reset it; else it ends in good order."""
    connection.close()


def reset_by_peer(connection: socket.socket) -> None:
    """At once, whatever was read."""
    reset(connection)
    connection.close()


def half_close(connection: socket.socket) -> None:
    """Nothing more is said, but everything is read."""
    connection.shutdown(socket.SHUT_WR)


DEATHS = [close, reset_by_peer, half_close]


class Case(NamedTuple):
    """Where the server dies: after so many bytes of the request, or of its answer."""

    mark: str
    reused: bool
    read: int
    sent: int
    die: Callable[[socket.socket], None]


class Ledger:
    """What the server saw of one request, connection by connection; a case is over when it has died."""

    def __init__(self) -> None:
        self.case = Case("", False, 0, 0, close)
        self.seen: list[bytes] = []
        self.connections = 0
        self.died = threading.Event()

    def begin(self, case: Case) -> None:
        self.case = case
        self.seen = []
        self.connections = 0
        self.died.clear()

    def end(self, connection: socket.socket) -> None:
        """Die, and tell. A half-closed connection is read to its end."""
        self.case.die(connection)
        self.died.set()
        with suppress(OSError):
            while connection.fileno() >= 0 and connection.recv(65536):
                pass

    def wait(self) -> None:
        assert self.died.wait(10), "the server did not come to its end"


class Outcome(NamedTuple):
    content: bytes | None
    error: http3.RequestError | None


async def attempt(client: Any, url: str, ledger: Ledger, kind: Kind) -> Outcome:
    """One case: the connection is made ready, the request sent."""
    case = ledger.case
    if case.reused:
        assert (await do(client.get(f"{url}/first", headers=BARE))).status_code == 200
    try:
        response = await do(client.request(kind.method, url + case.mark, headers=BARE, **kind.options()))
    except http3.RequestError as exc:
        ledger.wait()
        return Outcome(None, exc)
    ledger.wait()
    return Outcome(response.content, None)
