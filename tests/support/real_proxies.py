"""Proxies as people run them, from the distribution: squid, tinyproxy, dante, and haproxy for TLS in front.

Each is a process on a port of the loopback interface; a test that needs one is skipped where it is missing.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from support.servers import Authority, find_program, free_port, running

USER, PASSWORD = "ada", "l0ve-lace"

SQUID_HELPERS = Path("/usr/lib/squid")


class RealProxies(NamedTuple):
    """URLs without credentials: ``http://127.0.0.1:port``."""

    tinyproxy: str
    tinyproxy_basic: str
    squid_basic: str
    squid_digest: str
    dante: str
    """socks5h"""
    tls: str
    """https, on localhost: haproxy before tinyproxy"""


def _tinyproxy(folder: Path, port: int, *, credentials: bool) -> list[str]:
    lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 60", "Allow 127.0.0.1", "LogLevel Error"]
    lines += [f'PidFile "{folder}/pid"', "MaxClients 300"]
    if credentials:
        lines.append(f"BasicAuth {USER} {PASSWORD}")
    (folder / "conf").write_text("\n".join(lines) + "\n")
    return ["tinyproxy", "-d", "-c", str(folder / "conf")]


def _squid(folder: Path, port: int, *, scheme: str) -> list[str]:
    if scheme == "basic":
        crypted = subprocess.run(
            ["openssl", "passwd", "-apr1", PASSWORD], capture_output=True, text=True, check=True
        ).stdout
        (folder / "passwords").write_text(f"{USER}:{crypted}")
        helper = f"{SQUID_HELPERS}/basic_ncsa_auth"
    else:
        (folder / "passwords").write_text(f"{USER}:{PASSWORD}\n")
        helper = f"{SQUID_HELPERS}/digest_file_auth"
    (folder / "conf").write_text(
        f"""\
http_port 127.0.0.1:{port}
pid_filename none
cache deny all
cache_mem 8 MB
memory_cache_shared off
access_log none
cache_log {folder}/cache.log
coredump_dir {folder}
shutdown_lifetime 1 second
auth_param {scheme} program {helper} {folder}/passwords
auth_param {scheme} realm tests
auth_param {scheme} children 1 startup=1 idle=1
acl known proxy_auth REQUIRED
acl forbidden dstdomain forbidden.example
http_access deny forbidden
http_access allow known
http_access deny all
"""
    )
    return ["squid", "-N", "-f", str(folder / "conf")]


def _dante(folder: Path, port: int) -> list[str]:
    (folder / "conf").write_text(
        f"""\
logoutput: {folder}/dante.log
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
socksmethod: none
clientmethod: none
user.unprivileged: nobody
client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
socks pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 command: connect }}
"""
    )
    return ["danted", "-N", "1", "-f", str(folder / "conf"), "-p", str(folder / "pid")]


def _haproxy(folder: Path, port: int, before: int, authority: Authority) -> list[str]:
    pem = folder / "server.pem"
    pem.write_text(Path(authority.server_cert).read_text() + Path(authority.server_key).read_text())
    (folder / "conf").write_text(
        f"""\
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen tls
    bind 127.0.0.1:{port} ssl crt {pem}
    server proxy 127.0.0.1:{before}
"""
    )
    return ["haproxy", "-db", "-f", str(folder / "conf")]


@contextmanager
def real_proxies(authority: Authority) -> Iterator[RealProxies]:
    """All of them at once."""
    programs = ("squid", "tinyproxy", "danted", "haproxy", "openssl")
    missing = [name for name in programs if not find_program(name)]
    if missing or not SQUID_HELPERS.is_dir():
        pytest.skip(f"not installed: {', '.join(missing) or 'helpers of squid'}")
    ports = [free_port() for _ in range(6)]
    with ExitStack() as stack:
        folders = []
        for _ in ports:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder.chmod(0o777)  # squid and dante give up being root
            folders.append(folder)
        commands = [
            _tinyproxy(folders[0], ports[0], credentials=False),
            _tinyproxy(folders[1], ports[1], credentials=True),
            _squid(folders[2], ports[2], scheme="basic"),
            _squid(folders[3], ports[3], scheme="digest"),
            _dante(folders[4], ports[4]),
            _haproxy(folders[5], ports[5], ports[0], authority),
        ]
        for command, port, folder in zip(commands, ports, folders, strict=True):
            program = find_program(command[0])
            assert program is not None
            stack.enter_context(running([program, *command[1:]], ports=[port], log=folder / "log"))
        http = [f"http://127.0.0.1:{port}" for port in ports[:4]]
        http += [f"socks5h://127.0.0.1:{ports[4]}", f"https://localhost:{ports[5]}"]
        yield RealProxies(*http)
