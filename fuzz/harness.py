"""What the targets share: where the sources are, and how a run begins. See README.md."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), *map(str, sorted(ROOT.glob("packages/*/src")))]


def instrumented(*modules: str) -> AbstractContextManager[None]:
    """A context: what is imported in it tells the fuzzer which code was reached."""
    context: AbstractContextManager[None] = atheris.instrument_imports(
        include=list(modules), enable_loader_override=False
    )
    return context


def load(*modules: str) -> None:
    """Import what is otherwise imported late, outside of the context, and would count for nothing."""
    for module in modules:
        importlib.import_module(module)


def pieces(data: bytes, size: int) -> list[bytes]:
    """``data`` in pieces of one size; whole for 0."""
    if not size:
        return [data]
    return [data[start : start + size] for start in range(0, len(data), size)]


def fuzz(one_input: Callable[[bytes], object], seeds: Iterable[bytes]) -> None:
    """Run until a flag of libFuzzer's says enough; a folder that is named gets the seeds first."""
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if arguments and not Path(arguments[0]).is_file():
        folder = Path(arguments[0])
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (folder / f"seed-{number:04}").write_bytes(seed)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
