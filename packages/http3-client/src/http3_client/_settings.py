"""The defaults of a client: its attributes and constructor arguments, checked and converted.

`Settings` has the values. Both clients have attributes for them by `Setting`, a descriptor that converts what
is assigned (``client.timeout = 3``, ``client.headers = {...}``). The functions ``as_...`` convert; they raise
TypeError or ValueError that names the argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, TypeVar, overload

from http3_models import DEFAULT_LIMITS, URL, Cookies, Headers, InvalidURL, Limits, QueryParams, TimeoutConfig
from http3_models.engine import (
    SECRET_HEADERS,
    as_timeout,
    check_http_scheme,
    find_text_encoding,
    hide_arguments,
    short_repr,
    split_headers,
)

from ._arguments import wrong_attribute
from ._auth import as_auth

if TYPE_CHECKING:
    from http3_models import AuthTypes, CookieTypes, HeaderTypes, QueryParamTypes, TimeoutTypes, URLTypes

    from ._auth import ChosenAuth

Hook: TypeAlias = Callable[[Any], Any]
Hooks: TypeAlias = dict[str, list[Hook]]

Encoding: TypeAlias = str | Callable[[bytes], str] | None

Value = TypeVar("Value")
Assigned = TypeVar("Assigned")

HOOK_NAMES = ("request", "response")


class Settings:
    """The defaults of one client."""

    __slots__ = (
        "auth",
        "base_url",
        "cookies",
        "default_encoding",
        "headers",
        "hooks",
        "limits",
        "max_redirects",
        "params",
        "removed_headers",
        "secret_headers",
        "timeout",
    )

    auth: ChosenAuth
    base_url: URL | None
    cookies: Cookies
    default_encoding: Encoding
    headers: Headers
    hooks: Hooks
    limits: Limits
    max_redirects: int
    params: QueryParams
    removed_headers: frozenset[bytes]
    secret_headers: frozenset[str]
    timeout: TimeoutConfig

    def set_headers(self, headers: HeaderTypes | None) -> None:
        """Set ``headers`` and ``removed_headers``: the names with a value of None, which are not sent."""
        kept, self.removed_headers = split_headers(headers)
        self.headers = kept.copy() if kept is headers else kept


class Setting(Generic[Value, Assigned]):
    """An attribute of a client that is stored in its `Settings`, and converted when it is set."""

    def __init__(self, convert: Callable[[Assigned], Value], doc: str) -> None:
        self._convert = convert
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: Any, owner: type) -> Value: ...
    def __get__(self, client: Any, owner: type) -> Self | Value:
        if client is None:
            return self
        value: Value = getattr(client._engine.settings, self._name)
        return value

    @hide_arguments
    def __set__(self, client: Any, value: Assigned) -> None:
        setattr(client._engine.settings, self._name, self._convert(value))


def as_base_url(url: object) -> URL | None:
    """None and "" mean no base. Raises InvalidURL (also if relative), UnsupportedProtocol, TypeError."""
    if url is None or url == "":
        return None
    if not isinstance(url, str | URL):
        raise TypeError(f"base_url must be a str or URL, not {type(url).__name__}")
    try:
        base = URL(url)
    except InvalidURL as exc:
        raise InvalidURL(f"base_url: {exc}") from exc
    check_http_scheme(base)
    return base


def as_encoding(encoding: object) -> Encoding:
    """A name, a callable ``bytes -> name``, "auto", or None. Raises ValueError for an unknown name."""
    if encoding is None or callable(encoding):
        return encoding
    if isinstance(encoding, str):
        if encoding != "auto" and find_text_encoding(encoding) is None:
            raise ValueError(
                f"default_encoding must be the name of a text encoding, not {short_repr(encoding)}"
            )
        return encoding
    raise TypeError(f"default_encoding must be a str, a callable or None, not {type(encoding).__name__}")


def as_hooks(hooks: object) -> Hooks:
    """Lists for both names, so that ``client.hooks["response"].append(f)`` always works."""
    if hooks is None:
        return {name: [] for name in HOOK_NAMES}
    if not isinstance(hooks, Mapping):
        raise TypeError(f"hooks must be a dict of lists, not {type(hooks).__name__}")
    unknown = [name for name in hooks if name not in HOOK_NAMES]
    if unknown:
        raise ValueError(f"hooks has the key {short_repr(unknown[0])}; it may have 'request' and 'response'")
    return {name: _hook_list(name, hooks.get(name, ())) for name in HOOK_NAMES}


def _hook_list(name: str, functions: object) -> list[Hook]:
    if isinstance(functions, str | bytes) or callable(functions) or not isinstance(functions, Iterable):
        raise TypeError(f"hooks[{name!r}] must be a list of callables, not {type(functions).__name__}")
    found = list(functions)
    for function in found:
        if not callable(function):
            raise TypeError(f"hooks[{name!r}] must hold callables, not {type(function).__name__}")
    return found


def as_max_redirects(number: object) -> int:
    """An int, 0 or more."""
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"max_redirects must be an int, not {type(number).__name__}")
    if number < 0:
        raise ValueError(f"max_redirects must not be negative, but is {short_repr(number)}")
    return number


def as_secret_headers(names: object) -> frozenset[str]:
    """The default names and ``names``, in lower case."""
    if names is None or names == ():
        return SECRET_HEADERS
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise TypeError(f"secret_headers must be names of headers, not {type(names).__name__}")
    found = list(names)
    for name in found:
        if not isinstance(name, str):
            raise TypeError(f"secret_headers must hold str, not {type(name).__name__}")
    return SECRET_HEADERS.union(name.lower() for name in found)


def as_limits(limits: object) -> Limits:
    """A `Limits`; None means the defaults."""
    if limits is None:
        return DEFAULT_LIMITS
    if not isinstance(limits, Limits):
        raise TypeError(f"limits must be a Limits, not {type(limits).__name__}")
    return limits


def as_flag(name: str, value: object) -> bool:
    """True or False; no other value that is true or false."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {type(value).__name__}")
    return value


class HeadersSetting(Setting[Headers, "HeaderTypes | None"]):
    """``client.headers``: sets `Settings.removed_headers` too."""

    def __init__(self, doc: str) -> None:
        super().__init__(lambda headers: split_headers(headers)[0], doc)

    @hide_arguments
    def __set__(self, client: Any, value: HeaderTypes | None) -> None:
        client._engine.settings.set_headers(value)


class HasSettings:
    """The attributes of both clients.

    Methods can be replaced in an instance, as `unittest.mock.patch.object` does. A name that the client does
    not have can't be set, except by subclasses: ``client.verify = False`` would change nothing.
    """

    def __setattr__(self, name: str, value: object) -> None:
        kind = type(self)
        try:
            if name[:1] != "_" and HasSettings in kind.__bases__ and not hasattr(kind, name):
                raise wrong_attribute(self, name)
            super().__setattr__(name, value)
        finally:
            del value  # it may be a secret

    headers: HeadersSetting = HeadersSetting(
        "`Headers` of every request; those of a request replace them by name."
    )
    params: Setting[QueryParams, QueryParamTypes | None] = Setting(
        QueryParams, "`QueryParams` of every request; those of a request replace them by name."
    )
    cookies: Setting[Cookies, CookieTypes | None] = Setting(
        Cookies, "`Cookies`: those that servers set, and those that you set."
    )
    auth: Setting[ChosenAuth, AuthTypes | None] = Setting(
        as_auth, "The `Auth` of requests; None: that of the URL; False: none, not even that."
    )
    timeout: Setting[TimeoutConfig, TimeoutTypes | None] = Setting(
        as_timeout, "`TimeoutConfig`; None sets no limits."
    )
    base_url: Setting[URL | None, URLTypes | None] = Setting(
        as_base_url, "`URL` that relative URLs are joined to, or None."
    )
    default_encoding: Setting[Encoding, Encoding] = Setting(
        as_encoding,
        "Encoding of text without charset: a name, a callable ``bytes -> name``, ``auto``, or None.",
    )
    hooks: Setting[Hooks, Mapping[str, Iterable[Hook]] | None] = Setting(
        as_hooks,
        "Lists of callables under ``request`` and ``response``, called with each request and response.",
    )
