"""Which process this is: how many forks lie between it and the one that the module was loaded in.

Connections, locks and threads of a parent must be let alone in its child. So whoever owns some notes the
generation, and compares. It costs next to nothing, where `os.getpid` is a system call (0.3 us, twice for
every connection).
"""

from __future__ import annotations

import os

generation = 0
"""To be read through the module: a name imported from it would not change."""


def _count() -> None:
    global generation
    generation += 1


if hasattr(os, "register_at_fork"):
    # Hooks in a child run in the order in which they were registered: those of modules that import this one
    # find the new number.
    os.register_at_fork(after_in_child=_count)
