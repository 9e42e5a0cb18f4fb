"""How a wrong value is shown in the message of an exception: on one line, and shortened."""

from __future__ import annotations

_MOST = 80
"""Characters shown of a value; mostly its beginning is wrong."""


def short_repr(value: object) -> str:
    """``repr(value)``, cut; the name of its type where it has no repr, or one that raises."""
    if isinstance(value, str | bytes):
        value = value[: _MOST + 1]  # its repr, which is longer, is cut anyway
    try:
        return short_text(repr(value))
    except Exception:  # noqa: BLE001 (the repr of a wrong value may raise anything)
        return f"<{type(value).__name__} object>"


def short_text(text: str) -> str:
    """The text on one line, cut where it is long."""
    line = " ".join(text[: 2 * _MOST].split())
    return line if len(text) <= _MOST else f"{line[:_MOST]}..."
