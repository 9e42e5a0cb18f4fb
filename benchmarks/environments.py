"""Which Python runs a client: that of the hatch environment where its library is installed.

`hatch run bench` runs in the default environment; clients are measured in environments of their own, made by
hatch when they are first needed. Where there is no hatch, all run in the interpreter that runs this.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from typing import NamedTuple

from .clients.registry import LIBRARIES
from .runner import ROOT, CaseFailed, output

MAKING_SECONDS = 600.0


class Installed(NamedTuple):
    """Where each client can be run, and its version; and why the others can't."""

    pythons: dict[str, str]
    versions: dict[str, str]
    missing: dict[str, str]


def find_clients(clients: Iterable[str], is_here: bool = False) -> Installed:
    """Look for each; ``is_here``: in this interpreter only."""
    installed = Installed({}, {}, {})
    pythons: dict[str, str] = {}
    for client in clients:
        name = LIBRARIES[client].environment
        try:
            if name not in pythons:
                pythons[name] = sys.executable if is_here else _python_of(name)
            installed.versions[client] = _probe(client, pythons[name])
            installed.pythons[client] = pythons[name]
        except CaseFailed as exc:
            installed.missing[client] = str(exc)
    return installed


def _probe(client: str, python: str) -> str:
    """The version of a client that can be imported, whose modules are compiled then."""
    library = LIBRARIES[client]
    version = "import platform; print(platform.python_version())"
    if library.distribution:
        version = f"import importlib.metadata as m; print(m.version({library.distribution!r}))"
    return output([python, "-c", f"{library.program.imports}\n{version}"]).strip()


def _hatch() -> str | None:
    """The command: on the PATH, or, where it was started by its full path, beside the uv that it tells of."""
    uv = os.environ.get("HATCH_UV")
    return shutil.which("hatch") or (shutil.which("hatch", path=os.path.dirname(uv)) if uv else None)


def _python_of(environment: str) -> str:
    """The interpreter of a hatch environment, which is made, or brought up to date, if it must be."""
    hatch = _hatch()
    if hatch is None:
        print("no hatch is found: all clients must be where this runs", file=sys.stderr, flush=True)
        return sys.executable
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in ("HATCH_ENV", "HATCH_ENV_ACTIVE", "VIRTUAL_ENV")
    }
    print(f"looking for the environment {environment} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [hatch, "-e", environment, "run", "python", "-c", "import sys; print(sys.executable)"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=MAKING_SECONDS,
        check=False,
    )
    if done.returncode:
        raise CaseFailed(f"hatch can't make its environment {environment}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip().splitlines()[-1]
