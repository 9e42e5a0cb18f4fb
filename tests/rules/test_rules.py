"""The rules of DESIGN.md, read off the source; the tables here list who is excepted."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch

import pytest

from support.source_tree import Module, called, dotted, functions, imports, module, modules, own_nodes

# Rule 1. Decisions live in modules without `await`, I/O or clock; coroutines carry them out.
PURE = [
    "http3_models._cookies.store",
    "http3_models._cookies.cookies",
    "http3_models._codings.decoder",
    "http3_models._cookies.cookie",
    "http3_models._cookies.date",
    "http3_models._headers.headers",
    "http3_models._url.host",
    "http3_models._headers.links",
    "http3_models._cookies.set_cookie",
    "http3_models._url.edit",
    "http3_models._url.parse",
    "http3_models._url.query",
    "http3_models._status",
    "http3_models._text.decoding",
    "http3_models._url.url",
    "http3_transport._connect.certificate_names",
    "http3_transport._errors",
    "http3_transport._http1.chunked",
    "http3_transport._http1.grammar",
    "http3_transport._http1.request_head",
    "http3_transport._http1.response_head",
    "http3_transport._http2.headers",
    "http3_transport._http2.hpack",
    "http3_transport._http2.flow_control",
    "http3_transport._http2.send_buffer",
    "http3_transport._http2.state",
    "http3_transport._http2.stream",
    "http3_transport._http2.turns",
    "http3_transport._pool.entries",
    "http3_transport._pool.state",
    "http3_client._auth",
    "http3_client._base_url",
    "http3_client._redirects",
]

# Rule 3. Modules that few may import: who (a pattern), and from where: "module" (when it is imported itself)
# or "function" (at first need).
BACKENDS = "http3_transport._backends.*"
TESTING = "http3_transport.testing*"
TRIO_BACKEND = "http3_transport._backends._trio*"

GUARDED: dict[str, dict[str, str]] = {
    # The world: backends, and what runs applications and foreign dispatchers.
    "asyncio": {
        "http3_transport._backends._asyncio*": "module",
        "http3_client._cancelling": "function",
        "http3_client._runners": "function",
        "http3_client._workers": "function",
    },
    "trio": {
        TRIO_BACKEND: "module",
        "http3_client._cancelling": "function",
    },
    "socket": {BACKENDS: "module", TESTING: "module"},
    "select": {BACKENDS: "module"},
    "selectors": {},
    "threading": {
        "http3_transport.*": "module",
        "http3_client._runners": "function",
        "http3_client._workers": "function",
    },
    "concurrent": {},
    "anyio": {},
    "sniffio": {},
    # TLS, and what it costs to import.
    "ssl": {"http3_transport._tls.*": "module", TESTING: "module", "http3_models._ssl": "function"},
    "certifi": {"http3_models._ssl": "function"},
    # Protocol libraries: the engine of that protocol.
    "h11": {"http3_transport._http1.h11_fallback": "module"},
    "h2": {"http3_transport._http2.*": "module", "http3_transport.testing._simulation.http2": "module"},
    "hpack": {"http3_transport._http2.*": "module", "http3_transport.testing._scripted.frames": "module"},
    "hyperframe": {"http3_transport._http2.*": "module"},
    # Costly modules of the standard library: at first need, or never.
    "idna": {"http3_models._url.host": "function"},
    "inspect": {"http3_client._apps": "function", "http3_client._adapters": "function"},
    "http.cookiejar": {"http3_models._cookies.jar": "module"},
    "dataclasses": {},
    "logging": {},
    "email": {},
    "urllib.request": {},
    "urllib.parse": {},
}


def names(found: Module) -> str:
    """The id of a parametrised test."""
    return found.name


# Waiters are made where they are awaited, so these constructors may ask which loop runs.
WAITERS = {"AsyncioWaiter", "TrioWaiter", "_AsyncioFlag", "_TrioFlag"}


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
    impure = {"asyncio", "trio", "socket", "select", "selectors", "threading", "ssl", "os"}
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
                may = next((how for who, how in allowed.items() if fnmatch(source.name, who)), None)
                if may is None or (may == "function" and found.where == "module"):
                    wrong.append((found.line, f"imports {found.target} ({found.where}); allowed: {may}"))
    fail_with(source, wrong)


ALLOWED = [(guarded, who) for guarded, allowed in GUARDED.items() for who in allowed]


@pytest.mark.parametrize(("guarded", "who"), ALLOWED)
def test_the_table_of_guarded_modules_has_no_stale_lines(guarded: str, who: str) -> None:
    allowed = [source for source in modules() if fnmatch(source.name, who)]
    targets = {found.target for source in allowed for found in imports(source) if found.where != "typing"}
    assert any(f"{target}.".startswith(f"{guarded}.") for target in targets)


@every_module
def test_the_clock_is_passed_in(source: Module) -> None:
    if fnmatch(source.name, TESTING) or source.name == "http3_client.example_site._pages":
        return  # the suites measure what an operation takes; some pages are slow
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
def test_cancel_scopes_stay_in_the_backends(source: Module) -> None:
    scopes = {
        "CancelScope",
        "move_on_after",
        "move_on_at",
        "fail_after",
        "fail_at",
        "open_nursery",
        "TaskGroup",
    }
    timeouts = {"asyncio.timeout", "asyncio.timeout_at", "asyncio.wait_for"}
    # The client has no backend where a dispatcher of the user's is to be cancelled.
    allowed = (BACKENDS, TESTING, "http3_client._cancelling")
    if not any(fnmatch(source.name, pattern) for pattern in allowed):
        opened = [(line, name) for name, line in called(source.tree) if name.rpartition(".")[2] in scopes]
        opened += [(line, name) for name, line in called(source.tree) if name in timeouts]
        fail_with(source, opened)


@every_module
def test_tls_is_ours_alone(source: Module) -> None:
    if fnmatch(source.name, TESTING):
        return  # the peer of the suites is the standard library's, on purpose
    banned = {"wrap_socket", "SSLSocket", "SSLStream"}
    foreign = [(line, name) for name, line in called(source.tree) if name.rpartition(".")[2] in banned]
    foreign += [(line, name) for name, line in called(source.tree) if name.endswith("loop.start_tls")]
    if not fnmatch(source.name, "http3_transport._tls.*"):
        foreign += [
            (line, name) for name, line in called(source.tree) if name.endswith(("wrap_bio", "MemoryBIO"))
        ]
    fail_with(source, foreign)


@every_module
def test_lookups_never_use_a_loops_executor(source: Module) -> None:
    banned = {"run_in_executor", "to_thread", "open_connection"}
    used = [(line, name) for name, line in called(source.tree) if name.rpartition(".")[2] in banned]
    used += [(line, name) for name, line in called(source.tree) if name.endswith("loop.getaddrinfo")]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and dotted(node.func).endswith(".create_connection"):
            keywords = {keyword.arg for keyword in node.keywords}
            if "sock" not in keywords or keywords & {"host", "ssl"}:
                used.append((node.lineno, "create_connection() that resolves, or speaks TLS, itself"))
    fail_with(source, used)


@every_module
def test_no_loop_is_looked_up_in_a_constructor(source: Module) -> None:
    lookups = ("get_running_loop", "get_event_loop", "current_trio_token", "current_async_library")
    early = [
        (line, f"{name} calls {call}()")
        for name, function in functions(source.tree)
        if function.name in ("__init__", "__new__") and name.split(".")[-2] not in WAITERS
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


def test_fork_is_noticed_where_there_is_something_to_drop() -> None:
    hooked = {
        source.name
        for source in modules()
        for name, _ in called(source.tree)
        if name == "os.register_at_fork"
    }
    assert hooked == {
        "http3_transport._backends._lookup",
        "http3_transport._connect.open_connection",
        "http3_transport._pool.scope",
        "http3_transport._process",
    }


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
