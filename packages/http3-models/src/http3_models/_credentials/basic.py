"""The value of an Authorization header for Basic authentication (RFC 7617)."""

from __future__ import annotations

from .._redaction import forget_text


def basic_credentials(username: str | bytes, password: str | bytes) -> str:
    """The value of an Authorization header (RFC 7617)."""
    user, secret = as_utf8("username", username), as_utf8("password", password)
    if b":" in user:
        raise ValueError("username must not contain a colon: Basic authentication does not allow it")
    from base64 import b64encode

    return "Basic " + b64encode(user + b":" + secret).decode("ascii")


def as_utf8(name: str, value: str | bytes) -> bytes:
    """The bytes of a user name or password. Raises TypeError, and ValueError for a lone surrogate."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError as exc:
            forget_text(exc)
            raise ValueError(f"{name} can't be encoded as UTF-8: it has a lone surrogate") from exc
    raise TypeError(f"{name} must be a str or bytes, not {type(value).__name__}")
