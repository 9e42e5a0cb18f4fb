"""Every Python example of README and docs is run.

Pages with the address of `http3_client.example_site` in them (README, recipes) talk to it, started as a user
does; the others talk to example.org, over TLS and HTTP/2, as `support.example_site` answers for it.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from http3_client.example_site.__main__ import PORT
from support import examples
from support.example_server import serving
from support.servers import TESTS, free_port, running
from support.source_tree import ROOT

PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "packages").glob("*/README.md"),
    ]
)
LINKING = [
    *PAGES,
    *(
        ROOT / name
        for name in (
            "DESIGN.md",
            "SECURITY.md",
            "benchmarks/README.md",
            "benchmarks/RESULTS.md",
            "fuzz/README.md",
        )
    ),
]
HOSTS = ("example.org", "www.example.org", "api.example.org", "files.example.org")


class Site:
    """The site of the examples: ports for http and https, and the file that vouches for it."""

    def __init__(self, http: int, https: int, ca_file: Path, client_pem: Path) -> None:
        self.ports = {80: http, 443: https}
        self.ca_file = ca_file
        self.client_pem = client_pem


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """hypercorn with `example_site` on two ports."""
    folder = tmp_path_factory.mktemp("site")
    authority = trustme.CA()
    names = (folder / "ca.pem", folder / "site.pem", folder / "client.pem")
    authority.cert_pem.write_to_path(str(names[0]))
    authority.issue_cert(*HOSTS).private_key_and_cert_chain_pem.write_to_path(str(names[1]))
    authority.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(str(names[2]))
    http, https = free_port(), free_port()
    binds = ["--insecure-bind", f"127.0.0.1:{http}", "--bind", f"127.0.0.1:{https}"]
    tls = ["--certfile", str(names[1]), "--keyfile", str(names[1])]
    command = [
        sys.executable,
        "-m",
        "hypercorn",
        "-w",
        "0",
        "--graceful-timeout",
        "1",
        *binds,
        *tls,
        "support.example_site:app",
    ]
    with running(command, ports=[http, https], log=folder / "log", cwd=TESTS):
        yield Site(http, https, names[0], names[2])


@pytest.fixture
def surroundings(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of the examples lead to the site, the machine trusts it, and their files are there."""
    look_up = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **options: Any) -> Any:
        if host in HOSTS:
            host, port = "127.0.0.1", site.ports[port]
        elif host.endswith(".example.org"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setenv("SSL_CERT_FILE", str(site.ca_file))
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copy(site.ca_file, tmp_path / "ca.pem")
    shutil.copy(site.client_pem, tmp_path / "client.pem")


@pytest.fixture(scope="module")
def local_site() -> Iterator[str]:
    """The address of the site that users start; on a free port, not the one that the pages tell."""
    with serving() as url:
        yield url


LOCAL_SITE = f"http://127.0.0.1:{PORT}"


def at(url: str) -> examples.Replacements:
    """What makes the examples talk to the site at another port."""
    return [(f":{PORT}", f":{url.rpartition(':')[2]}")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
@pytest.mark.usefixtures("surroundings")
def test_examples_of(page: Path, request: pytest.FixtureRequest) -> None:
    if LOCAL_SITE in page.read_text():
        examples.run(page, at(request.getfixturevalue("local_site")))
    else:
        examples.run(page)


def test_readmes_talk_to_the_site_that_users_can_start() -> None:
    for page in (ROOT / "README.md", *(ROOT / "packages").glob("*/README.md")):
        code = "".join(block.code for block in examples.blocks(page))
        assert not [host for host in HOSTS[1:] if host in code], page


@pytest.mark.usefixtures("surroundings")
def test_the_readme_can_be_pasted_into_an_interpreter(local_site: str) -> None:
    blocks = examples.blocks(ROOT / "README.md", at(local_site))
    pasted = "".join(f"{block.code}\n\n" for block in blocks)
    python = subprocess.run(
        [sys.executable, "-i", "-q"], input=pasted, check=True, capture_output=True, text=True, timeout=60
    )
    assert "Error" not in python.stderr
    told = [text for block in blocks for text in examples.expectations(block).values()]
    pattern = ".*".join(re.escape(part) for text in told for part in text.split("..."))
    assert re.search(pattern, python.stdout, re.DOTALL), python.stdout


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page may end with, as GitHub makes it of the heading's text."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target, _, anchor in re.findall(r"\]\(([^)#\s]*)(#([^)]*))?\)", prose):
        if "://" not in target:
            leads_to = page.parent / target if target else page
            assert leads_to.exists(), f"{page}: {target}"
            assert not anchor or anchor in anchors(leads_to), f"{page}: {target}#{anchor}"


def test_every_page_is_in_the_list_of_pages() -> None:
    listed = (ROOT / "docs" / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in listed, page


def test_there_are_examples_to_run() -> None:
    assert sum(len(examples.blocks(page)) for page in PAGES) > 40


class TestTheRunner:
    """What runs the examples notices when one is wrong."""

    @pytest.mark.parametrize(
        "text",
        [
            "```python\n1 + 1  # -> 2\n```\n",
            "```python\nprint(1, 'a')  # -> 1 a\n```\n",
            "```python\n'long text'  # -> 'long ...'\n```\n",
            "```python\nimport asyncio\nawait asyncio.sleep(0, 'x')  # -> 'x'\n```\n",
            "<!-- run: value = 5 -->\n```python\nvalue  # -> 5\n```\n",
            "<!-- not run: needs a moon -->\n```python\n1 / 0\n```\n",
            "```python\nif True:\n    2 * 3  # -> 6\n```\n",
            "```python\na = 1\n```\ntext\n```python\na  # -> 1\n```\n",
            "```sh\nnot python\n```\n",
        ],
    )
    def test_right(self, tmp_path: Path, text: str) -> None:
        page = tmp_path / "page.md"
        page.write_text(text)
        examples.run(page)

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ("```python\n1 + 1  # -> 3\n```\n", AssertionError),
            ("```python\na = 1  # -> 1\n```\n", AssertionError),
            ("```python\n1 / 0\n```\n", ZeroDivisionError),
            ("<!-- run: 1 / 0 -->\n", ZeroDivisionError),
            ("<!-- not run: once -->\n```python\n1\n```\n```python\n1 / 0\n```\n", ZeroDivisionError),
        ],
    )
    def test_wrong(self, tmp_path: Path, text: str, error: type[Exception]) -> None:
        page = tmp_path / "page.md"
        page.write_text(text)
        with pytest.raises(error):
            examples.run(page)
