"""Folders are rooms: what others need of one stands in its `__init__`, and not too much lies flat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from functools import cache

import pytest

from support.source_tree import Import, Module, imports, module, modules

MOST_FILES = 20
"""Modules in one folder of a distribution, beside its `__init__`."""

FACELESS = {
    "http3_transport._apps": "who calls one kind of application loads nothing for the other",
    "http3_transport._backends": "each backend loads an event loop, or a library",
}
"""Rooms whose modules are imported by name, with the reason."""

MOST_IN_A_CIRCLE = 2
"""Modules that import each other, directly or not; imports inside functions and for types are counted."""

LEFT_OUT = {
    ("http3_models._exceptions", "http3_models._headers"): "`headers` of a ProxyError has a public type",
    ("http3_models._timing", "http3_models._headers"): "`via` of a ConnectionInfo has a public type",
    ("http3_models._timing", "http3_models._url"): "`proxy` of a ConnectionInfo has a public type",
    ("http3_models._exceptions", "http3_models._request"): "`request` of an exception has a public type",
    ("http3_models._exceptions", "http3_models._response"): "`response` of an exception has a public type",
    ("http3_models._text.json_error", "http3_models._response"): "`response`, too, has a public type",
}
"""Imports that are not counted, with the reason."""

ROOMS = sorted(
    source.name
    for source in modules()
    if source.path.name == "__init__.py" and source.name.rpartition(".")[2].startswith("_")
)


def room_of(name: str) -> str:
    """The innermost room that a module is, or is in; "" for what lies flat."""
    return max((room for room in ROOMS if f"{name}.".startswith(f"{room}.")), key=len, default="")


@cache
def loaded_by(room: str) -> frozenset[str]:
    """The modules of a room that importing it loads."""
    found, todo = {room}, [room]
    while todo:
        for needed in imports(module(todo.pop())):
            if needed.where == "module" and needed.target not in found and room_of(needed.target) == room:
                found.add(needed.target)
                todo.append(needed.target)
    return frozenset(found)


def goes_past_the_face(source: Module, found: Import) -> bool:
    """Whether a module reaches into another room. What the room's `__init__` does not load may be imported by
    its module when it is first needed, or for types."""
    room = room_of(found.target)
    if not room or found.target == room or room in FACELESS or room_of(source.name) == room:
        return False
    return found.where == "module" or found.target in loaded_by(room)


@pytest.mark.parametrize("source", modules(), ids=lambda source: source.name)
def test_rooms_are_entered_by_their_face(source: Module) -> None:
    wrong = [
        f"{source.path}:{found.line}: {found.target}"
        for found in imports(source)
        if goes_past_the_face(source, found)
    ]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("room", sorted(FACELESS))
def test_rooms_without_a_face_load_nothing(room: str) -> None:
    assert loaded_by(room) == {room}


def test_few_files_lie_flat_in_one_folder() -> None:
    folders = Counter(s.path.parent for s in modules() if s.path.name != "__init__.py")
    crowded = {str(folder): count for folder, count in folders.items() if count > MOST_FILES}
    assert not crowded


def arrows(left_out: Container[tuple[str, str]] = LEFT_OUT) -> dict[str, set[str]]:
    """For each module those of ours that it imports."""
    names = {source.name for source in modules()}
    return {
        source.name: {
            found.target
            for found in imports(source)
            if found.target in names and (source.name, found.target) not in left_out
        }
        for source in modules()
    }


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """The sets of more than one node of which each leads to all others."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        found: set[str] = set()
        todo = [start]
        while todo:
            new = graph[todo.pop()] - found
            found |= new
            todo += new
        reached[start] = found
    together = {frozenset({b for b in reached[a] if a in reached[b]} | {a}) for a in graph}
    return sorted([set(circle) for circle in together if len(circle) > 1], key=sorted)


def test_modules_import_each_other_in_no_circle() -> None:
    assert not [circle for circle in circles(arrows()) if len(circle) > MOST_IN_A_CIRCLE]


@pytest.mark.parametrize("arrow", sorted(LEFT_OUT), ids=str)
def test_imports_left_out_of_the_circles_would_close_one(arrow: tuple[str, str]) -> None:
    source, target = arrow
    left_out = LEFT_OUT.keys() - {arrow}
    assert any({source, target} <= circle for circle in circles(arrows(left_out)))


def test_a_circle_is_seen() -> None:
    graph: dict[str, set[str]] = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"e"}, "e": set()}
    assert circles(graph) == [{"a", "b", "c"}]
    assert "http3_models._headers" in arrows()["http3_models._body_protocols"]  # for types alone


def test_a_way_past_the_face_is_seen() -> None:
    source = module("http3_models._mock")
    assert goes_past_the_face(source, Import("http3_models._url.parse", 1, "function"))
    assert goes_past_the_face(source, Import("http3_models._cookies.jar", 1, "module"))
    assert not goes_past_the_face(source, Import("http3_models._cookies.jar", 1, "function"))
    assert not goes_past_the_face(source, Import("http3_models._url", 1, "module"))
    beside = module("http3_models._url.edit")
    assert not goes_past_the_face(beside, Import("http3_models._url.parse", 1, "module"))
