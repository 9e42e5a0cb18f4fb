"""The garbage collector, kept cheap in a process that holds thousands of tests."""

from __future__ import annotations

import gc


def set_aside() -> None:
    """Collect what is garbage, and spare later collections the rest: pytest's own objects, millions in all.

    `gc.unfreeze` would undo it for every test that follows, so nobody calls that.
    """
    gc.collect()
    gc.freeze()
