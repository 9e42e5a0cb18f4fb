"""The distributions know each other by public names only: no private module, name or attribute crosses.

A syntax tree does not tell which class an attribute belongs to. So a private attribute counts as one of
another distribution if that one defines the name, and this one does not or reads it from
something else than ``self``; or if a class of this module inherits from one of another distribution, and the
module does not define it. `OWN` lists those that are meant even so.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from support.source_tree import Module, dotted, modules

BELOW = {
    "http3_models": (),
    "http3_transport": ("http3_models",),
    "http3_client": ("http3_models", "http3_transport"),
    "http3": ("http3_models", "http3_transport", "http3_client"),
}
"""What each distribution may import."""

CROSSING: set[str] = set()
"""What still crosses, "module: name". It only gets shorter: an entry that is not needed fails as well."""

OWN = {"http3_client: _engine"}
"""Attributes of own classes, "distribution: name", which a distribution below has too."""

BY_NAME = ("getattr", "hasattr", "setattr", "delattr")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def private_imports(source: Module) -> Iterator[tuple[str, int]]:
    """Names of other distributions that are imported and private, or from a private module; with the line."""
    for node in ast.walk(source.tree):
        targets: list[str] = []
        if not isinstance(node, ast.stmt | ast.expr):
            continue
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            targets = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and dotted(node.func).endswith(("__import__", "import_module")):
            targets = [str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)]
        for target in targets:
            package, *names = target.split(".")
            if package in BELOW and package != source.package and any(map(is_private, names)):
                yield target, node.lineno


def private_attributes(source: Module) -> Iterator[tuple[str, int]]:
    """Private attributes that belong to another distribution, with the line."""
    own = defined(source.package)
    by_self = frozenset(_definitions(source.tree)) if inherits(source) else own
    others = frozenset().union(*(defined(package) for package in BELOW[source.package]))
    for node in ast.walk(source.tree):
        name, of = "", ""
        if not isinstance(node, ast.expr):
            continue
        if isinstance(node, ast.Attribute):
            name, of = node.attr, dotted(node.value)
        elif isinstance(node, ast.Call) and dotted(node.func) in BY_NAME and len(node.args) > 1:
            asked = node.args[1]
            name = asked.value if isinstance(asked, ast.Constant) and isinstance(asked.value, str) else ""
            of = dotted(node.args[0])
        if is_private(name) and name in others:
            of_self = of in ("self", "cls") and name in by_self
            if not (of_self or (name in own and f"{source.package}: {name}" in OWN)):
                yield name, node.lineno


def inherits(source: Module) -> bool:
    """Whether a class in it has a base of another distribution, whose private attributes it might use."""
    imported = {
        alias.asname or alias.name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.level == 0
        for alias in node.names
        if str(node.module).partition(".")[0] in BELOW[source.package]
    }
    classes = [node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)]
    return any(dotted(base) in imported for node in classes for base in node.bases)


@cache
def defined(package: str) -> frozenset[str]:
    """The private names that a distribution defines: modules, classes, functions, attributes."""
    names: set[str] = set()
    for source in modules():
        if source.package == package:
            names.add(source.name.rpartition(".")[2])
            names.update(_definitions(source.tree))
    return frozenset(filter(is_private, names))


def _definitions(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if dotted(node.value) in ("self", "cls"):
                yield node.attr
        elif isinstance(node, ast.Assign) and "__slots__" in map(dotted, node.targets):
            slots = [slot for slot in ast.walk(node.value) if isinstance(slot, ast.Constant)]
            yield from (slot.value for slot in slots if isinstance(slot.value, str))


def found_in(source: Module) -> list[tuple[str, int]]:
    return sorted({*private_imports(source), *private_attributes(source)}, key=lambda found: found[1])


@pytest.mark.parametrize("source", modules(), ids=lambda source: source.name)
def test_no_private_name_of_another_distribution_is_used(source: Module) -> None:
    found = [
        f"{source.path}:{line}: {name}"
        for name, line in found_in(source)
        if f"{source.name}: {name}" not in CROSSING
    ]
    assert not found, "\n" + "\n".join(found)


def test_the_lists_of_exceptions_have_no_stale_lines() -> None:
    crossing = {f"{source.name}: {name}" for source in modules() for name, _ in found_in(source)}
    assert crossing >= CROSSING
    for package, name in [entry.split(": ") for entry in OWN]:
        assert name in defined(package)
        assert any(name in defined(below) for below in BELOW[package])


def module_of(package: str, text: str) -> Module:
    return Module(f"{package}._made_up", Path("made_up.py"), text, ast.parse(text))


SUBCLASS = "from http3_models import Headers\nclass Mine(Headers):\n    "


@pytest.mark.parametrize(
    ("package", "text"),
    [
        ("http3_client", "from http3_models._url.url import URL"),
        ("http3_client", "from http3_models import _url"),
        ("http3_client", "import http3_transport._pool.pool"),
        ("http3_client", "if TYPE_CHECKING:\n    from http3_models._headers.headers import Headers"),
        ("http3_client", "def late():\n    from http3_transport._backends._trio import TrioBackend"),
        ("http3", "__import__('http3_client._api')"),
        ("http3_models", "from http3_client._auth import Auth"),
        ("http3_client", "http3_transport._pool.pool"),
        ("http3_client", "getattr(dispatch, '_process')"),
        ("http3_transport", "error._request"),
        ("http3_transport", "request._state.body"),
        ("http3_transport", "error._request = None"),
        ("http3", "client._engine"),
        ("http3_client", SUBCLASS + "def f(self): self._state"),
    ],
)
def test_what_crosses_is_found(package: str, text: str) -> None:
    assert found_in(module_of(package, text))


@pytest.mark.parametrize(
    ("package", "text"),
    [
        ("http3_client", "from http3_models import URL, __version__"),
        ("http3_client", "from http3_models.engine import RequestState"),
        ("http3_client", "from ._auth import Auth"),
        ("http3_client", "from http3_client._auth import Auth"),
        ("http3_client", "self._engine._settings"),
        ("http3_client", "client._engine"),
        ("http3_transport", "self._state._closed"),
        ("http3_client", SUBCLASS + "def _state(self): self._state"),
        ("http3_models", "request._state"),
        ("http3_models", "from zlib import _Decompress"),
    ],
)
def test_what_does_not_cross_is_left_alone(package: str, text: str) -> None:
    assert not found_in(module_of(package, text))
