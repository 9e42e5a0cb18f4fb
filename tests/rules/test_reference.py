"""docs/reference.md names everything that is public, and nothing that is not."""

from __future__ import annotations

import enum
import re

import pytest

import http3
from http3_models import engine
from support.source_tree import ROOT

PAGE = (ROOT / "docs" / "reference.md").read_text()
PROSE = re.sub(r"^```.*?^```", "", PAGE, flags=re.DOTALL | re.MULTILINE)


def words_in_code(text: str) -> set[str]:
    """The words that stand between backticks."""
    return set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", text))))


WORDS = words_in_code(PROSE)
ENGINE_WORDS = words_in_code(PROSE[PROSE.index("## Engine") : PROSE.index("## Types")])

FOR_THE_ENGINE = {"cached", "exchange"}
"""Names without an underscore only because another distribution uses them."""


@pytest.mark.parametrize("name", http3.__all__)
def test_every_name_is_explained(name: str) -> None:
    assert name in WORDS


@pytest.mark.parametrize("name", engine.__all__)
def test_every_name_of_the_engine_is_explained(name: str) -> None:
    assert name in ENGINE_WORDS


@pytest.mark.parametrize("name", http3.__all__)
def test_every_member_is_explained(name: str) -> None:
    value = getattr(http3, name)
    if not isinstance(value, type):
        return
    ours = [base for base in value.__mro__ if base.__module__.startswith("http3")]
    members = {member for base in ours for member in vars(base) if not member.startswith("_")}
    members = {name for name in members if hasattr(value, name)}  # without hints at names of other libraries
    if issubclass(value, enum.Enum):  # the members of an enum are a registry of their own
        members -= set(value.__members__)
    assert members - FOR_THE_ENGINE <= WORDS, members - WORDS


OF_LOGGERS = {"client", "pool", "tls", "http1", "http2"}
"""``http3.pool`` and the like."""


def test_no_page_shows_a_name_that_is_gone() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for name in re.findall(r"\bhttp3\.([A-Za-z_]\w*)", page.read_text()):
            assert name in OF_LOGGERS or hasattr(http3, name), f"{page}: http3.{name}"
