"""The sources of the four packages as syntax trees, for the tests that guard their shape."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = ("http3-models", "http3-transport", "http3-client", "http3")

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module(NamedTuple):
    """One source file. ``name`` is dotted: "http3_models._url.url"."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    def __repr__(self) -> str:
        return self.name

    @property
    def package(self) -> str:
        """Its import package: "http3_models"."""
        return self.name.partition(".")[0]


class Import(NamedTuple):
    """One imported module, by its absolute name, and where."""

    target: str
    line: int
    where: str
    """"module" (runs when the module is imported), "function", or "typing" (never runs)."""


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the four packages."""
    found = []
    for distribution in DISTRIBUTIONS:
        source = ROOT / "packages" / distribution / "src"
        for path in sorted(source.rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text()
            found.append(Module(name, path, text, ast.parse(text, str(path))))
    return tuple(found)


def module(name: str) -> Module:
    """The module of that name."""
    return {found.name: found for found in modules()}[name]


def functions(tree: ast.AST) -> Iterator[tuple[str, Function]]:
    """All functions and methods with their qualified names."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                yield prefix + child.name, child
                yield from walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.")
            else:
                yield from walk(child, prefix)

    yield from walk(tree, "")


def body_lines(function: Function) -> int:
    """Lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def own_nodes(function: Function) -> Iterator[ast.AST]:
    """The nodes of a function's body, without those of functions and classes inside it."""
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            todo.extend(ast.iter_child_nodes(node))


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of an expression of names and attributes, "" of any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def called(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Dotted names of everything that is called, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := dotted(node.func)):
            yield name, node.lineno


def imports(of: Module) -> Iterator[Import]:
    """Everything that a module imports, also inside functions; ``__import__("x")`` is seen as well."""
    yield from _imports(of, of.tree, "module")


def _imports(of: Module, node: ast.AST, where: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, where) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (Import(target, child.lineno, where) for target in _targets(of, child))
        elif isinstance(child, ast.Call) and dotted(child.func) in ("__import__", "importlib.import_module"):
            first = child.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield Import(first.value, child.lineno, where)
        elif isinstance(child, ast.If) and dotted(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for statement in child.body:
                yield from _imports(of, ast.Module([statement], []), "typing")
            for statement in child.orelse:
                yield from _imports(of, ast.Module([statement], []), where)
        elif isinstance(child, Function | ast.Lambda):
            yield from _imports(of, child, "function" if where == "module" else where)
        else:
            yield from _imports(of, child, where)


def _targets(of: Module, node: ast.ImportFrom) -> list[str]:
    """The modules that the names are, and ``node.module`` for the names that are none."""
    base = node.module or ""
    if node.level:
        package = of.name if of.path.name == "__init__.py" else of.name.rpartition(".")[0]
        for _ in range(node.level - 1):
            package = package.rpartition(".")[0]
        base = f"{package}.{base}" if base else package
    names = {found.name for found in modules()}
    found = [f"{base}.{alias.name}" for alias in node.names]
    inside = [name for name in found if name in names]
    return inside if len(inside) == len(found) else [base, *inside]
