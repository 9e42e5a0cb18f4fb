"""What is sent of a body, compared with its Content-Length."""

from __future__ import annotations

import pytest

from http3_models import LocalProtocolError
from http3_transport._content_length import check_sent


@pytest.mark.parametrize(
    ("sent", "is_end", "text"),
    [(3, True, "only 3 bytes"), (5, False, "more than 4 bytes"), (5, True, "more")],
)
def test_what_differs_is_an_error(sent: int, is_end: bool, text: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"The body has {text}.*, Content-Length says 4"):
        check_sent(4, sent, is_end=is_end)


@pytest.mark.parametrize(("declared", "sent", "is_end"), [(4, 3, False), (4, 4, True), (None, 5, True)])
def test_what_agrees(declared: int | None, sent: int, is_end: bool) -> None:
    check_sent(declared, sent, is_end=is_end)
