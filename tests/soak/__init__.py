"""Traffic for hours over real servers that are killed, frozen and restarted, and what must hold of it.

All three backends at once (a `Client` shared by threads, an `AsyncClient` on asyncio, another on trio) send
requests of many kinds to nginx, hypercorn, uvicorn and nghttpd, over HTTP/1.1 and HTTP/2, with TLS and
without. Some are given next to no time, some are cancelled, some bodies are left unread. Every answer has a
mark of its own, which is checked. From the root of the repository::

    python -m tests.soak                                   # 200,000 requests, an hour at most
    python -m tests.soak --requests 20000 --seed 4711 --seconds 600
    python -m tests.soak --backends trio --servers nginx,nghttpd --no-kills

It goes in rounds. After each of them everything stands still, and these are looked at: leases that were not
given back, file descriptors beyond those of idle connections, threads, memory. It fails (status 1) unless

- no answer is wrong, and no request takes longer than `judge.HANG` seconds;
- every exception is explained: it is one of http3's that fits, and its request was given next to no time, or
  was under way while its server was killed, frozen or restarted;
- nothing is left: no lease, no descriptor, no thread; and memory does not grow.

`sites` has the servers, `app` what uvicorn and hypercorn run, `traffic` the requests and the checks of their
answers, `backends` who sends them, `judge` what is counted and found wrong, `rounds` the order of events.
Only 127.0.0.1 is listened on and connected to.
"""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]

if str(TESTS) not in sys.path:  # `python -m tests.soak` finds the modules beside this package, too
    sys.path.insert(0, str(TESTS))
