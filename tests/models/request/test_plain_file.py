"""Which files a kernel may send by itself, and what a body lends to it."""

from __future__ import annotations

import gzip
import io
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from http3_models._request.bodies import CHUNK_SIZE
from http3_models._request.encode import encode_request
from http3_models._request.plain_file import open_descriptor
from http3_models.engine import FileBody, RequestBody, run_sync

CONTENT = bytes(range(256)) * 1024


class Shouting(io.BufferedReader):
    """Gives something else than the file holds."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size).upper()


class Lying(io.RawIOBase):
    """Claims the descriptor of a file whose bytes it does not give."""

    def __init__(self, number: int) -> None:
        self._number = number

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number


class Unbuffered(io.FileIO):
    """Might do anything."""


def spooled(path: Path) -> Any:
    file = tempfile.SpooledTemporaryFile(max_size=10)  # noqa: SIM115 - the test closes it
    file.write(path.read_bytes())
    file.seek(0)
    assert isinstance(file.fileno(), int)  # rolled over: it is on the disk, and is wrapped all the same
    return file


PLAIN: dict[str, Callable[[Path], Any]] = {
    "buffered": lambda path: path.open("rb"),
    "read and write": lambda path: path.open("r+b"),
    "not buffered": lambda path: path.open("rb", buffering=0),
    "temporary": lambda path: tempfile.TemporaryFile(),  # noqa: SIM115
    "named temporary": lambda path: tempfile.NamedTemporaryFile(),  # noqa: SIM115
}

NOT_PLAIN: dict[str, Callable[[Path], Any]] = {
    "in memory": lambda path: io.BytesIO(path.read_bytes()),
    "gzip": lambda path: gzip.GzipFile(path),
    "spooled": spooled,
    "spooled, in memory": lambda path: tempfile.SpooledTemporaryFile(),  # noqa: SIM115
    "a subclass": lambda path: Shouting(io.FileIO(path)),
    "a raw subclass": lambda path: Unbuffered(path),
    "buffered over a subclass": lambda path: io.BufferedReader(Unbuffered(path)),
    "buffered over a liar": lambda path: io.BufferedReader(Lying(0)),
    "text": lambda path: path.open(),
    "write only": lambda path: path.open("ab"),
    "anything": lambda path: object(),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def file(path: Path) -> Iterator[Any]:
    with path.open("rb") as opened:
        yield opened


def read(body: RequestBody) -> bytes:
    chunks = []
    while chunk := run_sync(body.read_chunk()):
        chunks.append(chunk)
    return b"".join(chunks)


@pytest.mark.parametrize("kind", PLAIN)
def test_plain_files(path: Path, kind: str) -> None:
    with PLAIN[kind](path) as file:
        descriptor = open_descriptor(file)
        assert descriptor is not None
        assert descriptor != file.fileno()
        assert os.path.sameopenfile(descriptor, file.fileno())
        assert not os.get_inheritable(descriptor)
    os.fstat(descriptor)  # it outlives the file
    os.close(descriptor)


@pytest.mark.parametrize("kind", NOT_PLAIN)
def test_others(path: Path, kind: str) -> None:
    file = NOT_PLAIN[kind](path)
    assert open_descriptor(file) is None
    getattr(file, "close", bool)()


def test_pipes_and_devices_are_not_plain() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        assert open_descriptor(process.stdout) is None
    with open(os.devnull, "rb") as device:
        assert open_descriptor(device) is None


def test_what_was_written_before_is_in_the_file(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"new")
        descriptor = open_descriptor(file)
        assert descriptor is not None
        assert os.pread(descriptor, 5, 0) == b"new" + CONTENT[3:5]
        os.close(descriptor)


def test_a_closed_file(file: Any) -> None:
    file.close()
    with pytest.raises(ValueError, match="closed"):
        open_descriptor(file)
    assert read_closed(FileBody(io.BytesIO(b"abc")))


def read_closed(body: FileBody) -> bool:
    body.file.close()  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="closed"):
        read(body)
    return True


@pytest.mark.parametrize("sent", [0, 1, 100_000, len(CONTENT) - 5])
def test_what_the_kernel_did_not_send_is_read(file: Any, sent: int) -> None:
    file.read(5)
    body = FileBody(file)
    file.seek(9)  # moved before it is sent
    for _ in range(2):
        extent = body.borrow()
        assert extent is not None
        assert extent[1:] == (5, len(CONTENT) - 5)
        assert os.pread(extent.descriptor, 10, extent.offset) == CONTENT[5:15]
        body.give_back(extent, sent)
        with pytest.raises(OSError, match="descriptor"):
            os.fstat(extent.descriptor)
        assert file.tell() == 5 + sent
        assert read(body) == CONTENT[5 + sent :]
        assert file.tell() == len(CONTENT)
        body.rewind()


def test_what_was_read_is_not_lent(file: Any) -> None:
    body = FileBody(file)
    assert run_sync(body.read_chunk()) == CONTENT[:CHUNK_SIZE]
    extent = body.borrow(len(CONTENT) - CHUNK_SIZE - 1)
    assert extent is not None
    assert extent[1:] == (CHUNK_SIZE, len(CONTENT) - CHUNK_SIZE)
    body.give_back(extent, 1)
    assert body.borrow(len(CONTENT) - CHUNK_SIZE - 1) is None
    assert read(body) == CONTENT[CHUNK_SIZE + 1 :]
    assert body.borrow() is None


def test_a_file_closed_meanwhile(file: Any) -> None:
    body = FileBody(file)
    extent = body.borrow()
    assert extent is not None
    file.close()
    assert os.pread(extent.descriptor, 10, 0) == CONTENT[:10]
    body.give_back(extent, 10)
    with pytest.raises(ValueError, match="closed"):
        read(body)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_file_of_unknown_length_is_not_lent() -> None:
    with open("/proc/self/status", "rb") as file:
        assert FileBody(file).borrow() is None


def test_without_descriptors_it_is_read(file: Any) -> None:
    body = FileBody(file)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        assert body.borrow() is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert read(body) == CONTENT


def test_a_multipart_body_names_the_file_whose_turn_it_is(file: Any) -> None:
    file.seek(len(CONTENT) - 70_000)
    body, _ = encode_request(
        files={"a": ("a", file), "b": ("b", b"bytes"), "c": ("c", io.BytesIO(b"memory"))}
    )
    whole = read(body)
    body.rewind()
    first = body.file_ahead
    assert first is None  # a boundary
    sent, lent, chunk = b"", 0, b"begin"
    while chunk:
        ahead = body.file_ahead
        extent = ahead.borrow() if ahead is not None else None
        if ahead is not None and extent is not None:
            lent += 1
            sent += os.pread(extent.descriptor, extent.size, extent.offset)
            ahead.give_back(extent, extent.size)
        chunk = run_sync(body.read_chunk())
        sent += chunk
    assert lent == 1
    assert sent == whole


@pytest.mark.parametrize("data", [None, b"abc", [b"abc"], iter([b"abc"])])
def test_other_bodies_have_no_file(data: Any) -> None:
    assert encode_request(data=data)[0].file_ahead is None
