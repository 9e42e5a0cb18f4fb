"""How the Python examples of README and docs are run.

The blocks of a page run from top to bottom in one namespace, as a reader would type them. ``await`` works
as in ``python -m asyncio``. A statement that ends with ``# -> text`` must have that value: its `repr`, or
what `print` prints; ``...`` in the text stands for anything. A comment ``<!-- run: code -->`` (one line or
several) before a block is Python that readers do not see, ``<!-- not run: reason -->`` leaves the next
block out.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from types import CodeType
from typing import NamedTuple

TOKENS = re.compile(
    r"^<!-- run:(?P<hidden>.*?)-->"
    r"|^<!-- not run: (?P<skipped>.*?)-->"
    r"|^(?P<fence>```|~~~)(?P<language>\w*)\n(?P<code>.*?)^(?P=fence)",
    re.DOTALL | re.MULTILINE,
)
Replacements = Sequence[tuple[str, str]]
"""Texts of a page, and what is run in their place."""

EXPECTED = re.compile(r"#\s*->\s*(.+?)\s*$")


class Block(NamedTuple):
    """Some lines of Python of a page. ``line`` is that of its first line in the file."""

    path: Path
    line: int
    code: str


def blocks(path: Path, replacing: Replacements = ()) -> list[Block]:
    """The blocks of a page to run, in order, with some texts replaced by others."""
    text, found, skip = path.read_text(), list[Block](), False
    for old, new in replacing:
        text = text.replace(old, new)
    for token in TOKENS.finditer(text):
        if token["skipped"] is not None:
            skip = True
        elif token["hidden"] is not None:
            found.append(_block(path, text, token, "hidden"))
        elif token["language"] == "python":
            if not skip:
                found.append(_block(path, text, token, "code"))
            skip = False
    return found


def _block(path: Path, text: str, token: re.Match[str], group: str) -> Block:
    line = text.count("\n", 0, token.start(group)) + 1
    code = token[group]
    return Block(path, line, code.strip() if "\n" not in code.strip() else inspect.cleandoc("\n" + code))


def expectations(block: Block) -> dict[int, str]:
    """What the statements ending at a line of the block must give."""
    lines = enumerate(block.code.splitlines(), 1)
    return {number: match[1] for number, line in lines if (match := EXPECTED.search(line))}


def check(value: object, expected: str, place: str) -> None:
    """Compare a value with what the page says about it."""
    shown = value if isinstance(value, _Printed) else repr(value)
    pattern = ".*".join(re.escape(part) for part in expected.split("..."))
    assert re.fullmatch(pattern, shown.rstrip("\n"), re.DOTALL), f"{place}: {shown} is not {expected}"


class _Printed(str):
    """What `print` printed."""

    __slots__ = ()


def printed(*values: object, sep: str = " ") -> _Printed:
    """Stands in for a `print` whose output is told."""
    return _Printed(sep.join(map(str, values)))


def compiled(block: Block) -> CodeType:
    """The block with a check for each expectation."""
    tree = ast.parse(block.code)
    expected = expectations(block)

    def wrap(statement: ast.Expr, text: str) -> None:
        value = statement.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print":
            value.func.id = "_printed"
        arguments = [
            value,
            ast.Constant(text),
            ast.Constant(f"{block.path}:{block.line + statement.lineno - 1}"),
        ]
        statement.value = ast.Call(ast.Name("_check", ast.Load()), arguments, [])

    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and node.end_lineno in expected:
            wrap(node, expected.pop(node.end_lineno))
    assert not expected, f"{block.path}: no expression ends on line {[block.line + n - 1 for n in expected]}"
    ast.increment_lineno(ast.fix_missing_locations(tree), block.line - 1)
    code: CodeType = compile(tree, str(block.path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return code


def run(path: Path, replacing: Replacements = ()) -> int:
    """Run the blocks of a page; returns how many there were."""
    namespace: dict[str, object] = {"__name__": "__main__", "__file__": str(path)}
    namespace |= {"_check": check, "_printed": printed}
    found = blocks(path, replacing)
    with asyncio.Runner() as runner:
        for block in found:
            code = compiled(block)
            if code.co_flags & inspect.CO_COROUTINE:
                runner.run(_awaited(code, namespace))
            else:
                eval(code, namespace)
    return len(found)


async def _awaited(code: CodeType, namespace: dict[str, object]) -> None:
    await eval(code, namespace)
