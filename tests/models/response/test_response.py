"""What a response shows, and the constructors of responses."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

from http3_models import (
    URL,
    AsyncRequest,
    AsyncResponse,
    ConnectionInfo,
    DecodingError,
    HttpError,
    JSONDecodeError,
    Request,
    Response,
    Timings,
    codes,
)
from http3_models.engine import ResponseState, read_all, run_sync, set_next, view_response

REQUEST = Request("GET", "https://user:secret@example.org/path")


async def agenerate(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize(
    ("response", "shown"),
    [
        (Response(200), "<Response [200 OK]>"),
        (Response(404), "<Response [404 Not Found]>"),
        (Response(299), "<Response [299]>"),
        (Response(200, reason_phrase="Fine"), "<Response [200 Fine]>"),
        (Response(200, reason_phrase=""), "<Response [200]>"),
        (AsyncResponse(204), "<AsyncResponse [204 No Content]>"),
    ],
)
def test_repr(response: Response | AsyncResponse, shown: str) -> None:
    assert repr(response) == shown


def test_the_head() -> None:
    response = Response(
        codes.CREATED,
        protocol="HTTP/2",
        headers={"X-A": "1"},
        content=b"abc",
        request=REQUEST,
        elapsed=timedelta(seconds=1.5),
        history=[Response(301)],
    )
    assert (response.status_code, type(response.status_code)) == (201, int)
    assert response.reason_phrase == "Created"
    assert response.protocol == "HTTP/2"
    assert response.headers == {"X-A": "1"}
    assert response.content == b"abc"
    assert response.request is REQUEST
    assert response.url == REQUEST.url
    assert response.elapsed == timedelta(seconds=1.5)
    assert [earlier.status_code for earlier in response.history] == [301]
    assert response.history[0] is response.history[0]
    assert isinstance(response.history[0], Response)


@pytest.mark.parametrize("kind", [Response, AsyncResponse])
def test_what_is_known_of_an_exchange(kind: Any) -> None:
    response = kind(
        200,
        trailers={"X-Sum": "1"},
        connection=ConnectionInfo(("127.0.0.1", 443), tls_version="TLSv1.3"),
        timings=Timings(wait=0.5, receive=1.0),
    )
    assert response.trailers == {"x-sum": "1"}
    assert response.connection.tls_version == "TLSv1.3"
    assert response.timings == Timings(wait=0.5, receive=1.0)
    request = Request("GET", "https://h/")
    assert kind(200, request=request, timings=Timings(wait=2)).timings.wait == 2
    assert kind(200, request=request).timings == Timings()
    for wrong in ({"connection": ("h", 1)}, {"timings": {"wait": 1}}, {"trailers": 3}):
        with pytest.raises(TypeError, match=next(iter(wrong)).replace("trailers", "headers")):
            kind(200, **wrong)


def test_trailers_of_the_pieces_of_another_response() -> None:
    inner = Response(200, content=iter([b"ab", b"c"]), trailers={"X-Sum": "1"})
    outer = Response(200, content=inner.stream())
    assert outer.trailers == {}
    assert outer.read() == b"abc"
    assert outer.trailers == {"x-sum": "1"}
    plain = Response(200, content=iter([b"abc"]))
    assert plain.read() == b"abc"
    assert plain.trailers == {}


def test_defaults_of_the_head() -> None:
    response = AsyncResponse(200)
    assert response.protocol == "HTTP/1.1"
    assert response.elapsed == timedelta(0)
    assert response.history == []
    assert response.headers == {}
    assert response.trailers == {}
    assert response.links == {}
    assert response.cookies == {}
    assert response.timings == Timings()
    assert response.connection == ConnectionInfo()
    assert response.next is None
    assert Response(200).next is None
    assert Response(200, elapsed=2).elapsed == timedelta(seconds=2)


@pytest.mark.parametrize("response", [Response(200), AsyncResponse(200)])
def test_without_a_request(response: Response | AsyncResponse) -> None:
    with pytest.raises(RuntimeError, match="no request"):
        _ = response.request
    with pytest.raises(RuntimeError, match="no request"):
        _ = response.url


def test_views_of_records_know_their_request() -> None:
    state = ResponseState(
        status_code=200,
        reason_phrase="OK",
        protocol="HTTP/1.1",
        headers=Response(200).headers,
        body=None,
        request=REQUEST._state,
        connection=ConnectionInfo(("a", 1)),
    )
    state.history.append(Response(302)._state)
    response = view_response(Response, state)
    assert isinstance(response.request, Request)
    assert response.request._state is REQUEST._state
    assert response.connection.peer_address == ("a", 1)
    assert isinstance(view_response(AsyncResponse, state).request, AsyncRequest)
    assert isinstance(view_response(AsyncResponse, state).history[0], AsyncResponse)


def test_timings_are_those_of_the_request() -> None:
    request = Request("GET", "https://example.org")
    request._state.phases.wait = 0.25
    assert Response(200, request=request).timings == Timings(wait=0.25)


@pytest.mark.parametrize(
    ("status", "true"),
    [
        (102, {"ok"}),
        (200, {"is_success", "ok"}),
        (299, {"is_success", "ok"}),
        (302, {"is_redirect", "ok"}),
        (304, {"ok"}),
        (400, {"is_client_error", "is_error"}),
        (499, {"is_client_error", "is_error"}),
        (500, {"is_server_error", "is_error"}),
        (599, {"is_server_error", "is_error"}),
        (600, set()),
    ],
)
def test_status_classes(status: int, true: set[str]) -> None:
    response = Response(status, headers={"Location": "/"})
    questions = {"is_success", "is_redirect", "is_client_error", "is_server_error", "is_error", "ok"}
    assert {name for name in questions if getattr(response, name)} == true


def test_no_redirect_without_location() -> None:
    assert not Response(302).is_redirect


def test_raise_for_status() -> None:
    fine = Response(302)
    assert fine.raise_for_status() is fine
    response = Response(404, request=REQUEST)
    with pytest.raises(HttpError, match="404 Not Found for GET https://user:") as caught:
        response.raise_for_status()
    assert caught.value.response is response
    assert caught.value.request is REQUEST
    assert "secret@" not in str(caught.value)
    with pytest.raises(HttpError, match="^503 Service Unavailable$"):
        AsyncResponse(503).raise_for_status()


@pytest.mark.parametrize("status", [99, 1000, -1])
def test_status_codes_out_of_range(status: int) -> None:
    with pytest.raises(ValueError, match="status_code"):
        Response(status)


@pytest.mark.parametrize("status", ["200", None, True, 200.0])
def test_status_codes_of_wrong_types(status: Any) -> None:
    with pytest.raises(TypeError, match="status_code"):
        Response(status)


@pytest.mark.parametrize(
    ("options", "content", "content_type"),
    [
        ({"text": "ä"}, "ä".encode(), "text/plain; charset=utf-8"),
        ({"html": "<p>"}, b"<p>", "text/html; charset=utf-8"),
        ({"json": {"a": [1]}}, b'{"a":[1]}', "application/json"),
        ({"text": ""}, b"", "text/plain; charset=utf-8"),
        ({"content": bytearray(b"a")}, b"a", None),
        ({}, b"", None),
        ({"json": 1, "headers": {"content-type": "application/x"}}, b"1", "application/x"),
    ],
)
def test_kinds_of_content(options: dict[str, Any], content: bytes, content_type: str | None) -> None:
    for response in (Response(200, **options), AsyncResponse(200, **options)):
        assert response.is_closed
        assert response.content == content
        assert response.headers.get("Content-Type") == content_type


def test_one_kind_of_content_at_a_time() -> None:
    with pytest.raises(TypeError, match="content and json"):
        Response(200, content=b"", json=1)


@pytest.mark.parametrize("content", ["text", 5, object()])
def test_content_of_wrong_types(content: Any) -> None:
    with pytest.raises(TypeError, match="content"):
        Response(200, content=content)


def test_only_the_async_response_takes_an_async_iterator() -> None:
    chunks: Any = agenerate(b"a")
    with pytest.raises(TypeError, match="AsyncResponse"):
        Response(200, content=chunks)
    asyncio.run(chunks.aclose())


def test_pieces_that_are_no_bytes() -> None:
    chunks: Any = iter(["a"])
    response = Response(200, content=chunks)
    with pytest.raises(TypeError, match="content: a piece"):
        response.read()
    assert response.is_closed


def test_json_that_is_none() -> None:
    with pytest.raises(ValueError, match="NaN|nan|JSON"):
        Response(200, json=float("nan"))


def test_encoded_content_is_decoded() -> None:
    response = Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(b"abc"))
    assert response.content == response.read() == b"abc"
    assert list(response.raw()) == [gzip.compress(b"abc")]
    assert b"".join(response.stream()) == b"abc"


def test_broken_encoded_content() -> None:
    response = Response(200, headers={"Content-Encoding": "gzip"}, content=b"not gzip", request=REQUEST)
    for _ in range(2):
        with pytest.raises(DecodingError, match="example.org") as caught:
            _ = response.content
        assert caught.value.request is REQUEST
    with pytest.raises(DecodingError):
        Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(b"abc")[:-1]).read()


@pytest.mark.parametrize("data", ["abc", "äöü", "日本語"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_text_with_a_charset(data: str, encoding: str) -> None:
    response = Response(
        200, content=data.encode(encoding), headers={"Content-Type": f"text/x; charset={encoding}"}
    )
    assert response.text == data
    assert response.charset_encoding == encoding


@pytest.mark.parametrize(
    ("content", "content_type", "text", "encoding"),
    [
        (b"abc", None, "abc", "utf-8"),
        ("ä".encode(), None, "ä", "utf-8"),
        (b"\xe4\x80", "text/html", "ä€", "windows-1252"),
        (b"\xef\xbb\xbf\xc3\xa4", "text/plain; charset=latin-1", "ä", "utf-8"),
        (b"\xe4", "text/plain; charset=latin-1", "ä", "latin-1"),
        (b"\xe4", "text/plain; charset=nonsense", "ä", "windows-1252"),
        (b"", None, "", "utf-8"),
    ],
)
def test_text_by_rule(content: bytes, content_type: str | None, text: str, encoding: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = Response(200, content=content, headers=headers)
    assert response.text == text
    assert response.encoding == encoding


def test_the_encoding_can_be_set() -> None:
    response = Response(200, content=b"\xe4", headers={"Content-Type": "text/plain; charset=utf-8"})
    assert response.text == "\ufffd"
    response.encoding = "latin-1"
    assert response.encoding == "latin-1"
    assert response.text == "ä"
    assert response.charset_encoding == "utf-8"
    with pytest.raises(LookupError, match="nonsense"):
        response.encoding = "nonsense"
    with pytest.raises(TypeError, match="encoding must be str or None, not int"):
        response.encoding = 5  # type: ignore[assignment]
    response.encoding = None
    assert response.text == "\ufffd"


def test_default_encoding() -> None:
    response = Response(200, content="ж".encode("koi8-r"))
    response._state.default_encoding = "koi8-r"
    assert response.text == "ж"
    response = Response(200, content="ж".encode("koi8-r"))
    response._state.default_encoding = lambda data: "koi8-r" if data == b"\xd6" else "utf-8"
    assert response.text == "ж"


def test_the_encoding_before_the_body_was_read() -> None:
    response = Response(200, content=iter([b"\xe4"]))
    assert response.encoding == "utf-8"
    response._state.default_encoding = "latin-1"
    assert response.encoding == "latin-1"


def test_apparent_encoding() -> None:
    pytest.importorskip("charset_normalizer")
    response = Response(
        200, content="Привет, как дела? Всё хорошо, спасибо. Погода сегодня ясная.".encode("cp1251")
    )
    assert response.apparent_encoding == "cp1251"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-32-be"])
def test_json_finds_its_encoding(encoding: str) -> None:
    assert Response(200, content='{"a": "ä"}'.encode(encoding)).json() == {"a": "ä"}


def test_json_with_a_charset_or_an_encoding() -> None:
    headers = {"Content-Type": "application/json; charset=latin-1"}
    assert Response(200, content=b'"\xe4"', headers=headers).json() == "ä"
    response = Response(200, content=b'"\xe4"')
    with pytest.raises(JSONDecodeError, match="utf-8"):
        response.json()
    response.encoding = "latin-1"
    assert response.json() == "ä"
    assert Response(200, content=b"1.5").json(parse_float=str) == "1.5"
    with pytest.raises(JSONDecodeError, match="Expecting value"):
        Response(200, content=b"").json()


def test_json_reads_first() -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"a"'
        yield b": 1}"

    assert Response(200, content=chunks()).json() == {"a": 1}

    async def main() -> Any:
        return await AsyncResponse(200, content=agenerate(b'{"a"', b": 1}")).json()

    assert asyncio.run(main()) == {"a": 1}


def test_cookies() -> None:
    headers = [("Set-Cookie", "a=1"), ("set-cookie", "b=2; Path=/")]
    response = Response(200, headers=headers, request=REQUEST)
    assert response.cookies == {"a": "1", "b": "2"}
    assert response.cookies is response.cookies


def test_links() -> None:
    headers = [("Link", '<https://example.org/2>; rel="next"'), ("Link", "</0>; rel=prev")]
    assert Response(200, headers=headers).links == {
        "next": {"url": "https://example.org/2", "rel": "next"},
        "prev": {"url": "/0", "rel": "prev"},
    }


def test_next_is_what_the_client_gave() -> None:
    response = Response(302)
    set_next(response, lambda: Response(200))
    assert response.next is not None
    assert response.next().status_code == 200


def test_head_responses_are_empty() -> None:
    request = Request("HEAD", "https://example.org")
    headers = {"Content-Encoding": "gzip", "Content-Length": "100"}
    for content in (b"something", iter([b"some", b"thing"]), None):
        response = Response(200, headers=headers, content=content, request=request)
        assert response.read() == b""
        assert response.text == ""


@pytest.mark.parametrize("status", [204, 304, 101])
def test_statuses_without_a_body(status: int) -> None:
    assert Response(status, headers={"Content-Encoding": "gzip"}, content=b"x").content == b""
    assert list(Response(status, content=iter([b"x"])).raw()) == []


@pytest.mark.parametrize(
    ("request_headers", "decoded"),
    [
        (None, False),
        ({"Range": "bytes=0-"}, False),
        ({"Range": "bytes=0-", "Accept-Encoding": "identity"}, False),
        ({"Range": "bytes=0-", "Accept-Encoding": "gzip"}, True),
        ({"Accept-Encoding": "gzip"}, True),
        ({"Accept-Encoding": None}, False),
    ],
)
def test_parts_are_decoded_only_where_asked_for(request_headers: Any, decoded: bool) -> None:
    data = gzip.compress(b"abc")
    request = Request("GET", "https://example.org", headers=request_headers)
    response = Response(206, headers={"Content-Encoding": "gzip"}, content=data, request=request)
    assert response.content == (b"abc" if decoded else data)


def test_parts_of_unknown_requests_are_left_alone() -> None:
    assert Response(206, headers={"Content-Encoding": "gzip"}, content=b"x").content == b"x"


def test_read_all_of_a_record_without_a_body() -> None:
    state = Response(200)._state
    assert run_sync(read_all(state)) == b""
    assert state.content == b""


def test_the_url_of_a_response() -> None:
    assert Response(200, request=REQUEST).url == URL("https://user:secret@example.org/path")


def test_the_repr_of_timings_is_short() -> None:
    timings = Timings(pool=3.4e-05, dns=None, connect=0.0123456789, wait=12, receive=0.0)
    assert repr(timings) == "Timings(pool=0.000, connect=0.012, wait=12.000, receive=0.000)"
    assert repr(Timings()) == "Timings()"
