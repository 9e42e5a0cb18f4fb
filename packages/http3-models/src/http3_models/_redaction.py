"""Keeps secrets out of tracebacks and pickles.

Tools that report errors show the local variables of every frame of a traceback (`traceback` with
``capture_locals``, pytest, Sentry, rich). The reprs of http3's objects hide secrets; but a head that is being
sent is bytes, and what a caller passed is a dict, a tuple or a str. A function with such a variable clears it
when it fails: `forget_locals` clears the frames below it, and it deletes its own variables.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from types import FrameType

P = ParamSpec("P")
T = TypeVar("T")

_PACKAGES = frozenset(
    {"h11", "h2", "hpack", "hyperframe", "http3", "http3_client", "http3_models", "http3_transport"}
)
"""Frames of these are cleared: those of http3, and of the libraries that are given heads as bytes."""

_MOST_MODULES = 1024

_RESUMABLE = 0x20 | 0x80 | 0x200
"""Flags of a code object: CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR (of `inspect`, which is large)."""

_LONGEST_CHAIN = 32
"""Exceptions of a chain that are visited; a chain may be a circle."""


class _Modules(dict[str, bool]):
    """Whether a module, by its name, is in one of `_PACKAGES`; cached, since failures may be many."""

    def __missing__(self, name: str) -> bool:
        if len(self) >= _MOST_MODULES:
            self.clear()
        self[name] = is_cleared = str(name).partition(".")[0] in _PACKAGES
        return is_cleared


_is_cleared = _Modules()


def forget_locals(error: BaseException) -> None:
    """Clear the local variables in tracebacks of ``error``, and of its causes, in `_PACKAGES`.

    Functions that are still running keep theirs, and so do coroutines and generators that are suspended: one
    task may await where it caught an exception that another task raises again. The variables of callers and
    applications are kept, too.
    """
    found: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if found is None:
            return
        traceback = found.__traceback__
        while traceback is not None:
            frame = traceback.tb_frame
            traceback = traceback.tb_next
            try:
                if _is_cleared[frame.f_globals["__name__"]] and not _is_suspended(frame):
                    frame.clear()
            except (KeyError, RuntimeError, TypeError):
                pass  # no module has this code; the function is still running
        found = found.__context__ if found.__cause__ is None else found.__cause__


def _is_suspended(frame: FrameType) -> bool:
    """Whether the frame is that of a coroutine or generator that may continue.

    Before Python 3.13 ``clear()`` closes such a coroutine; since then it raises RuntimeError. They are
    recognised by their references: only a frame that has ended refers to its code.
    """
    code = frame.f_code
    if not code.co_flags & _RESUMABLE or sys.version_info >= (3, 13):
        return False
    for found in gc.get_referents(frame):  # noqa: SIM110 (all() would be a call for each)
        if found is code:
            return False
    return True


def forget_text(error: UnicodeEncodeError) -> None:
    """Remove the text that could not be encoded from the error, whose repr shows it."""
    error.object = ""
    error.args = (error.encoding, "", error.start, error.end, error.reason)


def without_secrets(value: object) -> object:
    """A copy of a request or a response without secrets, for pickles; anything else is returned itself."""
    make = getattr(value, "_without_secrets", None)
    return value if make is None else make()


def hide_arguments(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function whose arguments may be secret: a traceback of its failure does not show them."""

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except BaseException as exc:
            forget_locals(exc)
            raise
        finally:
            del args, kwargs

    return guarded
