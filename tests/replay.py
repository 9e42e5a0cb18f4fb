"""POSTs over real sockets to a server that dies at random, and what must hold: ``python -m tests.replay``.

The server reads a request, acts on it (counts its mark) and answers; at any of these points it may close or
reset the connection, also while that lies idle. Clients send from several threads or tasks::

    python -m tests.replay --requests 100000            # threads, HTTP/1.1 and HTTP/2
    python -m tests.replay --requests 100000 --asyncio

What must hold: no mark is acted on twice, each answer shows the mark of its request, and what an exception
says of the delivery is true. `tests.simulate --posts` asks the same of a simulated network, which fails in
more ways.
"""

from __future__ import annotations

import argparse
import asyncio
import struct
import sys
import threading
import time
from collections import Counter
from random import Random
from typing import Any, NamedTuple, Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded

import http3

WORKERS = 16
VERSIONS = ("HTTP/1.1", "HTTP/2")
NOT_ACTED_ON = (http3.Delivery.NOT_SENT, http3.Delivery.REFUSED)
LINGER_RESET = struct.pack("ii", 1, 0)


class Died(Exception):
    """The server has closed the connection."""


class Outcome(NamedTuple):
    """What came of a run."""

    outcomes: Counter[str]
    acted_on: Counter[bytes]
    wrong: list[str]
    seconds: float


class MortalServer:
    """Listens in a loop of its own thread. ``dies``: the probability, at each of five points of a request."""

    def __init__(self, seed: int, dies: float) -> None:
        self.acted_on: Counter[bytes] = Counter()
        self.port = 0
        self._random = Random(seed)
        self._dies = dies
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            preface = await reader.readexactly(4)
            if preface == b"PRI ":
                await HTTP2Connection(self, reader, writer, preface).serve()
            while True:
                await self._exchange(reader, writer, preface)
                preface = b""
        except (Died, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # cancelled: the run is over
        finally:
            writer.close()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, begun: bytes
    ) -> None:
        head = begun + await reader.readuntil(b"\r\n\r\n")
        self.may_die(writer)
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        self.may_die(writer)
        mark = head.split(b" ", 2)[1]
        self.acted_on[mark] += 1
        self.may_die(writer)
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(mark), mark)
        if self.dies_now():
            writer.write(answer[: self._random.randrange(1, len(answer))])
            self.die(writer)
        writer.write(answer)
        self.may_die(writer)

    def dies_now(self) -> bool:
        """Draw."""
        return self._random.random() < self._dies

    def may_die(self, writer: asyncio.StreamWriter) -> None:
        """Raises Died if so."""
        if self.dies_now():
            self.die(writer)

    def die(self, writer: asyncio.StreamWriter) -> None:
        """Close, or reset. Raises Died."""
        if self._random.random() < 0.5:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(1, 13, LINGER_RESET)  # SOL_SOCKET, SO_LINGER
            writer.transport.abort()
        raise Died


class HTTP2Connection:
    """One connection of a `MortalServer` with prior knowledge."""

    def __init__(
        self,
        server: MortalServer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        preface: bytes,
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._begun = preface
        self._marks: dict[int, bytes] = {}
        self._highest = 0
        """Of the streams that were acted on; what GOAWAY names."""

    async def serve(self) -> None:
        """Until it dies."""
        self._h2.initiate_connection()
        data = self._begun
        while data or (data := await self._reader.read(65536)):
            for event in self._h2.receive_data(data):
                self._take(event)
            if self._writer.transport.is_closing():  # the client has reset it
                break
            self._writer.write(self._h2.data_to_send())
            data = b""
        raise Died

    def _take(self, event: object) -> None:
        server = self._server
        if isinstance(event, RequestReceived):
            fields = dict(event.headers or ())
            self._marks[event.stream_id or 0] = bytes(fields[b":path"])
            self._may_die()
        elif isinstance(event, DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
        elif isinstance(event, StreamEnded):
            stream_id = event.stream_id or 0
            mark = self._marks.pop(stream_id)
            if server.dies_now():
                self._h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
                return
            if server.dies_now():
                self._h2.close_connection(last_stream_id=self._highest)
                self._writer.write(self._h2.data_to_send())
                server.die(self._writer)
            self._may_die()
            self._highest = max(self._highest, stream_id)
            server.acted_on[mark] += 1
            self._may_die()
            if server.dies_now():
                self._h2.reset_stream(stream_id, ErrorCodes.INTERNAL_ERROR)
                return
            self._h2.send_headers(stream_id, [(b":status", b"200")])
            self._h2.send_data(stream_id, mark, end_stream=True)
            self._may_die()

    def _may_die(self) -> None:
        """Before or after what is waiting to be sent went out."""
        if self._server.dies_now():
            if self._server.dies_now():
                self._writer.write(self._h2.data_to_send())
            self._server.die(self._writer)


class Judge:
    """What each request came to."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._excused: dict[bytes, str] = {}

    def answered(self, mark: bytes, response: Any) -> None:
        """A response, its body read."""
        self.outcomes["answered"] += 1
        if response.content != mark:
            self.wrong.append(f"{mark!r} was answered with {response.content!r}")

    def failed(self, mark: bytes, exc: http3.RequestError) -> None:
        """An exception instead."""
        delivery = exc.delivery
        self.outcomes[f"{type(exc).__name__} {None if delivery is None else delivery.value}"] += 1
        if delivery is None:
            self.wrong.append(f"{mark!r}: nothing is said of the delivery: {exc!r}")
        if delivery in NOT_ACTED_ON:
            self._excused[mark] = str(delivery)

    def verdict(self, acted_on: Counter[bytes]) -> list[str]:
        """What was wrong in all."""
        twice = [f"{mark!r} was acted on {count} times" for mark, count in acted_on.items() if count > 1]
        untrue = [
            f"{mark!r} was acted on, and is {why}" for mark, why in self._excused.items() if acted_on[mark]
        ]
        return self.wrong + twice + untrue


def run(requests: int, version: str, *, seed: int = 1, dies: float = 0.02, tasks: bool = False) -> Outcome:
    """So many POSTs. ``tasks``: by an AsyncClient on asyncio, else by a Client in threads."""
    judge = Judge()
    started = time.perf_counter()
    with MortalServer(seed, dies) as server:
        url = f"http://127.0.0.1:{server.port}"
        marks = iter([b"/%d" % number for number in range(requests)])
        options: Any = {"http_versions": (version,), "timeout": 20}
        if tasks:
            asyncio.run(_in_tasks(url, marks, judge, options))
        else:
            _in_threads(url, marks, judge, options)
    wrong = judge.verdict(server.acted_on)
    return Outcome(judge.outcomes, server.acted_on, wrong, time.perf_counter() - started)


def _in_threads(url: str, marks: Any, judge: Judge, options: Any) -> None:
    lock = threading.Lock()
    with http3.Client(**options) as client:

        def work() -> None:
            while True:
                with lock:
                    mark = next(marks, None)
                if mark is None:
                    return
                try:
                    response = client.post(url + mark.decode(), data=mark)
                except http3.RequestError as exc:
                    with lock:
                        judge.failed(mark, exc)
                else:
                    with lock:
                        judge.answered(mark, response)

        threads = [threading.Thread(target=work) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


async def _in_tasks(url: str, marks: Any, judge: Judge, options: Any) -> None:
    async with http3.AsyncClient(**options) as client:

        async def work() -> None:
            for mark in marks:
                try:
                    response = await client.post(url + mark.decode(), data=mark)
                except http3.RequestError as exc:
                    judge.failed(mark, exc)
                else:
                    judge.answered(mark, response)

        await asyncio.gather(*[work() for _ in range(WORKERS)])


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.replay", description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=10_000, help="of each version; default 10,000")
    parser.add_argument("--version", choices=VERSIONS, action="append", help="default: one after the other")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dies", type=float, default=0.02, help="probability at each point; default 0.02")
    parser.add_argument("--asyncio", action="store_true", help="tasks in place of threads")
    options = parser.parse_args()
    failed = False
    for version in options.version or VERSIONS:
        result = run(options.requests, version, seed=options.seed, dies=options.dies, tasks=options.asyncio)
        most = max(result.acted_on.values(), default=0)
        print(f"{version}: {options.requests} POSTs in {result.seconds:.1f} s")
        print(f"  acted on: {result.acted_on.total()}, at most {most} times on one")
        print("  " + ", ".join(f"{name} {count}" for name, count in result.outcomes.most_common()))
        print("\n".join(result.wrong[:20]) or "  nothing wrong")
        failed = failed or bool(result.wrong)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
