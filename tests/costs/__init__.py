"""What a request costs, in counts that hold on any machine: system calls, turns of the loop, function calls.

`workloads` is what is done, `worker` does it in a process of its own and counts (`counters`, `memory`),
`system_calls` has strace look at such a process, `pinned` compares with ``pinned.toml``, the one table of
what is allowed. tests/costs/test_pinned.py holds every change to it. From the folder tests::

    python -m costs                       # today's counts beside the pinned ones
    python -m costs --pin                 # write them into pinned.toml, for the Python that runs
    python -m costs --calls sync-get      # what is called, and how often a request, the most frequent first
"""

from __future__ import annotations
