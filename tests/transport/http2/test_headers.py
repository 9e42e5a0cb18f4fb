"""Header lists of HTTP/2: what we send, and what we accept."""

from __future__ import annotations

import pytest
from hpack import NeverIndexedHeaderTuple
from hypothesis import given
from hypothesis import strategies as st

from http3_models import Limits, LocalProtocolError
from http3_transport._http2.headers import (
    Malformed,
    Oversized,
    content_length,
    request_fields,
    response_head,
    trailer_fields,
)
from support.http2_client import make_request

LIMITS = Limits()


def test_pseudo_fields_come_first() -> None:
    request = make_request("PATCH", "/a%20b?c", fields=[("X-One", "1"), ("Accept", "*/*")])
    assert request_fields(request) == [
        (b":method", b"PATCH"),
        (b":scheme", b"http"),
        (b":authority", b"example.org"),
        (b":path", b"/a%20b?c"),
        (b"x-one", b"1"),
        (b"accept", b"*/*"),
    ]


def test_without_host_the_url_is_the_authority() -> None:
    request = make_request()
    del request.headers["host"]
    assert (b":authority", b"example.org") in request_fields(request)


@pytest.mark.parametrize(
    "field",
    [
        ("Connection", "close"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "close"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("TE", "gzip"),
    ],
)
def test_fields_of_connections_are_not_sent(field: tuple[str, str]) -> None:
    assert len(request_fields(make_request(fields=[field]))) == 4


@pytest.mark.parametrize(
    ("field", "never_indexed"),
    [
        (("Authorization", "Basic abc"), True),
        (("Cookie", "a=" + "b" * 17), True),
        (("Cookie", "a=" + "b" * 18), False),
        (("X-Token", "abc"), False),
    ],
)
def test_secrets_stay_out_of_compression(field: tuple[str, str], never_indexed: bool) -> None:
    sent = request_fields(make_request(fields=[field]))[-1]
    assert tuple(sent) == (field[0].lower().encode(), field[1].encode())
    assert isinstance(sent, NeverIndexedHeaderTuple) is never_indexed


def test_what_is_for_a_proxy_is_not_sent() -> None:
    sent = request_fields(make_request(fields=[("Proxy-Authorization", "Basic abc")]))
    assert b"proxy-authorization" not in dict(sent)


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\n", "GÉT", "CONNECT"])
def test_methods_that_are_refused(method: str) -> None:
    with pytest.raises(LocalProtocolError):
        request_fields(make_request(method))


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ([], None),
        ([(b"content-length", b"0")], 0),
        ([(b"content-length", b"12"), (b"content-length", b"12")], 12),
        ([(b"content-length", b"012")], 12),
    ],
)
def test_content_length(fields: list[tuple[bytes, bytes]], length: int | None) -> None:
    assert content_length(fields) == length


@pytest.mark.parametrize(
    "values", [[b"1", b"2"], [b"-1"], [b"+1"], [b"1, 1"], [b""], [b" 1"], [b"1_0"], [b"9" * 19]]
)
def test_lengths_that_are_refused(values: list[bytes]) -> None:
    with pytest.raises(Malformed):
        content_length([(b"content-length", value) for value in values])


def test_a_head_becomes_plain_pairs() -> None:
    received = [NeverIndexedHeaderTuple(b":status", b"200"), NeverIndexedHeaderTuple(b"x", b"y")]
    status, fields = response_head(received, LIMITS)
    assert (status, fields) == (200, [(b"x", b"y")])
    assert type(fields[0]) is tuple  # nothing of hpack's ends up in a pickle


@pytest.mark.parametrize(
    "received",
    [
        [],
        [(b"x", b"y")],
        [(b"x", b"y"), (b":status", b"200")],
        [(b":status", b"200"), (b":status", b"200")],
        [(b":status", b"099")],
        [(b":status", b"2 0")],
        [(b":status", b"200"), (b"\xff", b"")],
        [(b":status", b"200"), (b"x", b"\x7f")],
        [(b":status", b"200"), (b"x", b"a\n")],
        [(b":status", b"200"), (b"x", b"a\t")],
        [(b":status", b"200"), (b"keep-alive", b"5")],
    ],
)
def test_heads_that_are_refused(received: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Malformed):
        response_head(received, LIMITS)


@pytest.mark.parametrize("value", [b"", b"a\tb", b"caf\xc3\xa9", b"\xff", b'a="b"; c'])
def test_values_that_are_accepted(value: bytes) -> None:
    assert response_head([(b":status", b"599"), (b"x", value)], LIMITS) == (599, [(b"x", value)])


def test_bounds() -> None:
    limits = Limits(max_head_size=100, max_head_fields=2, max_trailer_size=50)
    fit = [(b":status", b"200"), (b"a", b"b" * 67)]  # 1 + 67 + 32
    assert response_head(fit, limits)[0] == 200
    with pytest.raises(Oversized, match="max_head_size"):
        response_head([(b":status", b"200"), (b"a", b"b" * 68)], limits)
    with pytest.raises(Oversized, match="max_head_fields"):
        response_head([(b":status", b"200"), *[(b"a", b"")] * 3], limits)
    assert trailer_fields([(b"a", b"b" * 17)], limits) == [(b"a", b"b" * 17)]
    with pytest.raises(Oversized, match="max_trailer_size"):
        trailer_fields([(b"a", b"b" * 18)], limits)
    with pytest.raises(Oversized, match="max_head_fields"):
        trailer_fields([(b"a", b"")] * 3, Limits(max_head_fields=2))


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=5))
def test_whatever_comes_it_is_judged(fields: list[tuple[bytes, bytes]]) -> None:
    try:
        _, accepted = response_head([(b":status", b"200"), *fields], LIMITS)
    except Malformed:
        return
    for name, value in accepted:
        assert name == name.lower()
        assert not set(name) & set(b" :\r\n\0")
        assert not set(value) & set(b"\r\n\0")
