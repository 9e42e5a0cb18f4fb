"""``URL.copy_with``: one function for each part, in a table.

The order of the table matters where several parts are given: a whole comes before its pieces (``authority``
before ``host``, ``userinfo`` before ``password``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .._exceptions import InvalidURL
from .host import normalise_host
from .parse import (
    DEFAULT_PORTS,
    Parts,
    check_port,
    check_scheme,
    encode_path,
    encode_query,
    encode_userinfo,
    normalise,
    parse_authority,
    redacted_text,
    unsplit,
)
from .percent import encode_component


def with_parts(parts: Parts, full_path: str, changes: Mapping[str, object]) -> tuple[Parts, str | None]:
    """The parts after all changes, and ``*`` where that is the request target.

    Raises InvalidURL, or TypeError for an unknown name or a wrong type.
    """
    if unknown := [name for name in changes if name not in _SETTERS]:
        raise TypeError(f"copy_with() has no part {unknown[0]!r}; it has {', '.join(_SETTERS)}")
    before = parts
    try:
        for name, setter in _SETTERS.items():
            if name in changes:
                parts = setter(parts, _text(name, changes[name]))
        parts = _whole(normalise(parts))
    except ValueError as exc:
        raise InvalidURL(f"Can't change {redacted_text(unsplit(before))}: {exc}") from exc
    replaced = not changes.keys().isdisjoint({"full_path", "path", "query"})
    target = changes.get("full_path") if replaced else full_path
    return parts, "*" if target == "*" else None


def _text(name: str, value: object) -> str:
    """A value as text; None as ""."""
    wanted = int if name == "port" else str
    if value is None:
        return ""
    if isinstance(value, wanted) and not isinstance(value, bool):
        return str.__str__(value) if isinstance(value, str) else str(int(value))
    raise TypeError(f"{name} must be {wanted.__name__} or None, not {type(value).__name__}")


def _whole(parts: Parts) -> Parts:
    """Refuse parts that need a host without one; remove an empty userinfo, as parsing does."""
    if parts.userinfo == ":":
        parts = parts._replace(userinfo="")
    if not parts.host and (parts.userinfo or parts.port is not None or parts.scheme in DEFAULT_PORTS):
        raise ValueError("there is no host")
    return parts


def _with_scheme(parts: Parts, value: str) -> Parts:
    return parts._replace(scheme=check_scheme(value) if value else "")


def _with_authority(parts: Parts, value: str) -> Parts:
    if not value:
        return parts._replace(userinfo="", host=None, port=None)
    userinfo, host, port = parse_authority(value, parts.scheme)
    return parts._replace(userinfo=userinfo, host=host, port=port)


def _with_userinfo(parts: Parts, value: str) -> Parts:
    return parts._replace(userinfo=encode_userinfo(value))


def _with_username(parts: Parts, value: str) -> Parts:
    _, colon, password = parts.userinfo.partition(":")
    return parts._replace(userinfo=encode_component(value) + colon + password)


def _with_password(parts: Parts, value: str) -> Parts:
    username = parts.userinfo.partition(":")[0]
    return parts._replace(userinfo=f"{username}:{encode_component(value)}" if value else username)


def _with_host(parts: Parts, value: str) -> Parts:
    if ":" in value and not value.startswith("["):
        value = f"[{value}]"
    return parts._replace(host=normalise_host(value) if value else None)


def _with_port(parts: Parts, value: str) -> Parts:
    return parts._replace(port=check_port(int(value)) if value else None)


def _with_full_path(parts: Parts, value: str) -> Parts:
    if value == "*":
        return parts._replace(path="", query=None)
    path, _, query = value.partition("?")
    return _with_query(_with_path(parts, path), query)


def _with_path(parts: Parts, value: str) -> Parts:
    return parts._replace(path=encode_path(value))


def _with_query(parts: Parts, value: str) -> Parts:
    return parts._replace(query=encode_query(value) if value else None)


def _with_fragment(parts: Parts, value: str) -> Parts:
    return parts._replace(fragment=encode_query(value) if value else None)


_SETTERS: dict[str, Callable[[Parts, str], Parts]] = {
    "scheme": _with_scheme,
    "authority": _with_authority,
    "userinfo": _with_userinfo,
    "username": _with_username,
    "password": _with_password,
    "host": _with_host,
    "port": _with_port,
    "full_path": _with_full_path,
    "path": _with_path,
    "query": _with_query,
    "fragment": _with_fragment,
}
