"""Every operation, interrupted at every point: nothing is left, the next request is served.

How often that was is printed (``pytest -s``): cancellations at each wait on asyncio (while it waits, and when
what it waits for is there) and trio; in blocking code an exception before and after each call to the kernel
and OpenSSL.
"""

from __future__ import annotations

import gc
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any, NamedTuple

import pytest

import http3
from http3_transport import BlockingBackend, ConnectionPool
from interruption import AtCall, check_pool, interrupted, open_sockets, take_turns
from runtimes import Runtime
from servers import Authority, Nginx

pytestmark = pytest.mark.thorough

SIZE = 200_000
"""Bytes of a body: an upload of so many does not go out with its head, a download does not come with it."""

PART = {"Range": f"bytes=0-{SIZE - 1}"}

covered: Counter[str] = Counter()


class Target(NamedTuple):
    """Where requests go, over what."""

    name: str
    url: str
    options: dict[str, Any]

    @property
    def multiplexes(self) -> bool:
        """True for HTTP/2."""
        return "h2" in self.name


@pytest.fixture(params=["plain", "tls", "h2c", "tls_h2"])
def target(request: pytest.FixtureRequest, nginx: Nginx, authority: Authority) -> Target:
    name = request.param
    versions = ("HTTP/2",) if "h2" in name else ("HTTP/1.1",)
    url = getattr(nginx, name).replace("127.0.0.1", "localhost")  # a name to be looked up, two addresses
    return Target(name, url, {"http_versions": versions, "verify": authority.ca_file})


async def do(result: Any) -> Any:
    """Of either client."""
    return await result if hasattr(result, "__await__") else result


@pytest.fixture(autouse=True)
def cheap_collections() -> Iterator[None]:
    """There is one at each point."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Upload:
    """The same for both kinds of client."""

    def __iter__(self) -> Iterator[bytes]:
        return iter([bytes(SIZE // 4)] * 4)


# The operations. Each gets a client, with one connection at most, and the URL of a server.


async def one_request(client: Any, url: str) -> None:
    await ask(client, url)


async def again(client: Any, url: str) -> None:
    await ask(client, url)
    await ask(client, url)


async def upload_pieces(client: Any, url: str) -> None:
    response = await do(client.post(f"{url}/sink", data=Upload()))
    assert response.status_code == 200


async def upload_much(client: Any, url: str) -> None:
    """More than the kernel takes at once."""
    response = await do(client.post(f"{url}/sink", data=bytes(40 * SIZE)))
    assert response.status_code == 200


async def upload_file(client: Any, url: str) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(bytes(SIZE))
        file.seek(0)
        response = await do(client.post(f"{url}/sink", data=file))
    assert response.status_code == 200


async def streamed(client: Any, url: str) -> None:
    response = await do(client.get(f"{url}/big", headers=PART, stream=True))
    iterator = response.stream(1000)
    size = 0
    for _ in range(3):
        size += len(await anext(iterator) if hasattr(iterator, "__anext__") else next(iterator))
    assert size == 3000
    await do(response.close())


async def whole(client: Any, url: str) -> None:
    response = await do(client.get(f"{url}/big", headers=PART, stream=True))
    assert len(await do(response.read())) == SIZE


async def redirect(client: Any, url: str) -> None:
    response = await do(client.get(f"{url}/redirect"))
    assert response.content == b"hello\n"


async def waiting(client: Any, url: str) -> None:
    """For the one connection, which another response has."""
    response = await do(client.get(f"{url}/big", stream=True))
    try:
        await ask(client, url)
    except http3.PoolTimeout:
        pass
    finally:
        await do(response.close())


async def closing(client: Any, url: str) -> None:
    await ask(client, url)
    await do(client.close())


OPERATIONS = [
    one_request, again, upload_pieces, upload_much, upload_file, streamed, whole, redirect, waiting, closing,
]  # fmt: skip
operations = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)

Operation = Callable[[Any, str], Coroutine[Any, Any, None]]


async def ask(client: Any, url: str) -> None:
    """A request whose answer shows that it is its own."""
    mark = f"/echo?{id(object())}"
    response = await do(client.get(url + mark))
    assert (await do(response.json()))["uri"] == mark


def make_pool(target: Target, **options: Any) -> ConnectionPool:
    limits = http3.PoolLimits(hard_limit=1, pool_timeout=0.01)
    return ConnectionPool(pool_limits=limits, timeout=20, **target.options, **options)


def note(where: str, target: Target, operation: Operation, points: int) -> None:
    covered[where] += points
    print(f"{where}, {target.name}, {operation.__name__}: {points} points; {covered.total()} so far")
    assert points


@operations
@pytest.mark.parametrize("late", [False, True], ids=["waiting", "served"])
def test_cancelled_at_every_wait(runtime: Runtime, target: Target, operation: Operation, late: bool) -> None:
    if runtime.name == "blocking":
        pytest.skip("see the test below")
    if late and runtime.name == "trio":
        pytest.skip("trio delivers what came, and cancels at the next wait")

    async def main() -> int:
        number = 0
        while True:
            number += 1
            sockets = open_sockets()
            pool = make_pool(target)
            client = http3.AsyncClient(dispatch=pool)
            reached = await interrupted(partial(operation, client, target.url), number, late=late)
            await take_turns()
            gc.collect()
            try:
                if operation is not closing:
                    check_pool(pool, sockets=sockets)
                    await ask(client, target.url)
                    check_pool(pool, sockets=sockets)
            except BaseException as exc:
                exc.add_note(f"cancelled at wait {number}")
                raise
            await client.close()
            await take_turns()
            if not reached:
                return number - 1

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        note(f"{runtime.name}{', served' if late else ''}", target, operation, runtime.run(main))


@pytest.mark.parametrize(
    "operation", [one_request, upload_much, streamed, whole], ids=lambda operation: operation.__name__
)
def test_a_sibling_lives(runtime: Runtime, target: Target, operation: Operation) -> None:
    """On the same HTTP/2 connection; unless a write was cut in two, which nobody can go on behind."""
    if runtime.name == "blocking" or not target.multiplexes:
        pytest.skip("nothing is cancelled there, or nothing shared")

    async def main() -> tuple[int, int]:
        number = alive = 0
        while True:
            number += 1
            sockets = open_sockets()
            pool = make_pool(target)
            client = http3.AsyncClient(dispatch=pool)
            sibling = await client.get(f"{target.url}/big", headers=PART, stream=True)
            reached = await interrupted(partial(operation, client, target.url), number, late=False)
            await take_turns()
            gc.collect()
            try:
                alive += len(await sibling.read()) == SIZE
            except http3.NetworkError as exc:
                if "a write on it was interrupted" not in str(exc):
                    raise
            await ask(client, target.url)
            check_pool(pool, sockets=sockets)
            await client.close()
            await take_turns()
            if not reached:
                return number - 1, alive

    points, alive = runtime.run(main)
    note(f"{runtime.name}, beside a sibling", target, operation, points)
    assert alive > (0 if operation is upload_much else points)


@operations
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_interrupted_at_every_system_call(target: Target, operation: Operation, after: bool) -> None:
    number = 0
    reached = True
    run_to_end = Runtime("blocking").run
    while reached:
        number += 1
        sockets = open_sockets()
        pool = make_pool(target, backend=BlockingBackend())
        client = http3.Client(dispatch=pool)
        attempt = AtCall(number, after=after)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ResourceWarning
            )  # a response may be cut off from who would close it
            reached = attempt.run(partial(run_to_end, operation, client, target.url))
            gc.collect()
        try:
            if operation is not closing:
                check_pool(pool, sockets=sockets)
                run_to_end(ask, client, target.url)
                check_pool(pool, sockets=sockets)
        except BaseException as exc:
            exc.add_note(f"interrupted at {attempt.where}")
            raise
        client.close()
    note(f"blocking, {'after' if after else 'before'}", target, operation, number - 1)
