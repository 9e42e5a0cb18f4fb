"""A server on the loopback interface that does what a test says, byte by byte, well or badly.

The counterpart of the simulation for what needs real sockets: blocking clients, event loops, TLS. Each
connection is served by a script, a function, on a thread of its own.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from .connection import ScriptedConnection

Script = Callable[[ScriptedConnection], object]
"""Serves one connection. When it returns, the connection is closed."""

END_SECONDS = 15.0
"""How long scripts may take to end when the server is closed."""


class ScriptedServer:
    """Listens at once, on a free port of ``host``: ``with ScriptedServer(script) as server: ... server.url``.

    The n-th connection runs the n-th script, later ones the last. ``ssl_context`` is a server's, to speak
    TLS. ``limit`` is how many seconds an operation of a script may wait.

    `close`, which the ``with`` block calls, ends all connections and raises again what a script raised, an
    AssertionError say; that the client has gone away (ConnectionError, `ssl.SSLError`) does not count. Raises
    ValueError without a script, OSError where it can't listen.
    """

    def __init__(
        self,
        *scripts: Script,
        ssl_context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        limit: float = 10.0,
    ) -> None:
        if not scripts:
            raise ValueError("a ScriptedServer needs a script at least")
        self._scripts = scripts
        self._context = ssl_context
        self._limit = limit
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.host: str = host
        self.port: int = self._listener.getsockname()[1]
        self.url: str = (
            f"http{'s' if ssl_context else ''}://{f'[{host}]' if ':' in host else host}:{self.port}"
        )
        """Without a slash at its end."""
        self.connections: int = 0
        """How many were accepted so far."""
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self._ending = threading.Event()
        self._start(self._accept)

    def __repr__(self) -> str:
        return f"<ScriptedServer {self.url} {'closed' if self._ending.is_set() else 'open'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self.close()
        except BaseException:
            if exc_info[0] is None:  # else what happened in the block says more
                raise

    def close(self) -> None:
        """Stop, join the threads, raise what a script raised. Idempotent."""
        with self._lock:
            self._ending.set()
            for connection in self._open:
                with suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept() on Linux; close() alone does not
        self._listener.close()
        for thread in self._threads:
            thread.join(END_SECONDS)
            assert not thread.is_alive(), "a script of a ScriptedServer does not end"
        failures, self._failures = self._failures, []
        for failure in failures:
            raise failure

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name="scripted-server", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._ending.is_set():
                    connection.close()
                    return
                script = self._scripts[min(self.connections, len(self._scripts) - 1)]
                self.connections += 1
                self._open.add(connection)
                self._start(self._serve, connection, script)

    def _serve(self, accepted: socket.socket, script: Script) -> None:
        accepted.settimeout(self._limit)
        used = accepted
        try:
            if self._context is not None:
                used = self._context.wrap_socket(accepted, server_side=True)
                with self._lock:
                    self._open.discard(accepted)
                    self._open.add(used)
            script(ScriptedConnection(used, self._ending))
        except (ConnectionError, ssl.SSLError):
            pass
        except BaseException as exc:  # noqa: BLE001  (raised again by close)
            if not (self._ending.is_set() and isinstance(exc, OSError)):
                self._failures.append(exc)
        finally:
            with self._lock:
                self._open.discard(accepted)
                self._open.discard(used)
            used.close()
