"""Which process this is: how many forks lie between it and the one that the module was loaded in.

A forked child must not touch the connections, locks and threads of its parent. Their owners store the number
of forks when they make them, and compare. `os.getpid` would be a system call (0.3 us, twice for every
connection).
"""

from __future__ import annotations

import os

generation = 0
"""Read it as an attribute of the module: an imported name would not change."""


def _count() -> None:
    global generation
    generation += 1


if hasattr(os, "register_at_fork"):
    # Hooks in a child run in the order in which they were registered: those of modules that import this one
    # find the new number.
    os.register_at_fork(after_in_child=_count)
