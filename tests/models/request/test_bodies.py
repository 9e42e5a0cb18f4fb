"""Bodies of requests: what is made of data and json, how it is read, sent again, pickled."""

from __future__ import annotations

import asyncio
import copy
import io
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from http3_models import LocalProtocolError, QueryParams, StreamConsumed
from http3_models._request.bodies import CHUNK_SIZE
from http3_models._request.encode import encode_request
from http3_models._url.query import decode_pairs
from http3_models.engine import EMPTY_BODY, FileBody, RequestBody, run_sync

FORM = "application/x-www-form-urlencoded"


async def read_all(body: RequestBody) -> list[bytes]:
    chunks = []
    while chunk := await body.read_chunk():
        chunks.append(chunk)
    return chunks


def read(body: RequestBody) -> bytes:
    return b"".join(run_sync(read_all(body)))


def encoded(data: object = None, **arguments: Any) -> tuple[bytes, str | None]:
    """What is sent, and its type; checked against the body's own statements."""
    body, content_type = encode_request(data=data, **arguments)
    content = read(body)
    assert body.length in (None, len(content))
    assert body.data in (None, content)
    return content, content_type


class Unseekable(io.BytesIO):
    name = "pipe"

    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("data", "content", "content_type"),
    [
        (None, b"", None),
        ({}, b"", None),
        ([], b"", None),
        ({"a": None}, b"", None),
        ("é", "é".encode(), None),
        ("", b"", None),
        (b"abc", b"abc", None),
        (bytearray(b"abc"), b"abc", None),
        (memoryview(b"abc")[1:], b"bc", None),
        ([b"a", b"", bytearray(b"b")], b"ab", None),
        ({"a": "1"}, b"a=1", FORM),
        ({"a": 1, "b": 1.5, "c": True, "d": False, "e": None}, b"a=1&b=1.5&c=true&d=false", FORM),
        ({"a": ["x", 2, None], "b": (), "c": ("y",)}, b"a=x&a=2&c=y", FORM),
        ({"sp ace": "é&=+"}, b"sp+ace=%C3%A9%26%3D%2B", FORM),
        ({"a": "é".encode()}, b"a=%C3%A9", FORM),
        ({"a": ""}, b"a=", FORM),
        ([("a", "1"), ("b", [2, 3]), ("a", "4")], b"a=1&b=2&b=3&a=4", FORM),
        ((("a", "1"),), b"a=1", FORM),
        (QueryParams("a=1&a=2"), b"a=1&a=2", FORM),
    ],
)
def test_data(data: object, content: bytes, content_type: str | None) -> None:
    assert encoded(data) == (content, content_type)


@settings(deadline=None)  # other work on the machine must not fail a test
@given(st.dictionaries(st.text(), st.lists(st.text(), min_size=1)))
def test_any_form_reads_back(form: dict[str, list[str]]) -> None:
    content, _ = encoded(form)
    assert decode_pairs(content.decode()) == [
        (name, value) for name, values in form.items() for value in values
    ]


def test_nothing_shares_one_body() -> None:
    assert encode_request()[0] is EMPTY_BODY is pickle.loads(pickle.dumps(EMPTY_BODY))


def test_bytes_are_those_of_the_call() -> None:
    data = bytearray(b"abc")
    body, _ = encode_request(data=data)
    data[:] = b"xyz"
    assert read(body) == b"abc"


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ({"a": [1, "é"], "b": None}, '{"a":[1,"é"],"b":null}'),
        ({}, "{}"),
        ([], "[]"),
        ("", '""'),
        (0, "0"),
        (False, "false"),
    ],
)
def test_json(value: object, content: str) -> None:
    assert encoded(json=value) == (content.encode(), "application/json")


EMPTY: list[Any] = [None, {}, [], (), MappingProxyType({}), QueryParams()]


@pytest.mark.parametrize("files", EMPTY)
@pytest.mark.parametrize("data", EMPTY)
def test_json_beside_what_is_empty(data: Any, files: Any) -> None:
    assert encoded(json={"a": 1}, data=data, files=files) == (b'{"a":1}', "application/json")
    assert encoded(json={}, data=data, files=files) == (b"{}", "application/json")


@pytest.mark.parametrize("empty", EMPTY)
def test_data_and_files_beside_what_is_empty(empty: Any) -> None:
    assert encoded(data={"a": "b"}, files=empty, json=None) == (b"a=b", "application/x-www-form-urlencoded")
    assert encoded(data=b"ab", files=empty) == (b"ab", None)
    content, content_type = encoded(data=empty, files={"f": b"content"})
    assert content_type is not None
    assert content_type.startswith("multipart/form-data; boundary=")
    assert content.count(b"Content-Disposition") == 1


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": -float("inf")}, "\ud800"])
def test_json_that_has_no_form(value: object) -> None:
    with pytest.raises(ValueError, match="^json: "):
        encode_request(json=value)


def test_json_of_itself() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(ValueError, match="^json: Circular"):
        encode_request(json=value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"json": object()}, "json: Object of type object"),
        ({"json": 1, "data": {"a": "b"}}, "json can't be combined with data"),
        ({"json": 1, "data": [("a", "b")]}, "json can't be combined with data"),
        ({"json": 1, "data": b""}, "json can't be combined with data"),
        ({"json": 1, "data": iter([])}, "json can't be combined with data"),
        ({"json": 1, "files": {"f": b""}}, "json can't be combined with files"),
        ({"json": {}, "data": {}, "files": [("f", b"")]}, "json can't be combined with files"),
        ({"data": b"x", "files": {"f": b""}}, "data must be a dict where files are given, not bytes"),
        ({"data": 1}, "data must be a dict, str, bytes, .*, not int"),
        ({"data": {1: "a"}}, "data must have names of type str, not int"),
        ({"data": {"a": object()}}, r"data\['a'\] must be str"),
        ({"data": {"a": [{}]}}, r"data\['a'\] must be str"),
        ({"data": [("a", "b", "c")]}, "data must hold pairs of name and value, not 3 items"),
        ({"data": [b"a", "b"]}, "data: an item of a list must be bytes, not str"),
        ({"data": [("a", "b"), b"c"]}, "data: an item of a list must be bytes, not tuple"),
        ({"data": io.StringIO("text")}, "must be open in binary mode"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        encode_request(**arguments)


@pytest.mark.parametrize(
    ("data", "form"),
    [
        ({"a": b"\xff\x00 +%"}, b"a=%FF%00+%2B%25"),
        ({"a": [b"\xd6\xd0", bytearray(b"\xff"), memoryview(b"x")]}, b"a=%D6%D0&a=%FF&a=x"),
        ([("a", b"\xff")], b"a=%FF"),
        (QueryParams("q=%D6%D0&flag"), b"q=%D6%D0&flag"),
    ],
)
def test_forms_of_bytes_that_are_no_utf8(data: Any, form: bytes) -> None:
    assert encoded(data=data) == (form, FORM)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"data": "secret\ud800"}, "^data can't"),
        ({"data": {"a": "secret\ud800"}}, r"^data\['a'\] can't"),
        ({"data": {"a": ["b", "secret\udfff"]}}, r"^data\['a'\] can't"),
        ({"data": [("a\ud800", "secret")]}, r"^data: the name 'a\\ud800' can't"),
        ({"data": {"a": "secret\ud800"}, "files": {"f": b""}}, r"^data\['a'\] can't"),
        ({"data": {"a\ud800": "secret"}, "files": {"f": b""}}, r"^data: the name 'a\\ud800' can't"),
        ({"files": {"f\ud800": b"secret"}}, r"^files: the name 'f\\ud800' can't"),
        ({"files": {"f": ("a", "secret\ud800")}}, "^files: the content of 'f' can't"),
        ({"files": {"f": ("secret\ud800", b"")}}, "^files: the filename of 'f' can't"),
        ({"files": {"f": ("a", b"", "text/\ud800")}}, "^files: the header 'Content-Type' of 'f' can't"),
        ({"files": {"f": ("a", b"", None, {"X": "\ud800"})}}, "^files: the header 'X' of 'f' can't"),
        ({"json": {"secret\ud800": 1}}, "^json: it can't"),
        ({"json": ["secret\udfff"]}, "^json: it can't"),
    ],
)
def test_lone_surrogates_are_refused_by_name(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named) as caught:
        encode_request(**arguments)
    assert "surrogates not allowed" in str(caught.value)
    assert "secret" not in repr(caught.value) + repr(caught.value.__cause__)


def test_a_text_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("abc")
    with path.open() as file, pytest.raises(TypeError, match=r"binary mode.*text\.txt"):
        encode_request(data=file)


# sending again

REPLAYABLE = [b"abc", "abc", {"a": "1"}, [b"a", b"b"], None]


@pytest.mark.parametrize("data", REPLAYABLE)
def test_bodies_in_memory_can_be_sent_again(data: object) -> None:
    body, _ = encode_request(data=data)
    content = read(body)
    assert body.can_send_again
    assert run_sync(body.read_chunk()) == b""
    for again in (body, pickle.loads(pickle.dumps(body)), copy.deepcopy(body)):
        again.rewind()
        assert read(again) == content
        assert again.length == len(content)


def test_an_iterator_comes_once() -> None:
    begun = []

    def produce() -> Iterator[bytes]:
        begun.append(True)
        yield b"a"
        yield b""
        yield b""
        yield b"b"

    body, content_type = encode_request(data=produce())
    body.rewind()  # not begun yet: nothing to do
    assert (body.length, body.data, content_type, body.can_send_again, begun) == (None, None, None, True, [])
    assert run_sync(read_all(body)) == [b"a", b"b"]
    check_spent(body)


def check_spent(body: RequestBody) -> None:
    assert not body.can_send_again
    with pytest.raises(StreamConsumed):
        body.rewind()
    with pytest.raises(StreamConsumed):
        run_sync(body.read_chunk())


def test_an_iterator_half_read_is_begun() -> None:
    body, _ = encode_request(data=iter([b"a", b"b"]))
    run_sync(body.read_chunk())
    assert not body.can_send_again
    with pytest.raises(StreamConsumed):
        body.rewind()
    assert read(body) == b"b"


@pytest.mark.parametrize("item", ["text", 1, None])
def test_items_that_are_no_bytes(item: object) -> None:
    body, _ = encode_request(data=iter([b"a", item, b"b"]))
    run_sync(body.read_chunk())
    with pytest.raises(TypeError, match=f"data: an item must be bytes, not {type(item).__name__}"):
        run_sync(body.read_chunk())
    check_spent(body)  # what follows does not pass for the rest of the body


def test_items_that_are_like_bytes() -> None:
    body, _ = encode_request(data=iter([bytearray(b"a"), memoryview(b"b")]))
    assert run_sync(read_all(body)) == [b"a", b"b"]


def test_an_iterator_that_fails() -> None:
    def produce() -> Iterator[bytes]:
        yield b"a"
        raise ZeroDivisionError

    body, _ = encode_request(data=produce())
    run_sync(body.read_chunk())
    with pytest.raises(ZeroDivisionError):
        run_sync(body.read_chunk())
    check_spent(body)


def no_pieces() -> Iterator[bytes]:
    yield from ()


def broken() -> Iterator[bytes]:
    yield b"a"
    raise ZeroDivisionError


def ended(iterator: Iterator[bytes]) -> Iterator[bytes]:
    """One that was read to its end, or to its failure."""
    with suppress(ZeroDivisionError):
        list(iterator)
    return iterator


@pytest.mark.parametrize(
    "make",
    [no_pieces, broken, lambda: (piece for piece in [b"a"]), lambda: iter([b"a"]), lambda: iter((b"a",))],
    ids=["generator", "failed generator", "generator expression", "list", "tuple"],
)
def test_an_iterator_that_has_ended_is_no_empty_body(make: Callable[[], Iterator[bytes]]) -> None:
    check_spent(encode_request(data=ended(make()))[0])
    iterator = make()
    body, _ = encode_request(data=iterator)
    assert body.can_send_again
    ended(iterator)
    check_spent(body)  # it has ended since


def test_an_iterator_without_pieces_is_an_empty_body() -> None:
    iterators: list[Iterator[bytes]] = [no_pieces(), iter([]), iter(()), map(bytes, [])]
    for empty in iterators:
        body, _ = encode_request(data=empty)
        body.rewind()
        assert read(body) == b""


def test_an_iterator_that_was_begun_gives_its_rest() -> None:
    iterator = iter([b"a", b"b"])
    next(iterator)
    assert read(encode_request(data=iterator)[0]) == b"b"


# asynchronous iterables


class AsyncItems:
    """An async iterator that really suspends."""

    def __init__(self, *items: Any) -> None:
        self._items = list(items)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        if not self._items:
            raise StopAsyncIteration
        item = self._items.pop(0)
        if isinstance(item, Exception):
            raise item
        return item

    async def read(self, size: int) -> bytes:
        raise AssertionError("an asynchronous file is iterated over")


def test_an_async_iterator() -> None:
    body, content_type = encode_request(data=AsyncItems(b"a", b"", b"b"), asynchronous=True)
    body.rewind()
    assert (body.length, body.data, content_type, body.can_send_again) == (None, None, None, True)
    assert asyncio.run(read_all(body)) == [b"a", b"b"]
    check_spent(body)


@pytest.mark.parametrize(("item", "error"), [("text", TypeError), (ZeroDivisionError(), ZeroDivisionError)])
def test_an_async_iterator_that_fails(item: object, error: type[Exception]) -> None:
    body, _ = encode_request(data=AsyncItems(b"a", item, b"b"), asynchronous=True)
    with pytest.raises(error):
        asyncio.run(read_all(body))
    check_spent(body)


def test_an_async_generator_that_has_ended_is_no_empty_body() -> None:
    async def produce() -> AsyncIterator[bytes]:
        yield b"a"

    generator = produce()
    first, _ = encode_request(data=generator, asynchronous=True)
    second, _ = encode_request(data=generator, asynchronous=True)
    assert asyncio.run(read_all(first)) == [b"a"]
    check_spent(second)


def test_an_async_iterator_needs_the_async_client() -> None:
    with pytest.raises(TypeError, match="data: AsyncItems .* only AsyncClient"):
        encode_request(data=AsyncItems(b"a"))


def test_what_is_both_is_taken_as_fits() -> None:
    class Both(AsyncItems):
        read = None  # type: ignore[assignment]

        def __iter__(self) -> Iterator[bytes]:
            return iter([b"sync"])

    assert read(encode_request(data=Both(b"async"))[0]) == b"sync"
    assert asyncio.run(read_all(encode_request(data=Both(b"async"), asynchronous=True)[0])) == [b"async"]


def test_sync_iterators_serve_both_clients() -> None:
    body, _ = encode_request(data=iter([b"a"]), asynchronous=True)
    assert asyncio.run(read_all(body)) == [b"a"]


# files


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Any]:
    path = tmp_path / "file.bin"
    path.write_bytes(b"0123456789")
    with path.open("rb") as opened:
        yield opened


def test_a_file_is_sent_from_where_it_stands(file: Any) -> None:
    file.seek(4)
    body, content_type = encode_request(data=file)
    assert isinstance(body, FileBody)
    assert (body.length, body.data, content_type, body.file, body.offset) == (6, None, None, file, 4)
    file.seek(9)  # moved before it is sent
    for _ in range(2):
        assert body.can_send_again
        body.rewind()
        assert read(body) == b"456789"
        assert run_sync(body.read_chunk()) == b""


def test_a_file_half_sent_begins_anew(file: Any) -> None:
    file.seek(0, 2)
    body = FileBody(big := io.BytesIO(os.urandom(CHUNK_SIZE * 2 + 5)))
    chunks = [run_sync(body.read_chunk())]
    body.rewind()
    chunks = run_sync(read_all(body))
    assert list(map(len, chunks)) == [CHUNK_SIZE, CHUNK_SIZE, 5]
    assert b"".join(chunks) == big.getvalue()


def test_a_file_that_grows_is_sent_as_it_was() -> None:
    file = io.BytesIO(b"abc")
    body = FileBody(file)
    file.seek(0, 2)
    file.write(b"def")
    assert read(body) == b"abc"


def test_a_file_that_gets_shorter(file: Any) -> None:
    body = FileBody(file)
    os.truncate(file.name, 4)
    assert run_sync(body.read_chunk()) == b"0123"
    with pytest.raises(LocalProtocolError, match=r"file\.bin' got shorter.* 4 of 10 bytes"):
        run_sync(body.read_chunk())


def test_a_file_that_gives_more_than_asked() -> None:
    class Greedy(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read()

    with pytest.raises(LocalProtocolError, match=r"read\(65536\) returned 70000 bytes"):
        read(FileBody(Greedy(bytes(70_000))))


@pytest.mark.parametrize("chunk", ["text", None, 1])
def test_a_file_that_gives_no_bytes(chunk: object) -> None:
    class Strange:
        def read(self, size: int) -> Any:
            return chunk

    body, _ = encode_request(data=Strange())
    with pytest.raises(TypeError, match=rf"Strange\.read\(\) must be bytes, not {type(chunk).__name__}"):
        read(body)


def test_an_async_read_is_a_type_error_without_a_warning() -> None:
    class AsyncFile:
        async def read(self, size: int) -> bytes:
            return b"abc"

    body, _ = encode_request(data=AsyncFile(), asynchronous=True)
    with pytest.raises(TypeError, match="must be bytes, not coroutine"):
        read(body)


@pytest.mark.parametrize("offset", [3, 5])
def test_an_empty_rest_of_a_file(offset: int) -> None:
    file = io.BytesIO(b"abc")
    file.seek(offset)
    body = FileBody(file)
    assert body.length == 0
    assert read(body) == b""
    assert body.can_send_again


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_file_that_does_not_know_its_length() -> None:
    with open("/proc/self/status", "rb") as file:
        body = FileBody(file)
        assert body.length is None
        for _ in range(2):
            body.rewind()
            assert read(body).startswith(b"Name:")


def test_a_file_that_says_it_ends_at_once() -> None:
    class Device(io.BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            return super().seek(offset) if whence == 0 else self.tell()

    body = FileBody(Device(b"abc"))
    assert (body.length, read(body), body.can_send_again) == (None, b"abc", True)


def test_a_file_without_seekable() -> None:
    class Old:
        """Without `seekable`, as files of old versions of Python."""

        def __init__(self, file: io.BytesIO) -> None:
            self.read, self.seek, self.tell = file.read, file.seek, file.tell

    body = FileBody(Old(io.BytesIO(b"abc")))
    assert (body.length, read(body), body.can_send_again) == (3, b"abc", True)


def test_a_pipe_comes_once() -> None:
    body = FileBody(Unseekable(b"abc"))
    body.rewind()
    assert (body.length, body.offset, body.can_send_again) == (None, None, True)
    assert read(body) == b"abc"
    check_spent(body)


def test_a_real_pipe() -> None:
    with subprocess.Popen([sys.executable, "-c", "print('abc')"], stdout=subprocess.PIPE) as process:
        body, _ = encode_request(data=process.stdout)
        assert body.length is None
        assert read(body).split() == [b"abc"]


def test_a_closed_file_cannot_be_sent_again(file: Any) -> None:
    body = FileBody(file)
    assert read(body) == b"0123456789"
    file.close()
    assert not body.can_send_again
    with pytest.raises(StreamConsumed, match="closed"):
        body.rewind()


@pytest.mark.parametrize("travel", [lambda body: pickle.loads(pickle.dumps(body)), copy.deepcopy, copy.copy])
@pytest.mark.parametrize("begun", [True, False])
def test_a_file_travels_as_its_content(file: Any, travel: Any, begun: bool) -> None:
    file.seek(2)
    body = FileBody(file)
    if begun:
        read(body)
    position = file.tell()
    other = travel(body)
    assert file.tell() == position
    assert (other.length, read(other), other.can_send_again) == (8, b"23456789", True)


def leave_behind() -> list[RequestBody]:
    closed = io.BytesIO(b"abc")
    bodies: list[RequestBody] = [FileBody(closed)]
    closed.close()
    for data in (iter([b"a"]), AsyncItems(b"a"), Unseekable(b"abc")):
        bodies += [encode_request(data=data, asynchronous=True)[0]]
    bodies.append(encode_request(files={"a": Unseekable(b"abc")})[0])
    return bodies


@pytest.mark.parametrize("body", leave_behind(), ids=lambda body: type(body).__name__)
def test_what_cannot_travel_is_left_behind(body: RequestBody) -> None:
    once = pickle.loads(pickle.dumps(body))
    for other in (once, pickle.loads(pickle.dumps(once)), copy.deepcopy(once)):
        assert other.length == body.length
        assert other.data is None
        assert not other.can_send_again
        with pytest.raises(StreamConsumed, match="left behind"):
            run_sync(other.read_chunk())
        with pytest.raises(StreamConsumed, match="left behind"):
            other.rewind()


def test_a_spooled_file() -> None:
    with tempfile.SpooledTemporaryFile() as file:
        file.write(b"abc")
        file.seek(1)
        assert encoded(file) == (b"bc", None)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "<EmptyBody>"),
        ({"data": b"abc"}, "<BytesBody [3 bytes]>"),
        ({"data": io.BytesIO(b"abc")}, "<FileBody [3 bytes]>"),
        ({"data": Unseekable(b"abc")}, "<FileBody [? bytes]>"),
        ({"data": iter([])}, "<IteratorBody [fresh]>"),
        ({"data": AsyncItems(), "asynchronous": True}, "<AsyncIteratorBody [fresh]>"),
        ({"files": {"a": Unseekable()}}, "<MultipartBody [? bytes]>"),
    ],
)
def test_repr(arguments: dict[str, Any], text: str) -> None:
    body, _ = encode_request(**arguments)
    assert repr(body) == text
    assert repr(pickle.loads(pickle.dumps(FileBody(Unseekable())))) == "<LeftBehindBody>"
