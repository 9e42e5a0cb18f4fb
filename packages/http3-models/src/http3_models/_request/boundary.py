"""The boundary of a multipart body: a random one, or the one in a Content-Type that the caller wrote."""

from __future__ import annotations

import os
import re

from .._brief import short_repr
from .._exceptions import LocalProtocolError
from .._grammar import split_unquoted

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
"""RFC 2046 section 5.1.1."""

_ESCAPED = re.compile(r"\\(.)")


def choose_boundary(given_type: str | None) -> tuple[str, str]:
    """The boundary, and the Content-Type that names it.

    ``given_type`` is the Content-Type that the caller wrote, or None. It is used unchanged if it names a
    boundary or is no multipart type; else a boundary is added. Raises LocalProtocolError for a boundary that
    RFC 2046 does not allow.
    """
    given = None if given_type is None else _boundary_of(given_type)
    if given is None:
        boundary = os.urandom(16).hex()
        return boundary, _named(boundary, given_type)
    assert given_type is not None
    if not _BOUNDARY.fullmatch(given):
        raise LocalProtocolError(
            f"The boundary in the Content-Type header, {short_repr(given)}, is not 1 to 70 letters, digits, "
            "'()+_,-./:=? and blanks, of which none is the last (RFC 2046 section 5.1.1)"
        )
    return given, given_type


def _named(boundary: str, given_type: str | None) -> str:
    if given_type is None:
        return f"multipart/form-data; boundary={boundary}"
    if not given_type.lstrip().lower().startswith("multipart/"):
        return given_type
    return f"{given_type.rstrip(' ;')}; boundary={boundary}"


def _boundary_of(content_type: str) -> str | None:
    """The value of the parameter; None without one."""
    for parameter in split_unquoted(content_type)[1:]:
        name, equals, value = parameter.partition("=")
        if equals and name.strip().lower() == "boundary":
            value = value.strip()
            is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
            return _ESCAPED.sub(r"\1", value[1:-1]) if is_quoted else value
    return None


def check_content(content: bytes, boundary: str) -> None:
    """Raise LocalProtocolError if a part's content contains the boundary, and would end there."""
    delimiter = b"--" + boundary.encode()
    if content.startswith(delimiter) or b"\r\n" + delimiter in content:
        raise LocalProtocolError(
            f"The boundary in the Content-Type header, {short_repr(boundary)}, is in a part's content as well"
        )
