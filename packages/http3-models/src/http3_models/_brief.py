"""How a wrong value is shown in the message of an exception: on one line, and not longer than that line."""

from __future__ import annotations

_MOST = 80
"""Characters shown of a value; what is wrong with it is mostly at its beginning."""


def short_repr(value: object) -> str:
    """``repr(value)``, cut; the name of its type where it has no repr, or one that raises."""
    if isinstance(value, str | bytes):
        value = value[: _MOST + 1]  # its repr, which is longer, will be cut
    try:
        return short_text(repr(value))
    except Exception:  # noqa: BLE001 (a value that is wrong may be wrong in every way)
        return f"<{type(value).__name__} object>"


def short_text(text: str) -> str:
    """The text on one line, cut where it is long."""
    line = " ".join(text[: 2 * _MOST].split())
    return line if len(text) <= _MOST else f"{line[:_MOST]}..."
