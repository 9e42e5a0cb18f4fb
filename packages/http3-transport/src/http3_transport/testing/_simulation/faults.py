"""What goes wrong in a simulated network, how often, and the draws that decide when."""

from __future__ import annotations

from random import Random
from typing import TypeAlias, TypeGuard

from http3_models.engine import ImmutableValue, check_count, set_fields

Range: TypeAlias = "float | tuple[float, float]"
"""Seconds, or (least, most): then each time is drawn anew."""


class Faults(ImmutableValue):
    """How a simulated network behaves. Without arguments: it is fast, and nothing goes wrong.

    Seconds, as a number or as (least, most) between which each is drawn:

    - ``latency`` (0): how long data takes one way; connecting takes twice that.
    - ``lookup`` (0): how long a name lookup takes.
    - ``drip_interval`` (0.1): between two bytes of a connection that drips.

    Probabilities, from 0 (never, the default) to 1 (always):

    - ``lookup_failure``, ``lookup_hang``: a name lookup fails; it never ends.
    - ``refusal``, ``connect_hang``: a connection is refused; nothing is heard of it.
    - ``reset``: of each piece of data that is sent, to break the connection.
    - ``blackhole``: of each piece of data that is sent, to be the first that is lost; from then on nothing
      arrives any more, and neither end is notified.
    - ``partial_write``: the system takes only a part of what is written, at least one byte.
    - ``partial_read``: a read gives only a part of what has arrived, at least one byte.
    - ``drip``: of each connection, that all its data arrives byte by byte.

    ``buffer`` (65536): bytes of a connection that can be on their way in one direction, or (least, most).
    ``shuffle`` (False): which task goes on first, of those that could, is drawn.

    Raises TypeError or ValueError for what none of them can be.
    """

    __slots__ = _fields = (
        "latency",
        "lookup",
        "drip_interval",
        "lookup_failure",
        "lookup_hang",
        "refusal",
        "connect_hang",
        "reset",
        "blackhole",
        "partial_write",
        "partial_read",
        "drip",
        "buffer",
        "shuffle",
    )

    latency: tuple[float, float]
    lookup: tuple[float, float]
    drip_interval: tuple[float, float]
    lookup_failure: float
    lookup_hang: float
    refusal: float
    connect_hang: float
    reset: float
    blackhole: float
    partial_write: float
    partial_read: float
    drip: float
    buffer: tuple[int, int]
    shuffle: bool

    def __init__(
        self,
        *,
        latency: Range = 0.0,
        lookup: Range = 0.0,
        drip_interval: Range = 0.1,
        lookup_failure: float = 0.0,
        lookup_hang: float = 0.0,
        refusal: float = 0.0,
        connect_hang: float = 0.0,
        reset: float = 0.0,
        blackhole: float = 0.0,
        partial_write: float = 0.0,
        partial_read: float = 0.0,
        drip: float = 0.0,
        buffer: int | tuple[int, int] = 65536,
        shuffle: bool = False,
    ) -> None:
        set_fields(
            self,
            latency=range_of_seconds("latency", latency),
            lookup=range_of_seconds("lookup", lookup),
            drip_interval=range_of_seconds("drip_interval", drip_interval),
            lookup_failure=probability("lookup_failure", lookup_failure),
            lookup_hang=probability("lookup_hang", lookup_hang),
            refusal=probability("refusal", refusal),
            connect_hang=probability("connect_hang", connect_hang),
            reset=probability("reset", reset),
            blackhole=probability("blackhole", blackhole),
            partial_write=probability("partial_write", partial_write),
            partial_read=probability("partial_read", partial_read),
            drip=probability("drip", drip),
            buffer=range_of_numbers("buffer", buffer),
            shuffle=bool(shuffle),
        )


def range_of_seconds(name: str, value: object) -> tuple[float, float]:
    """Seconds as (least, most). Raises TypeError or ValueError for what is neither."""
    least, most = value if isinstance(value, tuple) and len(value) == 2 else (value, value)
    if not _is_number(least) or not _is_number(most):
        raise TypeError(f"{name} must be seconds or (least, most), not {value!r}")
    if not 0 <= least <= most < float("inf"):
        raise ValueError(f"{name} must be 0 or more seconds, the lesser first, not {value!r}")
    return float(least), float(most)


def range_of_numbers(name: str, value: object) -> tuple[int, int]:
    """A number from 1 on as (least, most). Raises TypeError or ValueError for what is neither."""
    least, most = value if isinstance(value, tuple) and len(value) == 2 else (value, value)
    return check_count(name, least, 1), check_count(name, most, check_count(name, least, 1))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def probability(name: str, value: object) -> float:
    """The probability. Raises TypeError, or ValueError for what is not between 0 and 1."""
    if not _is_number(value):
        raise TypeError(f"{name} must be a probability, not {value!r}")
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a probability between 0 and 1, not {value!r}")
    return float(value)


class Dice:
    """All draws of one simulation, in the order in which they are asked for."""

    __slots__ = ("random",)

    def __init__(self, random: Random) -> None:
        self.random: Random = random

    def happens(self, chance: float) -> bool:
        """True with that probability."""
        return chance > 0 and (chance >= 1 or self.random.random() < chance)

    def seconds(self, bounds: tuple[float, float]) -> float:
        """A duration between the bounds."""
        least, most = bounds
        return least if least == most else self.random.uniform(least, most)

    def size(self, bounds: tuple[int, int]) -> int:
        """A whole number between the bounds, both included."""
        least, most = bounds
        return least if least == most else self.random.randint(least, most)
