"""Whether the peer of an HTTP/2 connection is still there; no I/O, the time is passed in.

A connection that was dropped on its way, or whose server hangs, looks like one on which the server takes its
time. The difference is whether anything is received while a request waits, on any stream or as the answer to
a PING (RFC 9113 section 6.7). There are two degrees:

- In doubt: a PING was sent. A new request waits for a moment before it opens a stream.
- Silent: the connection takes no further stream, and ends with the last open one.

Anything received ends both. But a server that reads nothing may send a lot. If a request timed out or was
cancelled while it waited to write, the connection is clogged: it takes no further stream until all that is
queued was sent.
"""

from __future__ import annotations

from .stream import HTTP2Stream

QUIET = 1.0
"""Seconds without anything received after which a waiting request has a PING sent, once."""

PATIENCE = 0.5
"""Seconds for the answer to a PING before another connection is opened instead."""


class Pulse:
    """The liveness of one connection. ``moment`` is when it was opened."""

    __slots__ = ("doubted_since", "is_clogged", "is_silent", "probes", "received_at")

    def __init__(self, moment: float) -> None:
        self.received_at = moment
        """When something was received last."""
        self.doubted_since: float | None = None
        """When a PING was sent; None if none was, or something was received since."""
        self.is_silent = False
        self.is_clogged = False
        self.probes: list[HTTP2Stream] = []
        """Pseudo streams of requests that wait until the doubt has ended."""

    def __repr__(self) -> str:
        state = "silent" if self.is_silent else "beats" if self.doubted_since is None else "in doubt"
        return f"<{type(self).__name__} {state}>"

    def is_quiet(self, moment: float) -> bool:
        """Whether nothing was received for `QUIET` seconds."""
        return moment - self.received_at >= QUIET

    def was_silent_for(self, stream: HTTP2Stream, bytes_written: int) -> bool:
        """Whether nothing was received since the stream began to wait; nor, if it waits to write, written:
        ``bytes_written`` is how many bytes the connection has written."""
        since, behind = stream.waits_since, stream.waits_behind
        return since is not None and self.received_at <= since and behind in (None, bytes_written)

    def note_timeout(
        self,
        stream: HTTP2Stream,
        moment: float,
        bytes_written: int,
        *,
        settings_received: bool,
        is_proof: bool,
    ) -> bool:
        """A request timed out or was cancelled while it waited; True if a PING is to be sent.

        ``settings_received``: SETTINGS were received; before that nothing counts as received. ``is_proof``:
        it has waited so long that, if nothing was received, the connection is silent without a PING.
        """
        was_silent = not settings_received or self.was_silent_for(stream, bytes_written)
        if was_silent and is_proof:
            self.is_silent = True
        return was_silent or self.is_quiet(moment)

    def wait_for_sign(self, moment: float, remaining: float | None) -> tuple[HTTP2Stream, float]:
        """A pseudo stream to wait for until the doubt has ended, and for how many seconds: the rest of
        `PATIENCE`, or a quarter of the request's time left (it may need another connection)."""
        probe = HTTP2Stream(0, 0, is_head=False)
        since = self.doubted_since
        seconds = 0.0 if since is None else since + PATIENCE - moment
        if remaining is not None:
            seconds = min(seconds, remaining / 4)
        probe.ended = since is None
        self.probes.append(probe)
        return probe, max(seconds, 0.0)

    def end_doubt(self) -> list[HTTP2Stream]:
        """Something was received, or the connection has ended; returns the probes to wake."""
        self.doubted_since = None
        for probe in self.probes:
            probe.ended = True
        return self.probes
