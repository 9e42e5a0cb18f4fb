"""Tests of users replace methods of clients: `unittest.mock` and pytest's monkeypatch."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

import http3
from support.pages import Site
from support.worlds import World

URL = "http://h/"
METHODS = ["get", "options", "head", "post", "put", "patch", "delete", "request", "send", "stream", "close"]


@pytest.mark.parametrize("name", METHODS)
def test_a_method_of_an_instance(world: World, name: str) -> None:
    session = world.session(Site())
    client = session.client
    with mock.patch.object(client, name, new_callable=mock.MagicMock) as patched:
        assert getattr(client, name) is patched
    assert getattr(client, name).__self__ is client
    with mock.patch.object(client, name, autospec=True) as patched, pytest.raises(TypeError):
        session.do(patched(1, 2, 3, 4, 5, 6))


def test_get_of_an_instance(world: World) -> None:
    session = world.session(Site())
    answer = world.response_class(201)
    with mock.patch.object(session.client, "get", return_value=answer) as patched:
        assert session.get(URL, timeout=3) is answer
    patched.assert_called_once_with(URL, timeout=3)
    assert session.get(URL).status_code == 200


def test_monkeypatch(world: World) -> None:
    session = world.session(Site())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session.client, "get", lambda url: url)
        patch.setattr(session.client, "timeout", 3)
        assert session.client.get(URL) == URL
        assert session.client.timeout == http3.TimeoutConfig(3)
    assert session.client.timeout == http3.TimeoutConfig()
    assert session.get(URL).status_code == 200


def test_every_verb_goes_through_request(world: World) -> None:
    session = world.session(Site())
    for patch in (
        mock.patch.object(session.client, "request"),
        mock.patch.object(world.client_class, "request"),
    ):
        with patch as patched:
            patched.return_value = answer = world.response_class(201)
            for verb in METHODS[:7]:
                assert session.do(getattr(session.client, verb)(URL)) is answer
        assert [call.args[-2:] for call in patched.call_args_list] == [
            (verb.upper(), URL) for verb in METHODS[:7]
        ]


def test_send_of_the_class(world: World) -> None:
    answer = world.response_class(201)
    session = world.session(Site())
    request = session.client.build_request("GET", URL)
    with mock.patch.object(world.client_class, "send", autospec=True) as patched:
        patched.return_value = answer
        assert session.send(request) is answer
        patched.assert_called_once_with(session.client, request)
        with pytest.raises(TypeError, match="follow"):
            session.do(session.client.send(request, follow=True))


def test_a_client_that_is_all_mock(world: World) -> None:
    client: Any = mock.create_autospec(world.client_class)
    client.return_value.get.return_value = 3
    made = client(timeout=3)
    with pytest.raises(TypeError):
        client(tiemout=3)
    with pytest.raises(TypeError):
        made.get(URL, follow_redirects=True)
    with pytest.raises(TypeError):
        made.request("GET", URL, {})
    with pytest.raises(AttributeError):
        made.fetch(URL)
    assert isinstance(mock.create_autospec(world.client_class, instance=True), world.client_class)


def test_a_spec_of_an_instance(world: World) -> None:
    spec = mock.MagicMock(spec=world.session(Site()).client)
    assert isinstance(spec, world.client_class)
    with pytest.raises(AttributeError):
        spec.fetch(URL)


def test_functions() -> None:
    with mock.patch("http3.get", autospec=True) as patched:
        patched.return_value = http3.Response(201)
        assert http3.get(URL, params={"a": "1"}).status_code == 201
        with pytest.raises(TypeError):
            http3.get(URL, {"a": "1"})  # type: ignore[call-arg, arg-type]
