"""Status codes and reason phrases."""

from __future__ import annotations

import pickle
from http import HTTPStatus

import pytest

from http3_models import StatusCode, codes
from http3_models._status import get_reason_phrase

RENAMED = {
    418: "I'm a teapot",
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
"""Phrases that RFC 9110 changed, and HTTPStatus only in later Pythons; and the one of RFC 2324."""


@pytest.mark.parametrize("status", list(HTTPStatus), ids=str)
def test_agrees_with_the_standard_library(status: HTTPStatus) -> None:
    code = StatusCode(status)
    assert code.phrase == RENAMED.get(status, status.phrase)
    assert get_reason_phrase(status) == codes.get_reason_phrase(status) == code.phrase


@pytest.mark.parametrize("name", list(StatusCode.__members__))
def test_names_in_both_cases(name: str) -> None:
    assert getattr(codes, name.upper().rstrip("_")) is getattr(codes, name)
    assert codes[name.lower()] is codes[name.upper().rstrip("_")] is codes[name]


def test_the_old_names_are_there() -> None:
    for name in (
        "REQUEST_ENTITY_TOO_LARGE",
        "REQUEST_URI_TOO_LONG",
        "REQUESTED_RANGE_NOT_SATISFIABLE",
        "UNPROCESSABLE_ENTITY",
    ):
        code = StatusCode.__members__[name]
        assert code.phrase == RENAMED[code]


def test_an_int() -> None:
    assert codes is StatusCode
    assert codes.not_found.value == int(codes.not_found) == 404
    assert f"{codes.NOT_FOUND}" == "404"
    assert codes.NOT_FOUND.phrase == "Not Found"
    assert codes(404) is codes.NOT_FOUND
    assert pickle.loads(pickle.dumps(codes.NOT_FOUND)) is codes.NOT_FOUND
    with pytest.raises(ValueError, match="299"):
        codes(299)


def test_unknown_codes_have_no_phrase() -> None:
    assert get_reason_phrase(299) == ""


@pytest.mark.parametrize(
    ("code", "success", "redirect", "client_error", "server_error"),
    [
        (199, False, False, False, False),
        (200, True, False, False, False),
        (299, True, False, False, False),
        (300, False, False, False, False),
        (301, False, True, False, False),
        (302, False, True, False, False),
        (303, False, True, False, False),
        (304, False, False, False, False),
        (307, False, True, False, False),
        (308, False, True, False, False),
        (400, False, False, True, False),
        (499, False, False, True, False),
        (500, False, False, False, True),
        (599, False, False, False, True),
        (600, False, False, False, False),
    ],
)
def test_classes(code: int, success: bool, redirect: bool, client_error: bool, server_error: bool) -> None:
    assert codes.is_success(code) is success
    assert codes.is_redirect(code) is redirect
    assert codes.is_client_error(code) is client_error
    assert codes.is_server_error(code) is server_error
