"""Heads that begin alike are written once; what is sent must be as if each had been written by itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from http3_models import Headers, LocalProtocolError
from http3_models.engine import RequestDefaults, build_request, split_headers
from http3_transport._http1.request_head import compose, extend_fields

NAMES = ["X-A", "Accept", "TE", "Content-Type", "Trailer", "Connection", "Expect", "Content-Length", "Cookie"]
FIELDS = st.dictionaries(
    st.sampled_from(NAMES), st.sampled_from(["a", "close", "100-continue", "3", "", None])
)
BODIES = st.sampled_from([{}, {"data": b"abc"}, {"data": ""}, {"json": [1, 2]}, {"data": iter([b"a"])}])


@given(st.sampled_from(["GET", "POST", "PURGE"]), FIELDS, FIELDS, BODIES)
@example("POST", {"Connection": "close"}, {"Accept": "a"}, {"data": b"abc"})
@example("POST", {"Expect": "100-continue"}, {"Accept": "a"}, {"data": iter([b"a"])})
@example("GET", {"Connection": "close"}, {"Accept": "a"}, {})
def test_heads_are_as_if_written_by_themselves(method: str, clients: Any, own: Any, body: Any) -> None:
    defaults = RequestDefaults(*split_headers(clients))
    for value in ("1", "2"):  # the second time with what was written before
        try:
            state = build_request(
                method,
                "http://h/",
                headers={**own, "X-A": value},
                defaults=defaults,
                asynchronous=False,
                **body,
            )
        except LocalProtocolError:
            return
        by_itself = compose(state.method, "/", Headers(state.headers.wire))
        assert compose(state.method, "/", state.headers) == by_itself


def test_a_changed_head_is_written_anew() -> None:
    headers = build_request("POST", "http://h/", headers={"X-A": "1"}, data=b"abc").headers
    head = compose("POST", "/", headers)
    assert head is not None
    copied = headers.copy()
    assert compose("POST", "/", copied) == head
    copied["X-A"] = "2"
    copied["Connection"] = "close"
    changed = compose("POST", "/", copied)
    assert changed is not None
    assert (b"X-A: 2\r\n" in changed.data, changed.closes, changed.length) == (True, True, 3)
    assert compose("POST", "/", headers) == head


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding"])
def test_where_the_beginning_is_not_ordinary_the_whole_is_not(name: str) -> None:
    assert extend_fields(None, [(name.encode(), b"3")]) is None
