"""`hatch run demo`: a tour of http3 against a real TLS server on this machine.

Every step shows the code, runs it, and prints what happened. A step that does not do what it promises ends
the tour with an error, so that exit code 0 means: all of this really works here.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import http3
from demo_server import running

COLOUR = sys.stdout.isatty()
DOWNLOAD_SIZE = 16 * 2**20
DOWNLOAD = f"/files/big.bin?size={DOWNLOAD_SIZE}"


def paint(text: str, code: str) -> str:
    """Text in a colour, where the terminal has any."""
    return f"\x1b[{code}m{text}\x1b[0m" if COLOUR else text


def heading(text: str) -> None:
    """Begin a part of the tour."""
    print(f"\n{paint(text, '1')}")


def show(code: str) -> None:
    """Print the code of the next step."""
    print("\n" + "\n".join(f"  {paint('>>> ' + line, '36')}" for line in code.splitlines()))


def tell(text: str) -> None:
    """Print what happened."""
    print(f"      {text}")


def check(what: bool, promise: str) -> None:
    """End the tour unless the promise was kept."""
    if not what:
        raise SystemExit(f"\nThe demo failed: {promise}")


def seconds(value: float) -> str:
    """A duration for people."""
    return f"{value * 1000:.1f} ms"


def mebibytes(size: float) -> str:
    """A size for people."""
    return f"{size / 2**20:.0f} MiB"


def describe(response: http3.Response | http3.AsyncResponse) -> None:
    """One line on an answer, one on where the time went."""
    # The registered phrase: HTTP/2 has none, and some servers leave it out of HTTP/1.1 as well.
    status = f"{response.status_code} {http3.codes.get_reason_phrase(response.status_code)}"
    took = seconds(response.elapsed.total_seconds())
    tls = response.connection.tls_version
    tell(f"{paint(status, '32')} over {response.protocol} and {tls}, head after {took}")
    phases = zip(response.timings._fields, response.timings, strict=True)
    told = ", ".join(f"{name} {seconds(value)}" for name, value in phases if value)
    tell(paint(f"timings{' of the last hop' * bool(response.history)}: {told}", "2"))


def tell_what_was_loaded(response: http3.Response) -> None:
    """What the head took beside the phases: a first request loads modules and certificates."""
    *until_head, _ = response.timings
    beside = response.elapsed.total_seconds() - sum(value or 0 for value in until_head)
    tell(paint(f"beside these: {seconds(beside)} to load modules and certificates, the first time only", "2"))


def first_steps(base: str, ca: str) -> None:
    """One request over each version of HTTP."""
    heading("1. One request, HTTP/1.1 and HTTP/2")
    for versions, protocol in [(("HTTP/1.1",), "HTTP/1.1"), (("HTTP/1.1", "HTTP/2"), "HTTP/2")]:
        chosen = f", http_versions={versions}" if len(versions) == 1 else ""
        code = f"with http3.Client(verify=ca_file{chosen}) as client:\n"
        show(code + f"    response = client.get('{base}/users/1')")
        with http3.Client(verify=ca, http_versions=versions) as client:
            response = client.get(f"{base}/users/1")
        describe(response)
        tell_what_was_loaded(response)
        tell(f"response.json() -> {response.json()}")
        check(response.status_code == 200, "GET /users/1 answers 200")
        check(response.protocol == protocol, f"{protocol} was negotiated")


def json_post(client: http3.Client) -> None:
    """A body in JSON, there and back."""
    heading("2. JSON there and back")
    show("client.post('/users', json={'name': 'Grüße', 'numbers': [1, 2, 3]})")
    payload = {"name": "Grüße", "numbers": [1, 2, 3]}
    response = client.post("/users", json=payload)
    describe(response)
    tell(f"response.json() -> {response.json()}")
    check(response.json() == {"id": 4, **payload}, "the server got the JSON that was sent")
    reused = response.timings.connect is None
    tell("the connection of this client " + ("was reused" if reused else "was opened for it"))


def download(client: http3.Client) -> None:
    """A body that is never in memory as a whole."""
    heading("3. A streamed download")
    show(f"with client.stream('GET', '{DOWNLOAD}') as response:\n    for chunk in response.stream(): ...")
    start, received, shown = time.monotonic(), 0, 0
    with client.stream("GET", DOWNLOAD) as response:
        for chunk in response.stream():
            received += len(chunk)
            percent = received * 100 // DOWNLOAD_SIZE
            if percent >= shown + (2 if COLOUR else 25):
                shown = percent
                line = f"      [{'#' * (percent // 4):<25}] {percent:3d} %  {mebibytes(received)}"
                print(line, end="\r" if COLOUR else "\n", flush=True)
    took = time.monotonic() - start
    print(end="\n" if COLOUR else "")
    tell(f"{mebibytes(received)} in {took:.2f} s: {mebibytes(received / took)}/s over {response.protocol}")
    check(received == DOWNLOAD_SIZE, "every byte of the download arrived")


def upload(client: http3.Client) -> None:
    """A body made while it is sent."""
    heading("4. A streamed upload")
    show("client.post('/upload', data=blocks())     # any iterator of bytes")
    digest = hashlib.sha256()

    def blocks() -> Iterator[bytes]:
        for number in range(64):
            block = number.to_bytes(4, "big") * 16384
            digest.update(block)
            yield block

    response = client.post("/upload", data=blocks())
    describe(response)
    answer = response.json()
    tell(f"the server counted {answer['size']} bytes, sha256 {answer['sha256'][:16]}...")
    check(answer["sha256"] == digest.hexdigest(), "the server got the very bytes that were sent")


def redirects_and_cookies(client: http3.Client) -> None:
    """What happens between the first request and the last answer."""
    heading("5. Redirects and cookies")
    show("client.get('/redirect/3')")
    response = client.get("/redirect/3")
    describe(response)
    path = " -> ".join(hop.url.path for hop in [*response.history, response])
    tell(path)
    check(path == "/redirect/3 -> /redirect/2 -> /redirect/1 -> /", "three redirects were followed")
    show("client.post('/login')                      # sets a cookie and redirects to /account")
    response = client.post("/login")
    describe(response)
    tell(f"response.json() -> {response.json()}")
    check(response.json() == {"signed_in": True}, "the cookie was kept and sent back")


def failures(base: str, client: http3.Client) -> None:
    """Errors say what happened, where, and after how long."""
    heading("6. When things go wrong")
    show(f"http3.get('{base}/users/1')   # without verify=ca_file")
    try:
        http3.get(f"{base}/users/1")
    except http3.TLSError as exc:
        tell(f"{paint('TLSError', '33')}: {exc}")
        tell(f"exc.delivery -> {exc.delivery}")
    else:
        check(False, "an unknown certificate is refused")
    show("client.get('/slow/2', timeout=0.3)")
    start = time.monotonic()
    try:
        client.get("/slow/2", timeout=0.3)
    except http3.ReadTimeout as exc:
        took = time.monotonic() - start
        tell(f"{paint('ReadTimeout', '33')} after {took:.2f} s: {exc}")
        check(took < 2, "the timeout was kept")
    else:
        check(False, "a slow answer is given up")
    show("client.get('/nowhere').raise_for_status()")
    try:
        client.get("/nowhere").raise_for_status()
    except http3.HttpError as exc:
        tell(f"{paint('HttpError', '33')}: {exc}")
        check(exc.response.status_code == 404, "the status of the error is 404")
    else:
        check(False, "raise_for_status() raises for a 404")


async def asynchronous(base: str, ca: str) -> None:
    """The same API with `await`; many requests share one HTTP/2 connection."""
    heading("7. The same with await: 100 requests at once")
    code = "async with http3.AsyncClient(verify=ca_file, base_url=...) as client:\n"
    show(code + "    await asyncio.gather(*[client.get('/users/1') for _ in range(100)])")
    for versions in (("HTTP/1.1",), ("HTTP/2",)):
        async with http3.AsyncClient(verify=ca, base_url=base, http_versions=versions) as client:
            start = time.monotonic()
            responses = await asyncio.gather(*[client.get("/users/1") for _ in range(100)])
            took = time.monotonic() - start
            bodies = [await response.json() for response in responses]
            addresses = {response.connection.local_address for response in responses}
        tell(f"{versions[0]}: {len(responses)} answers in {took:.2f} s, connections: {len(addresses)}")
        check(all(body["name"] == "Ada" for body in bodies), "all hundred answers are right")
        check(all(response.protocol == versions[0] for response in responses), f"all spoke {versions[0]}")
        check(versions != ("HTTP/2",) or len(addresses) == 1, "HTTP/2 shares one connection")
    code = f"async with client.stream('GET', '{DOWNLOAD}') as response:\n"
    show(code + "    async for chunk in response.stream(): ...")
    async with http3.AsyncClient(verify=ca, base_url=base) as client:
        received = 0
        async with client.stream("GET", DOWNLOAD) as response:
            async for chunk in response.stream():
                received += len(chunk)
        tell(f"{mebibytes(received)} streamed over {response.protocol}")
        check(received == DOWNLOAD_SIZE, "every byte of the download arrived")
        posted = await client.post("/users", json={"name": "Barbara"})
        check(await posted.json() == {"id": 4, "name": "Barbara"}, "JSON goes there and back")


def main() -> None:
    """The whole tour."""
    start = time.monotonic()
    print(f"http3 {http3.__version__} on Python {sys.version.split()[0]}: a tour")
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (base, ca):
        print(f"hypercorn serves {base}; its certificate was made a moment ago (ca_file = {Path(ca).name})")
        first_steps(base, ca)
        with http3.Client(verify=ca, base_url=base) as client:
            json_post(client)
            download(client)
            upload(client)
            redirects_and_cookies(client)
            failures(base, client)
        asyncio.run(asynchronous(base, ca))
    print(f"\nAll of it worked, in {time.monotonic() - start:.1f} s. Next: README.md, then docs/.")


if __name__ == "__main__":
    main()
