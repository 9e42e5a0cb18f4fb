"""What the checks of streams and backends are made of: data in which a gap shows, reading by several reads,
operations that must fail.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

from ..._interfaces import OperationTimeout, Stream
from .peers import LIMIT, Peer
from .reporting import shown


def pattern(size: int) -> bytes:
    """Bytes in which a gap or a swap shows."""
    block = b"".join(number.to_bytes(4, "big") for number in range(4096))
    return (block * (size // len(block) + 1))[:size]


def same_bytes(what: str, got: bytes, expected: bytes) -> None:
    """Raise AssertionError that tells where ``got`` begins to differ."""
    if got == expected:
        return
    pairs = zip(got, expected, strict=False)
    place = next((number for number, (one, other) in enumerate(pairs) if one != other), None)
    where = "" if place is None else f", and from byte {place} on they differ"
    raise AssertionError(f"{what}: expected {len(expected)} bytes, got {len(got)}{where}")


async def read_to_end(stream: Stream, max_bytes: int) -> bytes:
    """All until b""."""
    parts = []
    while part := await stream.read(max_bytes, LIMIT):
        parts.append(part)
    return b"".join(parts)


async def read_exactly(stream: Stream, size: int) -> bytes:
    """Just so many bytes, fewer only at the end."""
    data = b""
    while len(data) < size and (part := await stream.read(size - len(data), LIMIT)):
        data += part
    return data


async def poll(stream: Stream, peer: Peer, max_bytes: int) -> bytes | None:
    """``read_nowait`` until it returns something; None if it returns None for a second."""
    for _ in range(100):
        got = stream.read_nowait(max_bytes)
        if got is not None:
            return got
        await peer.sleep(0.01)
    return None


async def times_out(what: str, operation: Coroutine[Any, Any, object], limit: float) -> None:
    """Await something that must raise OperationTimeout after about ``limit`` seconds."""
    start = time.monotonic()
    happened = f"{what} with a timeout of {limit:g} s must raise OperationTimeout, but"
    try:
        result = await operation
    except OperationTimeout:
        taken = time.monotonic() - start
        # Clocks differ a little, busy machines are late; twice and more would be another mistake.
        assert limit * 0.9 <= taken <= limit * 2 + 2, (
            f"{what} with a timeout of {limit:g} s raised OperationTimeout after {taken:.3f} s"
        )
        return
    except Exception as exc:
        taken = time.monotonic() - start
        raise AssertionError(f"{happened} it raised {type(exc).__name__} after {taken:.1f} s: {exc}") from exc
    taken = time.monotonic() - start
    raise AssertionError(f"{happened} it returned {shown(result)} after {taken:.1f} s")


async def fails_with_oserror(what: str, operation: Coroutine[Any, Any, object]) -> None:
    """Await something that must raise an OSError, and soon."""
    start = time.monotonic()
    try:
        result = await operation
    except OSError:
        taken = time.monotonic() - start
        assert taken < LIMIT / 2, f"{what} must raise an OSError at once, but did so only after {taken:.1f} s"
        return
    except Exception as exc:
        raise AssertionError(f"{what} must raise an OSError, but raised {type(exc).__name__}: {exc}") from exc
    raise AssertionError(f"{what} must raise an OSError, but returned {shown(result)}")


async def all_operations_fail(stream: Stream, closed_by: str) -> None:
    """What holds once a stream was closed on this side."""
    after = f"after {closed_by}"
    await fails_with_oserror(f"read {after}", stream.read(10, LIMIT))
    await fails_with_oserror(f"write {after}", stream.write(b"x", LIMIT))
    await fails_with_oserror(f"write_until_readable {after}", stream.write_until_readable(b"x", LIMIT))
    await fails_with_oserror(f"read_nowait {after}", _called(lambda: stream.read_nowait(10)))
    await fails_with_oserror(f"write_nowait {after}", _called(lambda: stream.write_nowait(b"x")))


async def _called(operation: Callable[[], object]) -> object:
    """A function that does not wait, as a coroutine."""
    return operation()
