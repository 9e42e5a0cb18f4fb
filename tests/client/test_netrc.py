"""`NetRCAuth`: whose credentials go where, and what is said about files that are no good."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

import http3
from support.worlds import World

ENTRIES = """\
machine one.example login ada password lovelace
machine two.example
  login bob
  password "builder 1"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "netrc"
    path.write_text(ENTRIES)
    return path


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def echo(request: Any) -> http3.Response:
    """The Authorization header that arrived; /to/HOST redirects there."""
    if request.url.path.startswith("/to/"):
        return http3.Response(302, headers={"Location": f"https://{request.url.path[4:]}/"}, request=request)
    return http3.Response(200, text=request.headers.get("Authorization", "none"), request=request)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://one.example/", basic("ada", "lovelace")),
        ("https://two.example:8443/", basic("bob", "builder 1")),
        ("https://three.example/", "none"),
        ("https://user:own@one.example/", basic("user", "own")),
        ("https://one.example/to/two.example", basic("bob", "builder 1")),
        ("https://one.example/to/three.example", "none"),
        ("https://three.example/to/one.example", basic("ada", "lovelace")),
    ],
)
def test_each_host_gets_its_own(world: World, file: Path, url: str, expected: str) -> None:
    session = world.session(echo, auth=http3.NetRCAuth(file))
    assert session.get(url).text == expected
    assert world.session(echo).get(url, auth=http3.NetRCAuth(str(file))).text == expected


def test_what_the_caller_says_precedes_it(world: World, file: Path) -> None:
    session = world.session(echo, auth=http3.NetRCAuth(file))
    url = "https://one.example/"
    assert session.get(url, headers={"Authorization": "mine"}).text == "mine"
    assert session.get(url, auth=("a", "b")).text == basic("a", "b")
    assert session.get(url, auth=False).text == "none"


def test_a_default_entry_and_changes(world: World, file: Path) -> None:
    session = world.session(echo, auth=http3.NetRCAuth(file))
    assert session.get("https://three.example/").text == "none"
    file.write_text(ENTRIES + "default login any password one\n")
    assert session.get("https://three.example/").text == basic("any", "one")
    file.unlink()
    assert session.get("https://three.example/").text == "none"


def test_where_it_looks(world: World, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = world.session(echo, auth=http3.NetRCAuth())
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    url = "https://one.example/"
    assert session.get(url).text == "none"
    (tmp_path / "home").mkdir()
    own = tmp_path / "home" / ".netrc"
    own.write_text("machine one.example login home password h\n")
    own.chmod(0o600)
    assert session.get(url).text == basic("home", "h")
    monkeypatch.setenv("NETRC", str(file))
    assert session.get(url).text == basic("ada", "lovelace")
    monkeypatch.setenv("NETRC", str(tmp_path / "missing"))
    assert session.get(url).text == "none"
    assert world.session(echo).get(url).text == "none"  # it is for those who ask for it


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"machine one.example login ada hunter2 hunter2\n", "malformed, line 1"),
        (b"hunter2\n", "malformed"),
        (b"machine one.example login a:b password hunter2\n", "can't be sent"),
        (b"machine one.example login \xff\xfe password hunter2\n", "can't be read"),
    ],
)
def test_a_file_that_is_no_good(world: World, tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "netrc"
    path.write_bytes(content)
    session = world.session(echo, auth=http3.NetRCAuth(path))
    with pytest.raises(ValueError, match=said) as caught:
        session.get("https://one.example/")
    error: BaseException | None = caught.value
    assert str(path) in str(error)
    while error is not None:
        assert "hunter2" not in str(error)
        error = error.__cause__


def test_a_folder_can_not_be_read(world: World, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="can't be read"):
        world.session(echo, auth=http3.NetRCAuth(tmp_path)).get("https://one.example/")


def test_the_constructor() -> None:
    assert repr(http3.NetRCAuth()) == "NetRCAuth()"
    assert repr(http3.NetRCAuth("x")) == "NetRCAuth('x')"
    with pytest.raises(TypeError, match="path"):
        http3.NetRCAuth(3)  # type: ignore[arg-type]
