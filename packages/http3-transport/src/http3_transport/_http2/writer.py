"""`Writer`: sends the output of an HTTP/2 connection in order.

What h2 has produced must be sent: header compression has state, and nothing can follow half a frame. So
output is sent in order, by the holder of the lock. It waits for room without sending, and then sends without
waiting: so it is always known to the byte what was sent. Control frames are queued by any exchange, and
`flush` tries to send them at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lock import FIFOLock

if TYPE_CHECKING:
    import threading

    from .._interfaces import Backend, Stream
    from .state import HTTP2State


class Writer:
    """The way from the `SendBuffer` of a connection to its stream."""

    __slots__ = ("_output", "_state", "_stream", "error", "lock", "state_lock")

    def __init__(
        self, stream: Stream, backend: Backend, state: HTTP2State, state_lock: threading.Lock
    ) -> None:
        self._stream = stream
        self._state = state
        self._output = state.output
        self.state_lock = state_lock
        self.lock = FIFOLock(backend)
        """Not held while an exchange waits for a WINDOW_UPDATE."""
        self.error: OSError | None = None
        """Why nothing can be sent any more."""

    def __repr__(self) -> str:
        return f"<Writer {'broken' if self.error else 'open'}, {self._output!r}>"

    @property
    def is_behind(self) -> bool:
        """True while anything is to be sent."""
        return bool(self._output.rest or self._output.pieces or self._stream.has_unsent)

    def flush(self) -> None:
        """Send what is queued as far as that does not block. Raises OSError."""
        while self._output.rest or self._output.pieces:
            # If the lock is held, its holder flushes again after it has released the lock.
            if self.error is not None or not self.lock.try_acquire():
                return
            try:
                if not self.write():
                    return
            finally:
                self.lock.release()

    def write(self) -> bool:
        """With the lock: send what the kernel takes at once. True if nothing is left. Raises OSError."""
        if self.error is not None:
            return True
        output = self._output
        while True:
            if not output.rest:
                if not output.pieces:
                    return (
                        not (self._stream.has_unsent or self._state.pulse.is_clogged) or self._write_unsent()
                    )
                with self.state_lock:
                    output.rest = memoryview(output.take())
            output.written(self._stream.write_nowait(output.rest))
            if output.rest:
                return False

    def _write_unsent(self) -> bool:
        """Send what the TLS stream has kept of earlier writes; True if nothing is left."""
        if self._stream.has_unsent:
            self._stream.write_nowait(b"")
        if self._stream.has_unsent:
            return False
        if self._state.pulse.is_clogged:
            self._state.pulse.is_clogged = False
            self._state.limit_changed = True
        return True

    async def wait_writable(self, seconds: float | None, *, or_readable: bool = False) -> bool:
        """As `Stream.wait_writable`."""
        return await self._stream.wait_writable(seconds, or_readable=or_readable)
