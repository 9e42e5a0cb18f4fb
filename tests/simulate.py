"""Random traffic over a simulated network that fails, and what must hold of it: ``python -m tests.simulate``.

A seed decides all of a run: how the network misbehaves, what the servers do, which requests are made when,
with which limits, and which of them are cancelled. `Run.check` says what must hold afterwards.
`torture/test_simulated_traffic` takes some seeds each time; the command as many as one likes::

    python -m tests.simulate --seeds 10000          # seeds 0 to 9999
    python -m tests.simulate --first 4711 --seeds 1 --trace 200
"""

from __future__ import annotations

import argparse
import io
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from random import Random
from typing import Any, NamedTuple

import http3
from http3_transport.testing import (
    Cancelled,
    Deadlock,
    Faults,
    HTTP2Server,
    HTTP11Server,
    ServerConnection,
    Simulation,
    Task,
)

HOSTS = ("one.test", "two.test")
OVERSHOOT = 0.1
"""Virtual seconds by which a limit may be passed."""

TRAFFIC = 30.0
"""Virtual seconds over which the requests are spread."""

ROOMY = 1 << 20
"""Bytes of a buffer in which everything finds room that is sent here at a time."""

LARGE = 300_000
"""Bytes of a body that the windows of HTTP/2 don't hold."""

NO_LIMITS = http3.TimeoutConfig(connect_timeout=None, read_timeout=None, write_timeout=None)

VERSIONS = ("HTTP/1.1", "HTTP/2")


class Wrong(AssertionError):
    """Something that must never happen."""


class Plan(NamedTuple):
    """One request to be made."""

    mark: str
    method: str
    host: str
    start: float
    size: int
    upload: int
    body: str
    answer: str
    timeout: http3.TimeoutConfig
    streams: bool
    expects: bool
    cancelled_after: float | None
    cancelled_with: int | None
    """Cancelled the moment that request ends: when it has handed on what this one waits for."""


def draw_faults(random: Random, *, calm: bool) -> Faults:
    """How the network misbehaves in one run. A ``calm`` one is slow and small, and loses nothing."""

    def rarely(chance: float) -> float:
        return 0.0 if calm else random.choice((0.0, 0.0, chance / 10, chance))

    return Faults(
        latency=random.choice(((0.0, 0.0), (0.0, 0.01), (0.001, 0.3))),
        lookup=random.choice(((0.0, 0.0), (0.0, 0.5))),
        lookup_failure=rarely(0.05),
        lookup_hang=rarely(0.05),
        refusal=rarely(0.2),
        connect_hang=rarely(0.1),
        reset=rarely(0.03),
        blackhole=rarely(0.01),
        partial_write=random.choice((0.0, 0.3, 1.0)),
        partial_read=random.choice((0.0, 0.3)),
        drip=rarely(0.02),
        drip_interval=(0.0, 0.01),
        buffer=random.choice((ROOMY, (300, 20_000))),
        shuffle=True,
    )


def draw_plan(random: Random, number: int, count: int, *, calm: bool, posts: bool) -> Plan:
    """One request; in a calm run without limits."""
    method = "POST" if posts else random.choice(("GET", "GET", "GET", "POST", "POST", "PUT"))
    timeout = http3.TimeoutConfig(
        connect_timeout=random.choice((0.3, 2.0, 5.0)),
        read_timeout=random.choice((0.5, 2.0, 5.0)),
        write_timeout=random.choice((0.5, 5.0)),
        total_timeout=random.choice((None, None, 0.2, 1.0, 5.0)),
    )
    return Plan(
        mark=f"mark-{number}",
        method=method,
        host=random.choice(HOSTS),
        start=random.choice((random.uniform(0, TRAFFIC), random.randrange(6) * 5.0)),
        size=random.choice((0, 10, 1000, random.randrange(30_000), random.randrange(30_000), LARGE)),
        upload=0 if method == "GET" else random.choice((0, 10, 1000, random.randrange(100_000))),
        body=random.choice(("bytes", "bytes", "file", "iterator", "async")),
        answer=random.choice(("plain", "plain", "streamed", "slow", "redirect", "early", "echo")),
        timeout=NO_LIMITS if calm else timeout,
        streams=random.random() < 0.2,
        expects=random.random() < 0.05,
        cancelled_after=random.uniform(0, 2) if random.random() < 0.1 else None,
        cancelled_with=random.randrange(count) if random.random() < 0.2 else None,
    )


def content(mark: str, size: int) -> bytes:
    """A body in which bytes of another answer show."""
    line = f"{mark};".encode()
    return (line * (size // len(line) + 1))[:size]


class Pieces:
    """A body that comes piece by piece, and only once."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        return iter([self._data[start : start + 700] for start in range(0, len(self._data), 700)])


class SlowPieces:
    """The same, asynchronous, with pauses."""

    def __init__(self, simulation: Simulation, data: bytes, pause: float) -> None:
        self._simulation = simulation
        self._pieces = iter(Pieces(data))
        self._pause = pause

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await self._simulation.sleep(self._pause)
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


async def answer_early(connection: ServerConnection) -> None:
    """Say 413 before the body is there, and close soon; maybe before it was all sent."""
    head = await connection.read_until(b"\r\n\r\n")
    mark = head.split(b" ")[1].split(b"?")[0].split(b"/")[2]
    await connection.sleep(connection.random.choice((0.0, 0.1)))
    answer = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\nX-Mark: %b\r\n\r\ntoo large"
    await connection.write(answer % mark)
    await connection.sleep(connection.random.choice((0.0, 1.0)))


class Run:
    """One seed. ``posts``: no other requests, and servers that often die over them."""

    def __init__(self, seed: int, version: str, count: int = 50, *, posts: bool = False) -> None:
        self.random = Random(f"{seed} {version}")
        self.is_calm = seed % 4 == 3
        """Nothing fails, and there are no limits: then whoever waits in vain waits for ever."""
        self.simulation = Simulation(seed, faults=draw_faults(self.random, calm=self.is_calm), patience=3600)
        self.version = version
        self.replay = self.random.random() < 0.8
        self.plans = [
            draw_plan(self.random, number, count, calm=self.is_calm, posts=posts) for number in range(count)
        ]
        self.executed: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        dies = 0.0 if self.is_calm else self.random.choice((0.1, 0.3) if posts else (0.0, 0.02, 0.2))
        delay = self.random.choice(((0.0, 0.0), (0.0, 0.3)))
        for number, host in enumerate(HOSTS):
            if self.random.random() < 0.3:
                self.simulation.add_host(host, f"10.7.0.{number}", f"fd00::{number}")
            if version == "HTTP/1.1":
                server: Any = HTTP11Server(self.answer, delay=delay, chunked=0.3, dies=dies)
            else:
                server = HTTP2Server(self.answer, delay=delay, max_streams=(1, 20), dies=dies)
            self.simulation.serve(host, 80, server)
            self.simulation.serve(host, 81, answer_early)
            self.simulation.serve(host, 82, self.echo)

    def pool(self) -> http3.ConnectionPool:
        """With limits of its own, drawn like everything else."""
        random = self.random
        hard_limit = random.choice((1, 2, 10))
        limits = http3.PoolLimits(
            soft_limit=random.choice((0, 1, hard_limit)),
            hard_limit=hard_limit,
            pool_timeout=None if self.is_calm else random.choice((0.5, 5.0, 20.0)),
            keepalive_expiry=random.choice((0.5, 30.0)),
            total=random.choice((None, 2)),
        )
        return http3.ConnectionPool(
            backend=self.simulation.backend,
            pool_limits=limits,
            http_versions=(self.version,),
            replay=self.replay,
        )

    # The servers.

    async def answer(self, request: http3.Request) -> http3.AsyncResponse:
        """Count the mark, and answer with bytes that show it."""
        query = request.url.query
        kind, mark = request.url.path.strip("/").split("/")
        headers = {"X-Mark": mark}
        if kind == "redirect":
            other = HOSTS[1 - HOSTS.index(request.url.host)]
            return http3.AsyncResponse(
                307, headers={**headers, "Location": f"http://{other}/plain/{mark}?{query}"}
            )
        if kind == "early":
            return http3.AsyncResponse(413, headers=headers, content=b"too large")
        self.executed[mark] += 1
        if kind == "slow":
            await self.simulation.sleep(self.simulation.random.uniform(0, 3))
        uploaded = request.read()
        if kind == "echo":
            return http3.AsyncResponse(200, headers=headers, content=uploaded)
        headers["X-Uploaded"] = str(len(uploaded))
        if uploaded != content(mark, len(uploaded)):
            self.wrong.append(f"{mark}: the server got another body")
        data = content(mark, int(query or 0))
        if kind == "streamed":
            pause = self.simulation.random.choice((0.0, 0.05))
            return http3.AsyncResponse(200, headers=headers, content=SlowPieces(self.simulation, data, pause))
        return http3.AsyncResponse(200, headers=headers, content=data)

    async def echo(self, connection: ServerConnection) -> None:
        """Over HTTP/1.1, begin to answer before the body is there, and send back each piece of it."""
        while True:
            head = await connection.read_until(b"\r\n\r\n")
            mark = head.split(b" ")[1].split(b"?")[0].split(b"/")[2]
            self.executed[mark.decode()] += 1
            answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Mark: %b\r\n\r\n"
            await connection.write(answer % mark)
            fields = dict(line.lower().split(b": ", 1) for line in head[:-4].split(b"\r\n")[1:])
            is_chunked = b"transfer-encoding" in fields
            left = int(fields.get(b"content-length", b"0"))
            while left or is_chunked:
                if is_chunked and not left:
                    left = int(await connection.read_until(b"\r\n"), 16)
                    if not left:
                        await connection.read_until(b"\r\n")
                        break
                piece = await connection.read(left)
                if not piece:
                    return
                left -= len(piece)
                await connection.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                if is_chunked and not left:
                    await connection.read_exactly(2)
            await connection.write(b"0\r\n\r\n")

    # The clients.

    async def main(self) -> None:
        """All requests, and what must hold when they are over."""
        simulation = self.simulation
        pool = self.pool()
        client = http3.AsyncClient(dispatch=pool)
        tasks = [simulation.start(self.request(client, plan), plan.mark) for plan in self.plans]
        for plan, task in zip(self.plans, tasks, strict=True):
            if plan.cancelled_after is not None:
                _ = simulation.start(self.cancel(task, simulation.sleep(plan.start + plan.cancelled_after)))
            if plan.cancelled_with is not None:
                _ = simulation.start(self.cancel(task, tasks[plan.cancelled_with].wait()))
        for plan, task in zip(self.plans, tasks, strict=True):
            await task.wait()
            try:
                task.result()
            except Cancelled:
                self.outcomes["cancelled"] += 1
                if plan.cancelled_after is None and plan.cancelled_with is None:
                    self.wrong.append(f"{plan.mark}: a cancellation of somebody else's")
            except Wrong as exc:
                self.wrong.append(str(exc))
        await simulation.sleep(10)  # what was given up may have something to say still
        self.check_idle(pool)
        await client.close()
        self.check_closed(pool)
        self.check_executions()

    async def cancel(self, task: Task[None], occasion: Coroutine[Any, Any, object]) -> None:
        """Cancel a request, then."""
        await occasion
        task.cancel()

    async def request(self, client: http3.AsyncClient, plan: Plan) -> None:
        """One request. Raises Wrong for an answer that is not its own, or that took too long."""
        await self.simulation.sleep(plan.start)
        started = self.simulation.now()
        error: http3.RequestError | None = None
        try:
            response = await client.request(
                plan.method,
                self.url(plan),
                data=self.body(plan),
                headers={"Expect": "100-continue"} if plan.expects else None,
                timeout=plan.timeout,
                stream=plan.streams,
            )
            async with response:
                await self.read(response, plan)
            self.outcomes[str(response.status_code)] += 1
        except http3.RequestError as exc:
            error = exc
            self.outcomes[type(exc).__name__] += 1
        taken, total = self.simulation.now() - started, plan.timeout.total_timeout
        if total is not None and taken > total + OVERSHOOT and self.writes_at_once(plan):
            raise Wrong(f"{plan.mark}: {taken:.3f} s with a total limit of {total} s: {error!r}")
        if error is not None:
            self.check_error(plan, error)

    def writes_at_once(self, plan: Plan) -> bool:
        """Whether no write has to wait for room. One that does, and makes progress, is limited wait by wait,
        and may pass the total limit by what its piece takes; over HTTP/2 with what others send, as well."""
        faults = self.simulation.faults
        room = 0 if faults.drip else faults.buffer[0]
        return room >= ROOMY or (self.version == "HTTP/1.1" and plan.upload < room)

    def url(self, plan: Plan) -> str:
        """Where it goes: over HTTP/1.1 early answers have servers of their own."""
        port = {"early": ":81", "echo": ":82"}.get(plan.answer, "") if self.version == "HTTP/1.1" else ""
        return f"http://{plan.host}{port}/{plan.answer}/{plan.mark}?{plan.size}"

    def body(self, plan: Plan) -> Any:
        """What is sent."""
        if plan.method == "GET":
            return None
        data = content(plan.mark, plan.upload)
        if plan.body == "file":
            return io.BytesIO(data)
        # A small body in memory goes out in one write, for which a kernel has room, unlike the one simulated:
        # a server that echoes would wait for us to read.
        if plan.body == "iterator" or (plan.answer == "echo" and plan.body == "bytes"):
            return Pieces(data)
        return SlowPieces(self.simulation, data, 0.01) if plan.body == "async" else data

    async def read(self, response: http3.AsyncResponse, plan: Plan) -> None:
        """Compare the answer with what it must be. Raises Wrong."""
        if response.headers.get("x-mark") != plan.mark:
            raise Wrong(f"{plan.mark}: an answer with the mark {response.headers.get('x-mark')}")
        size = plan.upload if plan.answer == "echo" else plan.size
        expected = content(plan.mark, size) if response.status_code == 200 else b"too large"
        if plan.streams and len(plan.mark) % 2:
            first = await anext(response.stream(), b"")
            if not expected.startswith(first):
                raise Wrong(f"{plan.mark}: a first piece of another answer")
            return
        if await response.read() != expected:
            raise Wrong(f"{plan.mark}: the body of another answer, or not all of it")
        uploaded = int(response.headers.get("x-uploaded", plan.upload))
        if uploaded != plan.upload:
            raise Wrong(f"{plan.mark}: the server got {uploaded} of {plan.upload} bytes")

    # What must hold.

    def check_error(self, plan: Plan, error: http3.RequestError) -> None:
        """What an exception says is true. Raises Wrong."""
        executed = self.executed[plan.mark]
        if self.is_calm and not self.may_fail(plan, error):
            raise Wrong(f"{plan.mark}: {error!r}, and nothing fails here")
        if executed and error.delivery in (http3.Delivery.NOT_SENT, http3.Delivery.REFUSED):
            raise Wrong(f"{plan.mark}: {error.delivery}, but the server has executed it: {error!r}")
        if error.delivery is None and isinstance(error, http3.TransportError):
            raise Wrong(f"{plan.mark}: nothing is said of the delivery: {error!r}")
        timings, limit = error.timings, plan.timeout.connect_timeout
        if isinstance(error, http3.ConnectTimeout) and timings is not None and limit is not None:
            taken = max(timings.dns or 0, timings.connect or 0)  # each may be that of a first try
            if taken > limit + OVERSHOOT:
                raise Wrong(f"{plan.mark}: ConnectTimeout of {limit} s after {taken:.3f} s")

    def may_fail(self, plan: Plan, error: http3.RequestError) -> bool:
        """Whether a request may fail like that though the network does not."""
        if plan.answer == "early":  # its server closes without a word, with something on the way maybe
            kinds: tuple[type[Exception], ...] = (http3.NetworkError, http3.RemoteProtocolError)
        else:
            kinds = (http3.RedirectBodyUnavailable,)
        return isinstance(error, kinds)

    def check_executions(self) -> None:
        """A request that is not idempotent is never executed twice; nor is any without replay."""
        for plan in self.plans:
            count = self.executed[plan.mark]
            if count > 1 and (plan.method == "POST" or not self.replay):
                self.wrong.append(f"{plan.mark}: {plan.method} was executed {count} times")
            if count > 2:
                self.wrong.append(f"{plan.mark}: {plan.method} was sent {count} times, twice is the most")

    def check_idle(self, pool: http3.ConnectionPool) -> None:
        """All requests are over: nothing is held."""
        scope = pool._scope
        if scope is None:
            return
        state: Any = scope.state
        busy = state.connections(idle=False)
        idle = state.connections(idle=True)
        if busy or state.waiting() or state.slots != len(idle):
            self.wrong.append(f"held after the last request: {busy}, {state.waiting()}, {state.slots} slots")
        if scope.deferred:
            self.wrong.append(f"left to finalisers: {scope.deferred}")
        for connection in idle:
            engine = connection.engine
            if not engine.is_idle:
                self.wrong.append(f"not idle: {engine}")
        if len(idle) != self.simulation.open_connections:
            what = f"{self.simulation.open_connections} connections are open, the pool knows {idle}"
            self.wrong.append(what)

    def check_closed(self, pool: http3.ConnectionPool) -> None:
        """The client is closed: nothing is left."""
        slots = 0 if pool._scope is None else pool._scope.state.slots
        if slots or self.simulation.open_connections:
            self.wrong.append(f"open after close(): {slots} slots, {self.simulation.open_connections}")

    def check(self) -> None:
        """Run it all. Raises AssertionError with what is wrong."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                self.simulation.run(self.main)
            except (Deadlock, Exception) as exc:
                raise Wrong("".join(traceback.format_exception(exc))) from exc
        if self.wrong:
            raise Wrong("\n".join(self.wrong))


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulate", description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=1000, help="how many; default 1000")
    parser.add_argument("--first", type=int, default=0, help="the first of them; default 0")
    parser.add_argument("--requests", type=int, default=50, help="in each run; default 50")
    parser.add_argument("--version", choices=VERSIONS, action="append", help="default: one after the other")
    parser.add_argument("--posts", action="store_true", help="POST only, to servers that die more often")
    parser.add_argument("--digest", action="store_true", help="print a checksum of each run's events")
    parser.add_argument(
        "--trace", type=int, default=0, help="print so many events of each run, the last ones"
    )
    options = parser.parse_args()
    started, seconds, events, failed = time.perf_counter(), 0.0, 0, 0
    outcomes: Counter[str] = Counter()
    executed = most = 0
    for seed in range(options.first, options.first + options.seeds):
        for version in options.version or VERSIONS:
            run = Run(seed, version, options.requests, posts=options.posts)
            try:
                run.check()
            except AssertionError as exc:
                failed += 1
                print(f"seed {seed}, {version}:\n{exc}\n", flush=True)
            seconds += run.simulation.now()
            events += len(run.simulation.trace)
            outcomes += run.outcomes
            executed += run.executed.total()
            most = max(most, *run.executed.values(), 0)
            if options.digest:
                print(f"seed {seed}, {version}: {run.simulation.trace.digest}")
            if options.trace:
                print(run.simulation.trace.text(options.trace))
    real = time.perf_counter() - started
    print(f"{options.seeds} seeds, {failed} runs failed; {events} events, {sum(outcomes.values())} requests")
    print(f"{executed} times a server acted on a request, at most {most} times on one")
    print(f"{seconds / 3600:.1f} h of virtual time in {real:.1f} s")
    print(", ".join(f"{name} {count}" for name, count in outcomes.most_common()))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
