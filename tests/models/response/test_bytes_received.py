"""`num_bytes_downloaded`: what of the body has come, as it was sent."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from http3_models import AsyncResponse, Headers, ReadError, Request, Response
from http3_models.engine import (
    BufferedBody,
    Deadline,
    ResponseState,
    WholeBody,
    drain,
    read_all,
    run_sync,
    view_response,
)
from models.response.test_reading import Body, Reader

PLAIN = b"x" * 10_000
ENCODED = gzip.compress(PLAIN)


@pytest.fixture(params=[Response, AsyncResponse])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


def reader(kind: Any, body: Any, *, encoded: bool = True) -> Reader:
    state = ResponseState(
        status_code=200,
        reason_phrase="OK",
        protocol="HTTP/1.1",
        headers=Headers({"Content-Encoding": "gzip"} if encoded else {}),
        body=body,
        request=Request("GET", "https://example.org/")._state,
    )
    return Reader(state, kind is AsyncResponse)


def pieces(data: bytes = ENCODED, size: int = 10) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("way", ["stream", "raw", "iter_text", "iter_lines"])
def test_it_grows_while_the_body_is_streamed(kind: Any, way: str) -> None:
    view = reader(kind, Body(*pieces()))
    assert view.response.num_bytes_downloaded == 0
    seen = [0] + [view.response.num_bytes_downloaded for _ in view.iterate(way)]
    assert seen == sorted(seen)
    assert 0 < seen[1] <= len(ENCODED)
    assert view.response.num_bytes_downloaded == len(ENCODED)


def test_raw_counts_what_it_gives(kind: Any) -> None:
    view = reader(kind, Body(*pieces()))
    given = 0
    for piece in view.iterate("raw"):
        given += len(piece)
        assert view.response.num_bytes_downloaded == given


@pytest.mark.parametrize("encoded", [True, False])
@pytest.mark.parametrize("buffered", [True, False])
def test_a_body_that_is_read_whole(kind: Any, encoded: bool, buffered: bool) -> None:
    data = ENCODED if encoded else PLAIN
    view = reader(kind, BufferedBody(data) if buffered else Body(*pieces(data)), encoded=encoded)
    assert view.response.num_bytes_downloaded == 0
    assert view.call("read") == PLAIN
    assert view.response.num_bytes_downloaded == len(data)
    view.call("close")
    assert view.response.num_bytes_downloaded == len(data)
    for copied in (pickle.loads(pickle.dumps(view.response)), view_response(kind, view.state)):
        assert copied.num_bytes_downloaded == len(data)


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {}])
def test_a_response_made_by_hand_has_all_of_its_body(kind: Any, headers: dict[str, str]) -> None:
    response = kind(200, content=ENCODED, headers=headers)
    assert response.num_bytes_downloaded == len(ENCODED)
    assert response.content
    assert response.num_bytes_downloaded == len(ENCODED)
    assert kind(200, text="é").num_bytes_downloaded == 2
    assert kind(204).num_bytes_downloaded == 0


def test_a_response_made_of_an_iterator(kind: Any) -> None:
    response = kind(200, content=iter(pieces()), headers={"Content-Encoding": "gzip"})
    assert response.num_bytes_downloaded == 0
    read_all_of(response)
    assert response.num_bytes_downloaded == len(ENCODED)


def read_all_of(response: Any) -> None:
    run_sync(read_all(response._state))


def test_what_came_before_a_failure(kind: Any) -> None:
    view = reader(kind, Body(b"abc", b"de", ReadError("cut")), encoded=False)
    with pytest.raises(ReadError):
        view.call("read")
    assert view.response.num_bytes_downloaded == 5


def test_what_came_before_it_was_closed(kind: Any) -> None:
    view = reader(kind, Body(b"abc", b"de"), encoded=False)
    steps: Iterator[bytes] = view.iterate("stream")
    assert next(steps) == b"abc"
    view.call("close")
    assert view.response.num_bytes_downloaded == 3


class AtOnce(WholeBody):
    """A body that is read at once, or fails on the way."""

    trailers = None
    deadline: Deadline | None = None
    received = 0

    def __init__(self, fails: bool) -> None:
        self.fails = fails

    async def read_whole(self) -> bytes:
        self.received = 3
        if self.fails:
            raise ReadError("cut")
        self.received = len(PLAIN)
        return PLAIN

    def abort(self) -> None:
        self.received = -1


@pytest.mark.parametrize(("fails", "received"), [(True, 3), (False, len(PLAIN))])
def test_a_body_that_comes_at_once(kind: Any, fails: bool, received: int) -> None:
    view = reader(kind, AtOnce(fails), encoded=False)
    assert view.response.num_bytes_downloaded == 0
    try:
        view.call("read")
    except ReadError:
        assert fails
    assert view.response.num_bytes_downloaded == received


def test_a_drained_body(kind: Any) -> None:
    view = reader(kind, Body(*pieces()))
    assert run_sync(drain(view.state))
    assert view.response.num_bytes_downloaded == len(ENCODED)
    assert view.response.content == PLAIN
    assert view.response.num_bytes_downloaded == len(ENCODED)
