"""Which backend serves a pool: the one that was given, or that of the async library that runs."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, cast

from .._foreign import ForeignBackend
from ._detect import running_backend

if TYPE_CHECKING:
    from http3_models import ConcurrencyBackend

    from .._interfaces import Backend, Clock


def choose_backend(backend: ConcurrencyBackend | None) -> Backend:
    """The backend to use now; to be called at the first await, not at construction.

    Raises RuntimeError if none was given, or one that only connects, and no supported async library runs.
    """
    if backend is None:
        return running_backend()
    if is_native(backend):
        return cast("Backend", backend)
    return ForeignBackend(backend, running_backend())


def check_backend(backend: ConcurrencyBackend | None) -> ConcurrencyBackend | None:
    """The backend. Raises TypeError for what can't be one."""
    if backend is None or callable(getattr(backend, "connect", None)):
        return backend
    raise TypeError(f"backend must be a ConcurrencyBackend or None, not {type(backend).__name__}")


def choose_clock(now: Clock | None, backend: ConcurrencyBackend | None) -> Clock:
    """``now``; else that of a backend which turns the time itself, as a simulation does; else the system's.

    Raises TypeError for what can't be called.
    """
    clock = getattr(backend, "now", monotonic) if now is None else now
    if not callable(clock):
        raise TypeError(f"now must be a function that returns seconds, not {type(clock).__name__}")
    return cast("Clock", clock)


def blocks(backend: ConcurrencyBackend | None) -> bool:
    """True if no await on the backend ever suspends: ours for blocking sockets."""
    from ._blocking import BlockingBackend

    return isinstance(backend, BlockingBackend) and is_native(backend)


def is_native(backend: ConcurrencyBackend) -> bool:
    """True for our own backends, unless a subclass overrides ``connect``: then that is what it is for."""
    for cls in type(backend).__mro__:
        if "connect" in cls.__dict__:
            return cls.__module__.partition(".")[0] == "http3_transport"
    return False
