"""Which backend a pool uses: the one that was given, or that of the async library that runs."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, TypeGuard, cast

from http3_models.engine import short_repr

from .._backends._detect import running_backend
from .._backends._legacy_connect import BackendWithConnect
from .._interfaces import BACKEND_METHODS
from .legacy_backend import LegacyBackend

if TYPE_CHECKING:
    from http3_models import ConcurrencyBackend, NetworkConfig

    from .._interfaces import Backend, Clock


def choose_backend(backend: ConcurrencyBackend | Backend | None) -> Backend:
    """The backend to use in the event loop that runs; to be called at the first await, not at construction.

    Raises RuntimeError if none was given, or one that only has ``connect``, and no supported async library
    runs.
    """
    if backend is None:
        return running_backend()
    if is_native(backend):
        return backend
    return LegacyBackend(cast("ConcurrencyBackend", backend), running_backend())


def check_backend(backend: ConcurrencyBackend | Backend | None) -> ConcurrencyBackend | Backend | None:
    """The backend. Raises TypeError, with what is missing, for other objects."""
    if backend is None:
        return backend
    if offers_streams(backend):
        for name in ("blocks", "must_look"):
            if not isinstance(getattr(backend, name, None), bool):
                raise TypeError(f"{name} of backend {short_repr(backend)} must be True or False")
        return backend
    if callable(getattr(backend, "connect", None)):
        return backend
    kind = type(backend).__name__
    missing = [name for name in BACKEND_METHODS if not callable(getattr(backend, name, None))]
    if len(missing) < len(BACKEND_METHODS):
        raise TypeError(f"backend {kind} lacks methods of a Backend: {', '.join(missing)}")
    raise TypeError(f"backend must be a Backend, a ConcurrencyBackend or None, not {kind}")


def with_network(backend: Backend, network: NetworkConfig) -> Backend:
    """The backend, with the socket settings of the configuration.

    Raises ValueError if there are some, and the backend has no ``with_network``.
    """
    if network.local_address is None and not network.socket_options:
        return backend
    configure = getattr(backend, "with_network", None)
    if configure is None:
        raise ValueError(
            f"{type(backend).__name__} has no with_network(): it can't use local_address or socket_options "
            "of a NetworkConfig"
        )
    configured: Backend = configure(network)
    return configured


def choose_clock(now: Clock | None, backend: ConcurrencyBackend | Backend | None) -> Clock:
    """``now``; else ``backend.now``, as of a simulation; else `time.monotonic`.

    Raises TypeError if it is not callable.
    """
    clock = getattr(backend, "now", monotonic) if now is None else now
    if not callable(clock):
        raise TypeError(f"now must be a function that returns seconds, not {type(clock).__name__}")
    return cast("Clock", clock)


def never_suspends(backend: ConcurrencyBackend | Backend | None) -> bool:
    """True for a `Backend` over which no await suspends."""
    return backend is not None and is_native(backend) and backend.blocks


def offers_streams(backend: object) -> TypeGuard[Backend]:
    """True if it has the methods of `Backend`."""
    return all(callable(getattr(backend, name, None)) for name in BACKEND_METHODS)


def is_native(backend: object) -> TypeGuard[Backend]:
    """True for a `Backend`, unless it overrides the ``connect`` of `BackendWithConnect`."""
    own = BackendWithConnect.connect
    overrides = isinstance(backend, BackendWithConnect) and type(backend).connect is not own
    return not overrides and offers_streams(backend)
