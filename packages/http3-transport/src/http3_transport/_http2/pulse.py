"""Whether anybody is still at the other end of an HTTP/2 connection; no I/O, the time is passed in.

A connection that somebody between the two ends has dropped, or whose server hangs, looks like one on which
the server takes its time. What tells them apart is whether anything comes while a request waits, for any
stream, or in answer to a PING (RFC 9113 section 6.7). There are two degrees:

- In doubt: a PING was sent. Who wants to open a stream waits a moment for a sign of life.
- Silent: it takes no further stream, and ends with the last that is open.

Whatever comes ends both. But a server that takes nothing may say a lot. Where a request was given up while it
waited to write the connection is clogged: it takes no further stream until all that waits has left.
"""

from __future__ import annotations

from .stream import HTTP2Stream

QUIET = 1.0
"""Seconds without a word from the server after which one who waits for it asks by PING, once."""

PATIENCE = 0.5
"""Seconds that a PING has to be answered in before another connection is opened in place of this one."""


class Pulse:
    """Of one connection. ``moment`` is when it was opened, by the engine's clock."""

    __slots__ = ("doubted_since", "heard", "is_clogged", "is_silent", "probes")

    def __init__(self, moment: float) -> None:
        self.heard = moment
        """When the server said something last."""
        self.doubted_since: float | None = None
        """When a PING was sent; None if it needs none, or something has come since."""
        self.is_silent = False
        self.is_clogged = False
        self.probes: list[HTTP2Stream] = []
        """What those wait on who want to know whether it lives; they are ended with the doubt."""

    def __repr__(self) -> str:
        state = "silent" if self.is_silent else "beats" if self.doubted_since is None else "in doubt"
        return f"<{type(self).__name__} {state}>"

    def is_quiet(self, moment: float) -> bool:
        """Whether nothing has come for some time."""
        return moment - self.heard >= QUIET

    def has_said_nothing_to(self, stream: HTTP2Stream, handed: int) -> bool:
        """Whether nothing has come since the stream began to wait; nor, if it waits to write, was anything
        taken: ``handed`` is how many bytes the connection has sent."""
        since, behind = stream.waits_since, stream.waits_behind
        return since is not None and self.heard <= since and behind in (None, handed)

    def give_up(
        self, stream: HTTP2Stream, moment: float, handed: int, *, settled: bool, is_proof: bool
    ) -> bool:
        """A request was given up while it waited; True if the connection is to be asked by PING.

        ``settled``: the server's SETTINGS have come; before that nothing counts. ``is_proof``: it has waited
        for so long that, if nothing has come all the while, the connection need not be asked.
        """
        in_vain = not settled or self.has_said_nothing_to(stream, handed)
        if in_vain and is_proof:
            self.is_silent = True
        return in_vain or self.is_quiet(moment)

    def wait_for_sign(self, moment: float, remaining: float | None) -> tuple[HTTP2Stream, float]:
        """Something to wait on until the doubt has ended, and for how many seconds: what is left of
        `PATIENCE`, or a quarter of what the request has (it may need another connection)."""
        probe = HTTP2Stream(0, 0, is_head=False)
        since = self.doubted_since
        seconds = 0.0 if since is None else since + PATIENCE - moment
        if remaining is not None:
            seconds = min(seconds, remaining / 4)
        probe.ended = since is None
        self.probes.append(probe)
        return probe, max(seconds, 0.0)

    def end_doubt(self) -> list[HTTP2Stream]:
        """Something has come, or the connection is over; returns the probes that are to be woken."""
        self.doubted_since = None
        for probe in self.probes:
            probe.ended = True
        return self.probes
