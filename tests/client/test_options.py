"""The options of a request: one signature, shown by every verb, equal to the TypedDict."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import http3_client
from http3_client import AsyncClient, AsyncRequestOptions, Client, RequestOptions

VERBS = ["get", "options", "head", "post", "put", "patch", "delete"]
PLACES = [(Client, RequestOptions), (AsyncClient, AsyncRequestOptions), (http3_client, RequestOptions)]


@pytest.mark.parametrize(("place", "options"), PLACES)
def test_the_typed_dict_and_the_signature_agree(place: Any, options: Any) -> None:
    parameters = inspect.signature(place.request).parameters
    keywords = [name for name, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]
    assert set(options.__annotations__) == set(keywords)
    assert not options.__required_keys__
    for name, annotation in options.__annotations__.items():
        assert annotation.__forward_arg__ == parameters[name].annotation


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("place", [Client, AsyncClient, http3_client])
def test_verbs_show_the_full_signature(place: Any, verb: str) -> None:
    full = inspect.signature(place.request)
    shown = inspect.signature(getattr(place, verb))
    assert list(shown.parameters) == [name for name in full.parameters if name != "method"]
    assert shown.return_annotation == full.return_annotation
    for name, parameter in shown.parameters.items():
        wanted = full.parameters[name]
        assert (parameter.kind, parameter.annotation) == (wanted.kind, wanted.annotation)
        default = False if (verb, name) == ("head", "allow_redirects") else wanted.default
        assert parameter.default is default


def test_bound_verbs_show_no_self() -> None:
    from http3_models import MockDispatcher

    with Client(dispatch=MockDispatcher(print)) as client:
        assert next(iter(inspect.signature(client.get).parameters)) == "url"
        assert "timeout" in str(inspect.signature(client.get))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("place", [Client, AsyncClient, http3_client])
def test_verbs_stay_what_they_are(place: Any, verb: str) -> None:
    function = getattr(place, verb)
    assert inspect.iscoroutinefunction(function) is (place is AsyncClient)
    assert verb.upper() in function.__doc__
    assert f"def {verb}(" in inspect.getsource(function)


def test_both_clients_are_made_alike() -> None:
    sync = inspect.signature(Client.__init__).parameters
    other = inspect.signature(AsyncClient.__init__).parameters
    assert [name for name in sync if name != "runner"] == list(other)
    documented = "self auth cookies verify cert timeout pool_limits max_redirects base_url dispatch app"
    positional = [name for name, parameter in sync.items() if parameter.kind is not parameter.KEYWORD_ONLY]
    assert positional == [*documented.split(), "raise_app_exceptions", "backend"]


@pytest.mark.parametrize("name", ["send", "build_request", "close", "request"])
def test_both_clients_have_the_same_methods(name: str) -> None:
    sync = inspect.signature(getattr(Client, name)).parameters
    other = inspect.signature(getattr(AsyncClient, name)).parameters
    assert list(sync) == list(other)
    assert [parameter.default for parameter in sync.values()] == [
        parameter.default for parameter in other.values()
    ]
