"""multipart/form-data: written by us, read back by other people's parsers."""

from __future__ import annotations

import io
import os
import pickle
import re
import tracemalloc
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.formparser import parse_form_data

from http3_models import AsyncRequest, Headers, LocalProtocolError, Request, StreamConsumed
from http3_models._request.encode import encode_request
from http3_models._request.multipart import MultipartBody, guess_type
from http3_models.engine import BytesBody, FileBody, RequestBody, RequestDefaults, build_request, run_sync

Part = tuple[str, str | None, str | None, bytes]
"""Name, filename, content type, content."""


def read(body: RequestBody) -> bytes:
    chunks = []
    while chunk := run_sync(body.read_chunk()):
        assert body.data is not None or len(chunk) <= 65536
        chunks.append(chunk)
    return b"".join(chunks)


def encoded(data: Any = None, files: Any = None) -> tuple[bytes, str]:
    body, content_type = encode_request(data=data, files=files)
    content = read(body)
    assert content_type is not None
    assert body.length in (None, len(content))
    return content, content_type


def by_email(content: bytes, content_type: str) -> list[Part]:
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + content)
    parts = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(payload, bytes)
        parts.append((name, part.get_filename(), part.get("content-type"), payload))
    return parts


def in_memory(
    total_content_length: int | None,
    content_type: str | None,
    filename: str | None,
    content_length: int | None = None,
) -> io.BytesIO:
    return io.BytesIO()


def by_werkzeug(content: bytes, content_type: str) -> tuple[list[tuple[str, str]], list[Part]]:
    environ = {
        "wsgi.input": io.BytesIO(content),
        "CONTENT_LENGTH": str(len(content)),
        "CONTENT_TYPE": content_type,
        "REQUEST_METHOD": "POST",
    }
    _, form, files = parse_form_data(environ, stream_factory=in_memory, silent=False)
    return list(form.items(multi=True)), [
        (name, file.filename, file.content_type, file.read()) for name, file in files.items(multi=True)
    ]


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Any]:
    path = tmp_path / "report é.pdf"
    path.write_bytes(b"%PDF" + bytes(range(256)))
    with path.open("rb") as opened:
        yield opened


def test_the_bytes_on_the_wire() -> None:
    content, content_type = encoded({"a": "1"}, {"f": ("x.txt", b"hello")})
    match = re.fullmatch("multipart/form-data; boundary=([0-9a-f]{32})", content_type)
    assert match
    assert content == (
        b"--%(b)s\r\n"
        b'Content-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        b"--%(b)s\r\n"
        b'Content-Disposition: form-data; name="f"; filename="x.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\nhello\r\n"
        b"--%(b)s--\r\n"
    ) % {b"b": match[1].encode()}


def test_fields() -> None:
    fields = {"s": "é", "b": b"\xff", "i": 1, "f": 1.5, "t": True, "n": None, "l": ["x", "y"]}
    parts = by_email(*encoded(fields, {"x": b""}))
    assert [(name, content) for name, _, _, content in parts[:-1]] == [
        ("s", "é".encode()),
        ("b", b"\xff"),
        ("i", b"1"),
        ("f", b"1.5"),
        ("t", b"true"),
        ("l", b"x"),
        ("l", b"y"),
    ]
    assert all(part[1] is None for part in parts[:-1])


def test_boundaries_differ() -> None:
    assert encoded(files={"a": b""})[1] != encoded(files={"a": b""})[1]


@pytest.mark.parametrize(
    ("given_file", "part"),
    [
        (b"bytes", ("f", "upload", "application/octet-stream", b"bytes")),
        (bytearray(b"bytes"), ("f", "upload", "application/octet-stream", b"bytes")),
        (io.BytesIO(b"file"), ("f", "upload", "application/octet-stream", b"file")),
        (("a.png", b"x"), ("f", "a.png", "image/png", b"x")),
        (("a.png", "téxt"), ("f", "a.png", "image/png", "téxt".encode())),
        ((b"a.PNG", b"x"), ("f", "a.PNG", "image/png", b"x")),
        ((Path("a.png"), b"x"), ("f", "a.png", "image/png", b"x")),
        (("a.png", b"x", None), ("f", "a.png", "image/png", b"x")),
        (("a.png", b"x", "text/x"), ("f", "a.png", "text/x", b"x")),
        (("", b"x"), ("f", "", "application/octet-stream", b"x")),
        ((None, "plain"), ("f", None, None, b"plain")),
        ((None, "{}", "application/json"), ("f", None, "application/json", b"{}")),
        (("a", b"x", "text/x", {"content-TYPE": "text/y"}), ("f", "a", "text/y", b"x")),
        (("a", b"x", None, [("X-A", "1"), ("X-B", b"2")]), ("f", "a", "application/octet-stream", b"x")),
        (
            ("a", b"x", None, {"Content-Disposition": 'form-data; name="g"'}),
            ("g", None, "application/octet-stream", b"x"),
        ),
    ],
)
@pytest.mark.parametrize("pairs", [True, False])
def test_files(given_file: Any, part: Part, pairs: bool) -> None:
    if isinstance(given_file, io.BytesIO):
        given_file = io.BytesIO(given_file.getvalue())
    assert by_email(*encoded(files=[("f", given_file)] if pairs else {"f": given_file})) == [part]


def test_part_headers_are_sent() -> None:
    content, _ = encoded(files={"f": ("a", b"x", "text/x", [("X-A", "1"), ("X-B", b"2")])})
    assert b"\r\nContent-Type: text/x\r\nX-A: 1\r\nX-B: 2\r\n\r\nx\r\n" in content


def test_a_file_on_disk(file: Any) -> None:
    content = file.read()
    file.seek(0)
    assert by_werkzeug(*encoded({"a": "b"}, {"doc": file})) == (
        [("a", "b")],
        [("doc", "report é.pdf", "application/pdf", content)],
    )


@pytest.mark.parametrize(
    ("name", "filename"),
    [
        ("/a/b/c.txt", "c.txt"),
        (b"/a/b/c.txt", "c.txt"),
        (Path("/a/c.txt"), "c.txt"),
        ("<stdin>", "upload"),
        (3, "upload"),
        ("/a/", "upload"),
        ("", "upload"),
    ],
)
def test_the_name_of_a_file(name: Any, filename: str) -> None:
    file = io.BytesIO(b"x")
    setattr(file, "name", name)  # noqa: B010 (typeshed knows no such attribute)
    assert by_email(*encoded(files={"f": file}))[0][1] == filename


def test_a_list_of_pairs_keeps_order_and_repeats() -> None:
    parts = by_email(*encoded(files=[("f", ("1", b"1")), ("g", ("2", b"2")), ("f", ("3", b"3"))]))
    assert [(name, content) for name, _, _, content in parts] == [("f", b"1"), ("g", b"2"), ("f", b"3")]


@pytest.mark.parametrize("pairs", [True, False])
def test_a_list_repeats_its_name(pairs: bool) -> None:
    several = [io.BytesIO(b"1"), b"2", ("3.txt", "3"), (None, "4")]
    files = [("f", several), ("g", b"5")] if pairs else {"f": several, "g": b"5"}
    assert [(name, filename, content) for name, filename, _, content in by_email(*encoded(files=files))] == [
        ("f", "upload", b"1"), ("f", "upload", b"2"), ("f", "3.txt", b"3"), ("f", None, b"4"),
        ("g", "upload", b"5"),
    ]  # fmt: skip


def test_a_list_of_no_files_is_left_out() -> None:
    assert by_email(*encoded({"a": "1"}, {"f": [], "g": b"x"})) == [
        ("a", None, None, b"1"),
        ("g", "upload", "application/octet-stream", b"x"),
    ]


def test_names_are_escaped_as_browsers_do() -> None:
    content, _ = encoded({'a"\r\nb\\': "1"}, {"é\n": ('"x"\r.txt', b"")})
    assert b'name="a%22%0D%0Ab\\"\r\n' in content
    assert 'name="é%0A"; filename="%22x%22%0D.txt"\r\n'.encode() in content


def test_a_file_name_that_is_no_utf8() -> None:
    content, _ = encoded(files={"f": (os.fsdecode(b"caf\xe9.txt"), b"")})
    assert b'filename="caf\xe9.txt"' in content


@pytest.mark.parametrize(
    ("data", "files"),
    [
        ({"a\0": "1"}, {"f": b""}),
        (None, {"a\0": b""}),
        (None, {"f": ("x\0", b"")}),
        (None, {"f": ("x", b"", "text/x\r\nX-Evil: 1")}),
        (None, {"f": ("x", b"", "text/x\0")}),
        (None, {"f": ("x", b"", None, {"X": "1\n2"})}),
        (None, {"f": ("x", b"", None, {"X\r\nY": "1"})}),
        (None, {"f": ("x", b"", None, {"X Y": "1"})}),
        (None, {"f": ("x", b"", None, {"": "1"})}),
    ],
)
def test_what_must_not_be_sent(data: Any, files: Any) -> None:
    with pytest.raises(LocalProtocolError, match="multipart"):
        encode_request(data=data, files=files)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (b"abc", "files must be a dict or a list of pairs, not bytes"),
        ([b"abc"], "each item must be a pair"),
        ([("a", "b", "c")], "each item must be a pair"),
        ({1: b""}, "each item must be a pair"),
        ({"f": ("x",)}, "files: 'f' must be a file or .*not a tuple of 1"),
        ({"f": ("x", b"", None, None, None)}, "not a tuple of 5"),
        ({"f": 1}, r"files: 'f' must be a binary file, bytes or \(filename, file\), not int"),
        ({"f": None}, "files: 'f' must be .* not NoneType"),
        ({"f": (1, b"")}, "the filename of 'f' must be str or None, not int"),
        ({"f": ("x", b"", 1)}, "the content type of 'f' must be str, not int"),
        ({"f": ("x", b"", None, {"X": 1})}, "the headers of 'f' must be str, not int"),
        ({"f": io.StringIO("text")}, "files: 'f': .*binary mode"),
        ({"f": "photo.jpg"}, r"files: 'f' is a str; write open\('photo.jpg', 'rb'\) if it is a path, and"),
        ({"f": "a/b c.jpg"}, r"write open\('a/b c.jpg', 'rb'\)"),
        ({"f": "C:\\a.txt"}, re.escape(r"write open('C:\\a.txt', 'rb')")),
        ({"f": "hunter2"}, r"write open\(path, 'rb'\) .*, and \(filename, text\) if it is a text to be sent"),
        ({"f": "line.\ntxt"}, r"write open\(path, 'rb'\)"),
        ({"f": ["a.png", b"x"]}, r"files: 'f' is a str; write open\('a.png', 'rb'\)"),
        ({"f": Path("a/b.jpg")}, r"files: 'f' is a path; write open\('a/b.jpg', 'rb'\)"),
        ({"f": ("b.jpg", Path("a/b.jpg"))}, r"files: 'f' is a path; write open\('a/b.jpg', 'rb'\)"),
        ({"f": [[b"x"]]}, "files: 'f' must be .* not list"),
    ],
)
def test_wrong_files(files: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        encode_request(files=files)


def test_an_async_file_is_refused() -> None:
    class AsyncFile:
        async def read(self, size: int) -> bytes:
            return b""

        def __aiter__(self) -> Any:
            return self

    with pytest.raises(TypeError, match="'f' must be .* not AsyncFile"):
        encode_request(files={"f": AsyncFile()}, asynchronous=True)


@pytest.mark.parametrize("files", [None, {}, []])
def test_no_files_are_none(files: Any) -> None:
    assert encode_request(data={"a": "1"}, files=files)[1] == "application/x-www-form-urlencoded"


# streaming, length, sending again


def test_without_files_on_disk_it_is_bytes() -> None:
    body, _ = encode_request(data={"a": "1"}, files={"f": b"x"})
    assert isinstance(body, BytesBody)


def test_length_and_sending_again(file: Any) -> None:
    body, content_type = encode_request(data={"a": "1"}, files={"f": file, "g": b"x", "same": file})
    assert isinstance(body, MultipartBody)
    content = read(body)
    assert body.length == len(content)
    assert run_sync(body.read_chunk()) == b""
    assert body.can_send_again
    body.rewind()
    run_sync(body.read_chunk())
    run_sync(body.read_chunk())
    body.rewind()
    assert read(body) == content
    other = pickle.loads(pickle.dumps(body))
    assert (other.length, read(other)) == (len(content), content)
    assert repr(body) == f"<MultipartBody [{len(content)} bytes]>"
    assert type(other) is BytesBody
    assert content_type is not None
    assert len(by_email(content, content_type)) == 4


def test_a_pipe_among_the_files(file: Any) -> None:
    body, content_type = encode_request(files={"f": file, "p": Pipe(b"piped")})
    assert (body.length, body.can_send_again) == (None, True)
    run_sync(body.read_chunk())
    body.rewind()  # the pipe was not begun
    content = read(body)
    assert content_type is not None
    assert by_email(content, content_type)[1][3] == b"piped"
    assert not body.can_send_again
    with pytest.raises(StreamConsumed):
        body.rewind()


def test_a_file_that_gets_shorter_is_an_error(file: Any) -> None:
    body, _ = encode_request(files={"f": file})
    os.truncate(file.name, 1)
    with pytest.raises(LocalProtocolError, match="got shorter"):
        read(body)


def test_a_file_is_never_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    with path.open("rb") as file:
        tracemalloc.start()
        try:
            body, _ = encode_request(files={"f": file})
            total = 0
            while chunk := run_sync(body.read_chunk()):
                total += len(chunk)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert total == body.length
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("filename", "media_type"),
    [
        ("a.JSON", "application/json"),
        ("a.tar", "application/x-tar"),
        ("noext", "application/octet-stream"),
        (".profile", "application/octet-stream"),
        ("a.wasm", "application/wasm"),
        ("a.nosuchtype", "application/octet-stream"),
    ],
)
def test_guess_type(filename: str, media_type: str) -> None:
    assert guess_type(filename) == media_type


# hypothesis: any names and contents come back

TEXT = st.text(
    st.characters(exclude_characters='\0\\"\r\n', exclude_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda text: not any(escape in text.upper() for escape in ("%22", "%0D", "%0A")))
"""Without what reads like the escapes of quotes and line ends, which are not escaped themselves."""
CONTENT = st.binary(max_size=200) | st.sampled_from([b"\r\n--", b"--", b"\r\n", b"\r", b"--\r\n"])


@settings(deadline=None)  # other work on the machine must not fail a test
@given(
    fields=st.dictionaries(TEXT, st.lists(TEXT, min_size=1, max_size=2), max_size=3),
    files=st.lists(st.tuples(TEXT, TEXT, CONTENT, st.booleans()), min_size=1, max_size=3),
)
def test_werkzeug_reads_what_we_write(
    fields: dict[str, list[str]], files: list[tuple[str, str, bytes, bool]]
) -> None:
    given_files = [
        (name, (filename, io.BytesIO(content) if on_disk else content))
        for name, filename, content, on_disk in files
    ]
    read_fields, read_files = by_werkzeug(*encoded(fields, given_files))
    assert sorted(read_fields) == sorted((name, value) for name, values in fields.items() for value in values)
    assert sorted((name, filename, content) for name, filename, _, content in read_files) == sorted(
        (name, filename, content) for name, filename, content, _ in files
    )


@settings(deadline=None)  # other work on the machine must not fail a test
@given(content=CONTENT, step=st.integers(1, 100))
def test_python_multipart_reads_what_we_write(content: bytes, step: int) -> None:
    from python_multipart.multipart import MultipartParser

    body, content_type = encode_request(data={"field": content}, files={"f": ("n", io.BytesIO(content))})
    assert content_type is not None
    parts: list[bytearray] = []
    parser = MultipartParser(
        content_type.partition("boundary=")[2],
        {
            "on_part_begin": lambda: parts.append(bytearray()),
            "on_part_data": lambda data, start, end: parts[-1].extend(data[start:end]),
        },
    )
    data = read(body)
    for start in range(0, len(data), step):
        parser.write(data[start : start + step])
    parser.finalize()
    assert parts == [content, content]


def test_a_part_that_is_a_file_body_is_its_own() -> None:
    file = io.BytesIO(b"abc")
    file.seek(1)
    body, _ = encode_request(files={"f": ("n", file)})
    assert isinstance(body, MultipartBody)
    assert [type(part) for part in body._parts] == [BytesBody, FileBody, BytesBody]
    assert b"\r\n\r\nbc\r\n--" in read(body)


# A Content-Type of the caller's


def sent(files: Any, headers: Any, data: Any = None) -> tuple[str | None, bytes]:
    """The Content-Type and the body of a request, which are those of an AsyncRequest as well."""
    request = Request("POST", "http://h/", headers=headers, data=data, files=files)
    assert AsyncRequest("POST", "http://h/", headers=headers, data=data, files=files).is_streaming is (
        request.is_streaming
    )
    return request.headers.get("content-type"), read(request._state.body)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ("multipart/related; boundary=abc; type=text/xml", "abc"),
        ("Multipart/Mixed;BOUNDARY=abc", "abc"),
        ('multipart/form-data; charset="a;b"; boundary="a b"', "a b"),
        (r'multipart/form-data; boundary="a\b:c"', "ab:c"),
        ("multipart/form-data; boundary='abc'", "'abc'"),
        ("multipart/form-data; boundary=" + "a" * 70, "a" * 70),
        ("multipart/form-data; boundary=----WebKitFormBoundaryABC; x=y", "----WebKitFormBoundaryABC"),
    ],
)
@pytest.mark.parametrize("form", [dict, list, iter, Headers])
def test_the_callers_boundary_is_used(content_type: str, boundary: str, form: Any) -> None:
    pairs = [("X-A", "1"), ("content-TYPE", content_type)]
    headers = form(pairs)
    data: Any = {"a": ["1", "2"], "b": b"\xff"}
    files: Any = {"f": ("f.txt", io.BytesIO(b"content")), "g": b"bytes"}
    header, content = sent(files, headers if form is not iter else dict(pairs), data)
    assert header == content_type
    delimiter = b"--" + boundary.encode()
    assert content.startswith(delimiter + b"\r\nContent-Disposition: form-data; ")
    assert content.endswith(b"\r\n" + delimiter + b"--\r\n")
    assert content.count(delimiter + b"\r\n") == 5
    request = Request("POST", "http://h/", headers=headers, data=data, files=files)
    assert request.headers["x-a"] == "1"
    assert request.headers["content-type"] == content_type


@pytest.mark.parametrize(
    ("content_type", "begins"),
    [
        ("multipart/form-data", "multipart/form-data; boundary="),
        ("multipart/related; type=text/xml", "multipart/related; type=text/xml; boundary="),
        ("multipart/form-data; ", "multipart/form-data; boundary="),
        ('multipart/form-data; x="; boundary=no"', 'multipart/form-data; x="; boundary=no"; boundary='),
    ],
)
def test_a_multipart_type_without_boundary_gets_ours(content_type: str, begins: str) -> None:
    several: list[Any] = [
        {"Content-Type": content_type, "X": None},
        iter([("content-type", content_type.encode())]),
    ]
    for headers in several:
        request = Request("POST", "http://h/", headers=headers, files={"f": b"content"})
        header = request.headers["content-type"]
        assert header.startswith(begins)
        boundary = header.removeprefix(begins)
        content = read(request._state.body)
        assert content.startswith(f"--{boundary}\r\n".encode())
        assert content.endswith(f"--{boundary}--\r\n".encode())
        assert [name for name, _ in request.headers.raw].count(b"content-type") == 1


def test_other_types_stay_as_they_are() -> None:
    assert sent({"f": b""}, {"Content-Type": "text/plain; a=b"})[0] == "text/plain; a=b"
    assert sent({"f": b""}, {"Content-Type": None})[0] is None
    header, content = sent({"f": b""}, None)
    assert header is not None
    assert content.startswith(b"--" + header.rpartition("=")[2].encode())
    assert sent({}, {"Content-Type": "multipart/form-data; boundary=!"}, {"a": "b"})[1] == b"a=b"


@pytest.mark.parametrize(
    "boundary", ["", '""', "a" * 71, '"a "', "\u00e9", "a*b", '"a\tb"', '"', "a\u20acb", '"a', "<abc>"]
)
def test_boundaries_that_none_can_have(boundary: str) -> None:
    with pytest.raises(
        LocalProtocolError, match="boundary in the Content-Type header, .*RFC 2046.*POST http://h/"
    ):
        sent({"f": b""}, {"Content-Type": f"multipart/form-data; boundary={boundary}"})


@pytest.mark.parametrize(
    ("data", "files"),
    [
        ({"a": "--abc"}, {"f": b""}),
        ({"a": "text\r\n--abcdef"}, {"f": b""}),
        (None, {"f": b"--abc--"}),
        (None, {"f": b"one\r\n--abc\r\ntwo"}),
    ],
)
def test_a_boundary_that_stands_in_the_content(data: Any, files: Any) -> None:
    with pytest.raises(LocalProtocolError, match="is in a part's content as well"):
        sent(files, {"Content-Type": "multipart/form-data; boundary=abc"}, data)
    assert sent({"f": b"a --abc\n--abc"}, {"Content-Type": "multipart/form-data; boundary=abc"})


def test_the_default_content_type_of_a_client_counts() -> None:
    defaults = RequestDefaults(Headers({"Content-Type": "multipart/form-data; boundary=abc"}))
    state = build_request("POST", "http://h/", files={"f": b"x"}, defaults=defaults)
    assert state.headers["content-type"] == "multipart/form-data; boundary=abc"
    assert read(state.body).startswith(b"--abc\r\n")
    own = {"content-type": "multipart/related"}
    state = build_request("POST", "http://h/", files={"f": b"x"}, headers=own, defaults=defaults)
    assert state.headers["content-type"].startswith("multipart/related; boundary=")
