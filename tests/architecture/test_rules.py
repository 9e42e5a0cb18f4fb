"""The rules of DESIGN.md, read off the source; the tables here list who is excepted."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from source_tree import Module, called, dotted, functions, imports, module, modules, own_nodes

# Rule 1. Decisions live in modules without `await`, I/O or clock; coroutines carry them out.
PURE = [
    "http3_models._cookie_store",
    "http3_models._cookies",
    "http3_models._decoders",
    "http3_models._headers",
    "http3_models._query",
    "http3_models._status",
    "http3_models._text",
    "http3_models._url",
    "http3_transport._errors",
    "http3_transport._http2_state",
    "http3_transport._pool_state",
    "http3_transport._tls",
    "http3_client._auth",
    "http3_client._redirects",
]

# Rule 3. Modules of the standard library and of others that few may touch: who, and how ("module": when it is
# imported itself, "function": at first need).
ASYNCIO_BACKEND = "http3_transport._backends._asyncio"
BLOCKING_BACKEND = "http3_transport._backends._blocking"
TRIO_BACKEND = "http3_transport._backends._trio"

GUARDED: dict[str, dict[str, str]] = {
    "asyncio": {ASYNCIO_BACKEND: "module"},
    "trio": {TRIO_BACKEND: "module"},
    "socket": {BLOCKING_BACKEND: "module"},
    "select": {BLOCKING_BACKEND: "module"},
    "selectors": {},
    "ssl": {"http3_transport._tls": "module", "http3_models._ssl": "function"},
    "threading": {},
    "certifi": {"http3_models._ssl": "function"},
    "idna": {"http3_models._url": "function"},
    "h11": {},
    "h2": {},
    "hpack": {},
    "hyperframe": {},
    "dataclasses": {},
    "inspect": {},
    "logging": {},
    "email": {},
    "http.cookiejar": {"http3_models._cookies": "function"},
    "urllib.request": {},
    "urllib.parse": {},
    "concurrent": {},
    "anyio": {},
    "sniffio": {},
}


def names(found: Module) -> str:
    """The id of a parametrised test."""
    return found.name


every_module = pytest.mark.parametrize("source", modules(), ids=names)


def fail_with(source: Module, lines: Iterator[tuple[int, str]] | list[tuple[int, str]]) -> None:
    """Fail with a list of places."""
    found = [f"{source.path}:{line}: {what}" for line, what in lines]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_have_no_coroutines_and_no_files(name: str) -> None:
    source = module(name)
    awaiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    fail_with(source, [(n.lineno, "a coroutine") for n in ast.walk(source.tree) if isinstance(n, awaiting)])
    fail_with(
        source, [(line, "opens a file") for name, line in called(source.tree) if name in ("open", "os.open")]
    )


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_import_only_pure_ones(name: str) -> None:
    impure = {"asyncio", "trio", "socket", "select", "selectors", "threading", "time", "os"}
    needs = [(found.line, found.target) for found in imports(module(name)) if found.where != "typing"]
    fail_with(module(name), [(line, f"imports {target}") for line, target in needs if target in impure])


@every_module
def test_no_async_generators(source: Module) -> None:
    generators = [
        (function.lineno, f"{name} is an async generator")
        for name, function in functions(source.tree)
        if isinstance(function, ast.AsyncFunctionDef)
        and any(isinstance(node, ast.Yield) for node in own_nodes(function))
    ]
    fail_with(source, generators)
    wanted = {"asynccontextmanager", "contextlib.asynccontextmanager", "aclosing", "contextlib.aclosing"}
    fail_with(source, [(n.lineno, dotted(n)) for n in ast.walk(source.tree) if dotted(n) in wanted])  # type: ignore[attr-defined]


@every_module
def test_guarded_modules_are_imported_where_the_table_says(source: Module) -> None:
    wrong = []
    for found in imports(source):
        if found.where == "typing":
            continue
        for guarded, allowed in GUARDED.items():
            if found.target == guarded or found.target.startswith(guarded + "."):
                may = allowed.get(source.name)
                if may is None or (may == "function" and found.where == "module"):
                    wrong.append((found.line, f"imports {found.target} ({found.where}); allowed: {may}"))
    fail_with(source, wrong)


@pytest.mark.parametrize("guarded", [name for name, allowed in GUARDED.items() if allowed])
def test_the_table_of_guarded_modules_has_no_stale_lines(guarded: str) -> None:
    for name in GUARDED[guarded]:
        targets = {found.target for found in imports(module(name)) if found.where != "typing"}
        assert any(f"{target}.".startswith(f"{guarded}.") for target in targets), (
            f"{name} does not import {guarded}"
        )


@every_module
def test_the_clock_is_passed_in(source: Module) -> None:
    taken = {
        alias.asname or alias.name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
    }
    clocks = {"datetime.now", "datetime.utcnow", "datetime.datetime.now", "date.today", "os.times"}
    fail_with(
        source,
        [
            (line, f"calls {name}()")
            for name, line in called(source.tree)
            if name.startswith("time.") or name in taken or name in clocks
        ],
    )


def _is_lock(node: ast.expr) -> bool:
    name = dotted(node.func if isinstance(node, ast.Call) else node).lower()
    return name.endswith(("lock", "mutex", "guard"))


@every_module
def test_no_thread_lock_is_held_across_an_await(source: Module) -> None:
    waits = (ast.Await, ast.AsyncFor, ast.AsyncWith)
    held = [
        (inner.lineno, f"waits while a lock of line {node.lineno} is held")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.With) and any(_is_lock(item.context_expr) for item in node.items)
        for statement in node.body
        for inner in ast.walk(statement)
        if isinstance(inner, waits)
    ]
    fail_with(source, held)


GIVING_UP = {"abort", "release", "reset", "write_nowait", "read_nowait", "__del__", "forget", "drop"}


@every_module
def test_giving_up_never_waits(source: Module) -> None:
    coroutines = [
        (function.lineno, f"{name} is a coroutine")
        for name, function in functions(source.tree)
        if function.name in GIVING_UP and isinstance(function, ast.AsyncFunctionDef)
    ]
    fail_with(source, coroutines)


@every_module
def test_cancel_scopes_stay_in_the_trio_backend(source: Module) -> None:
    scopes = {
        "CancelScope",
        "move_on_after",
        "move_on_at",
        "fail_after",
        "fail_at",
        "open_nursery",
        "TaskGroup",
        "timeout",
    }
    if source.name != TRIO_BACKEND:
        opened = [
            (line, name)
            for name, line in called(source.tree)
            if name.rpartition(".")[2] in scopes - {"timeout"}
        ]
        opened += [
            (line, name)
            for name, line in called(source.tree)
            if name in ("asyncio.timeout", "asyncio.wait_for")
        ]
        fail_with(source, opened)


@every_module
def test_tls_is_ours_alone(source: Module) -> None:
    banned = {"wrap_socket", "start_tls", "SSLSocket", "SSLStream"}
    fail_with(
        source, [(line, name) for name, line in called(source.tree) if name.rpartition(".")[2] in banned]
    )
    if source.name != "http3_transport._tls":
        fail_with(
            source,
            [(line, name) for name, line in called(source.tree) if name.endswith(("wrap_bio", "MemoryBIO"))],
        )


@every_module
def test_lookups_and_files_never_use_a_loops_executor(source: Module) -> None:
    banned = {"run_in_executor", "to_thread", "create_connection", "open_connection"}
    fail_with(
        source, [(line, name) for name, line in called(source.tree) if name.rpartition(".")[2] in banned]
    )
    fail_with(
        source, [(line, name) for name, line in called(source.tree) if name.endswith("loop.getaddrinfo")]
    )


@every_module
def test_no_loop_is_looked_up_in_a_constructor(source: Module) -> None:
    lookups = ("get_running_loop", "get_event_loop", "current_trio_token", "current_async_library")
    early = [
        (line, f"{name} calls {call}()")
        for name, function in functions(source.tree)
        if function.name in ("__init__", "__new__")
        for call, line in called(function)
        if call.endswith(lookups)
    ]
    fail_with(source, early)


@every_module
def test_finalisers_only_note(source: Module) -> None:
    for name, function in functions(source.tree):
        if function.name == "__del__":
            busy = (ast.With, ast.AsyncWith, ast.Await, ast.For, ast.While)
            fail_with(
                source, [(n.lineno, f"{name} is busy") for n in own_nodes(function) if isinstance(n, busy)]
            )
            assert len(function.body) <= 4, f"{source.name}: {name} does more than note that somebody is gone"


def test_fork_is_noticed_in_one_place() -> None:
    places = [
        source.name
        for source in modules()
        for name, _ in called(source.tree)
        if name.endswith("register_at_fork")
    ]
    assert len(places) == 1
    assert places[0].startswith("http3_transport.")


@every_module
def test_exceptions_are_chained(source: Module) -> None:
    hidden = [
        (node.lineno, "raise ... from None hides the cause")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Raise) and isinstance(node.cause, ast.Constant) and node.cause.value is None
    ]
    fail_with(source, hidden)


def test_http3_has_no_code_of_its_own() -> None:
    for source in modules():
        if source.package == "http3":
            kinds = (ast.ClassDef, ast.AsyncFunctionDef)
            fail_with(source, [(n.lineno, "code") for n in ast.walk(source.tree) if isinstance(n, kinds)])
            assert {name for name, _ in functions(source.tree)} <= {"__getattr__", "__dir__"}, source.name


def test_the_client_reaches_the_transport_only_when_it_needs_one() -> None:
    for source in modules():
        if source.package == "http3_client":
            fail_with(
                source,
                [
                    (found.line, f"imports {found.target} at once")
                    for found in imports(source)
                    if found.target.startswith("http3_transport") and found.where == "module"
                ],
            )
