"""What was found, as a Markdown table."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from .figures import Figure, Verdict

HEAD = (
    "| figure | reach | measured | over the rounds | met | CPU, medians |\n"
    "| --- | --- | --- | --- | --- | --- |"
)

LIBRARIES = ("http3", "httpx", "h11", "h2", "trio")


def line(figure: Figure, verdict: Verdict) -> str:
    """One row."""
    met = "yes" if verdict.is_met else "**no**"
    cells = (figure.title, verdict.reach, f"**{verdict.measured}**", verdict.spread, met, verdict.details)
    return f"| {' | '.join(cells)} |"


def conditions(rounds: int) -> str:
    """Where and with what it was measured."""
    versions = ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{python}, {system}; {versions}. Medians of {rounds} rounds."


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
