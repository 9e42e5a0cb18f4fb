"""What was found, as a drawing: SVG, written by hand, so that nothing must be installed for it.

Four panels, each for one kind of work: a bar for each client, as long as its CPU, the shortest first.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from .rows import OURS
from .summary import ROW_OF, Summary
from .tables import seconds

PANELS = (
    ("get-sync", "GET of 1 KiB, one after the other"),
    ("get-50-async", "asyncio: GET of 1 KiB, 50 at a time"),
    ("http2-streams-async", "asyncio, HTTP/2: 100 streams of one connection"),
    ("download-tls-sync", "download over TLS, streamed"),
)
"""Row and title, from left to right and from top to bottom."""

COLUMNS = 2
PANEL = 470
MARGIN = 20
TITLE = 30
BAR = 17
STEP = 23
NAMES = 84
VALUES = 62
COLOURS = {OURS: "#1565c0", "socket": "#bbbbbb"}
OTHERS = "#e0a458"

_OPENING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
    'width="{width}" height="{height}" '
    'font-family="system-ui, sans-serif" font-size="13" role="img">'
)


def drawing(summary: Summary) -> str:
    """The whole SVG document."""
    panels = [(name, title) for name, title in PANELS if summary.cpu.get(name)]
    in_rows = [panels[first : first + COLUMNS] for first in range(0, len(panels), COLUMNS)]
    body: list[str] = []
    top = MARGIN
    for line in in_rows:
        for column, (name, title) in enumerate(line):
            body += _panel(name, title, summary.cpu[name], MARGIN + column * (PANEL + MARGIN), top)
        top += TITLE + STEP * max(len(summary.cpu[name]) for name, _ in line) + MARGIN
    width = MARGIN + COLUMNS * (PANEL + MARGIN)
    return "\n".join(
        [
            _OPENING.format(width=width, height=top),
            "<title>CPU time of HTTP clients, four kinds of work; shorter is better</title>",
            f'<rect width="{width}" height="{top}" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        ]
    )


def _panel(name: str, title: str, cpu: dict[str, float], left: int, top: int) -> Iterator[str]:
    """A title, and a bar for each client."""
    unit = ROW_OF[name].unit
    yield _text(left, top + 14, f"{title} (CPU a {unit})", weight="600")
    longest = max(cpu.values())
    for number, (client, value) in enumerate(sorted(cpu.items(), key=lambda pair: pair[1])):
        y = top + TITLE + number * STEP
        length = (PANEL - NAMES - VALUES) * value / longest
        weight = "700" if client == OURS else "400"
        yield _text(left + NAMES - 8, y + 13, client, anchor="end", weight=weight)
        yield (
            f'<rect x="{left + NAMES}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" '
            f'fill="{COLOURS.get(client, OTHERS)}"/>'
        )
        yield _text(left + NAMES + length + 6, y + 13, seconds(value), weight=weight)


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "400") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="#222222">{escape(text)}</text>'
    )
