"""What was found, as a drawing: SVG, written by hand, so that nothing must be installed for it.

One line for each workload, one mark for each client at its CPU as a multiple of http3's. The scale is
logarithmic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple
from xml.sax.saxutils import escape

from .clients.registry import LIBRARIES
from .results import Results, paired
from .rows import OURS, ROWS, Row
from .runner import median

WIDTH = 960
LEFT = 360
RIGHT = 30
LINE = 24
TOP = 74
BOTTOM = 46
RADIUS = 5.5
SHIFTS = {0: 6, 6: -6, -6: 6}

COLOURS = {
    "socket": "#999999",
    "http.client": "#56b4e9",
    "pycurl": "#009e73",
    "urllib3": "#e69f00",
    "requests": "#d55e00",
    "niquests": "#cc79a7",
    "httpx": "#0072b2",
    "aiohttp": "#7a3fb0",
    "pyreqwest": "#8c6d31",
    "curl_cffi": "#000000",
}
"""Told apart by those who see colours otherwise, too; and the legend numbers them."""


_OPENING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
    'width="{width}" height="{height}" '
    'font-family="system-ui, sans-serif" font-size="12" role="img">'
)


class Mark(NamedTuple):
    """A client's CPU as a multiple of http3's."""

    client: str
    multiple: float


class Scale(NamedTuple):
    """From the least to the greatest multiple, both powers of two."""

    least: float
    greatest: float

    def at(self, multiple: float) -> float:
        """Where it lies across the drawing."""
        span = math.log2(self.greatest / self.least)
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log2(multiple / self.least) / span

    def ticks(self) -> Iterator[float]:
        """All powers of two."""
        tick = self.least
        while tick <= self.greatest:
            yield tick
            tick *= 2


def drawing(results: Results) -> str:
    """The whole SVG document."""
    lines = [(row, _marks(results, row)) for row in ROWS if row.workload and row.name in results.rows]
    lines = [(row, marks) for row, marks in lines if marks]
    scale = _scale([mark.multiple for _, marks in lines for mark in marks])
    height = TOP + LINE * len(lines) + BOTTOM
    clients = [
        client for client in LIBRARIES if any(mark.client == client for _, marks in lines for mark in marks)
    ]
    parts = [
        _OPENING.format(width=WIDTH, height=height),
        "<title>CPU time of HTTP clients as a multiple of http3's</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_legend(clients),
        *_axis(scale, height),
        *(
            part
            for number, (row, marks) in enumerate(lines)
            for part in _line(row, marks, clients, scale, number)
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _marks(results: Results, row: Row) -> list[Mark]:
    found = results.rows[row.name]
    marks = []
    for client in LIBRARIES:
        ratios = paired(found, client)
        if client != OURS and ratios:
            marks.append(Mark(client, 1 / median(ratios)))
    return marks


def _scale(multiples: list[float]) -> Scale:
    least = min([0.5, *multiples])
    greatest = max([2.0, *multiples])
    return Scale(2.0 ** math.floor(math.log2(least)), 2.0 ** math.ceil(math.log2(greatest)))


def _legend(clients: list[str]) -> Iterator[str]:
    yield _text(16, 22, "CPU as a multiple of http3's (left of 1: less, right of 1: more)", size=14)
    x = 16.0
    for number, client in enumerate(clients, 1):
        yield _mark(x + 6, 44, number, client, client)
        yield _text(x + 17, 48, client)
        x += 38 + 6.4 * len(client)


def _axis(scale: Scale, height: int) -> Iterator[str]:
    bottom = height - BOTTOM + 4
    for tick in scale.ticks():
        x = scale.at(tick)
        stroke = "#444444" if tick == 1 else "#dddddd"
        yield f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}" stroke="{stroke}"/>'
        label = OURS if tick == 1 else f"{tick:g}"
        yield _text(x, bottom + 16, label, anchor="middle")


def _line(row: Row, marks: list[Mark], clients: list[str], scale: Scale, number: int) -> Iterator[str]:
    y = TOP + LINE * number + LINE // 2
    title = f"{row.title.replace('`', '')} ({row.runtime})"
    yield _text(LEFT - 14, y + 4, title, anchor="end")
    yield f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#eeeeee"/>'
    last, shift = -math.inf, 0
    for mark in sorted(marks, key=lambda mark: mark.multiple):
        x = scale.at(mark.multiple)
        shift = SHIFTS[shift] if x - last < 2 * RADIUS else 0  # where they would hide each other
        last = x
        told = f"{title}: {mark.client} {mark.multiple:.2f}"
        yield _mark(x, y + shift, clients.index(mark.client) + 1, mark.client, told)


def _mark(x: float, y: float, number: int, client: str, told: str) -> str:
    """A disc with the client's number; the pointer is told the value."""
    return (
        f"<g><title>{escape(told)}</title>"
        f'<circle cx="{x:.1f}" cy="{y}" r="{RADIUS}" fill="{COLOURS[client]}" fill-opacity="0.9"/>'
        f'<text x="{x:.1f}" y="{y + 2.8:.1f}" font-size="8" fill="#ffffff" '
        f'text-anchor="middle">{number}</text></g>'
    )


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'fill="#222222">{escape(text)}</text>'
    )
