"""Work in a forked process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


def in_a_child(work: Callable[[], bool]) -> bool:
    """Run ``work`` in a forked process; True if it returned True there, and in time."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            threading.Timer(10, os._exit, (2,)).start()
            code = 0 if work() else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) == 0
