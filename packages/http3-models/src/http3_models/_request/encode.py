"""From what a caller passes as ``data``, ``files`` and ``json`` to the body that a transport reads.

given                              body              length    can be sent again
nothing                            EmptyBody         0         yes
str, bytes, form, JSON, list       BytesBody         known     yes
binary file, seekable              FileBody          known     yes, from its position when it was passed
binary file, such as a pipe        FileBody          unknown   no
iterator                           IteratorBody      unknown   no
asynchronous iterator              AsyncIteratorBody unknown   no
files                              MultipartBody     known and sent again if those of all parts are
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from .._body_protocols import BinaryFile
from .._redaction import forget_text
from .._url import MAPPINGS, QueryParams, encode_pairs, utf8
from .bodies import EMPTY_BODY, AsyncIteratorBody, BytesBody, FileBody, IteratorBody, as_bytes
from .forms import expand_values, form_pairs

if TYPE_CHECKING:
    from .._body_protocols import RequestBody

FORM_TYPE = "application/x-www-form-urlencoded"


def encode_request(
    *,
    data: object = None,
    files: object = None,
    json: object = None,
    asynchronous: bool = False,
    given_type: str | None = None,
) -> tuple[RequestBody, str | None]:
    """The body for these arguments, and the Content-Type that goes with it, None for none.

    ``data``: a mapping or a list of pairs (a form), str (UTF-8), bytes, bytearray, memoryview, a list of
    bytes, a binary file, an iterable of bytes; with ``asynchronous`` also an asynchronous one. str and bytes
    get no Content-Type, as in requests: only the caller knows which it is. ``files``: see `multipart`.
    Empty mappings and lists count as not given. ``given_type``: the Content-Type that the caller wrote.

    Raises TypeError, naming the argument, for what does not fit, ValueError for NaN in JSON and for a lone
    surrogate, and LocalProtocolError for what a part's header must not contain.
    """
    if json is not None:
        for name, other in (("data", data), ("files", files)):
            if other is not None and _is_given(other):
                raise TypeError(f"json can't be combined with {name}")
        return BytesBody(_encode_json(json)), "application/json"
    if files:
        from .multipart import encode_multipart

        fields = data if _is_given(data) else {}
        if not isinstance(fields, Mapping):
            raise TypeError(f"data must be a dict where files are given, not {type(fields).__name__}")
        return encode_multipart(fields, files, given_type)
    if data is None:
        return EMPTY_BODY, None
    return _encode_data(data, asynchronous)


def _is_given(value: object) -> bool:
    """False for None, and for a mapping, list or tuple that is empty."""
    return value is not None and (bool(value) or not isinstance(value, (*MAPPINGS, list, tuple)))


def _encode_data(data: object, asynchronous: bool) -> tuple[RequestBody, str | None]:
    if isinstance(data, str):
        return BytesBody(utf8(data, "data")), None
    if isinstance(data, (bytes, bytearray, memoryview)):
        return BytesBody(bytes(data)), None
    if isinstance(data, MAPPINGS):
        if isinstance(data, QueryParams):
            return _form_body(str(data))  # with its own escapes
        return _encode_form(form_pairs(data))
    if isinstance(data, list | tuple):
        return _encode_list(data)
    if isinstance(data, AsyncIterable) and (asynchronous or not isinstance(data, Iterable)):
        if not asynchronous:  # before files: asynchronous ones have a read(), too
            raise TypeError(
                f"data: {type(data).__name__} is an asynchronous iterable, which only AsyncClient can send"
            )
        return AsyncIteratorBody(data), None
    if callable(getattr(data, "read", None)):
        return FileBody(cast(BinaryFile, data)), None
    if isinstance(data, Iterable):
        return IteratorBody(data), None
    raise TypeError(
        f"data must be a dict, str, bytes, a binary file or an iterable of bytes, not {type(data).__name__}"
    )


def _encode_list(items: list[Any] | tuple[Any, ...]) -> tuple[RequestBody, str | None]:
    """A list of pairs is a form, as in requests; one of bytes is a body of known length."""
    if all(isinstance(item, tuple) for item in items):
        return _encode_form(expand_values(items))
    return BytesBody(b"".join([as_bytes(item, "data: an item of a list") for item in items])), None


def _encode_form(pairs: list[tuple[str, str | bytes]]) -> tuple[RequestBody, str | None]:
    return _form_body(encode_pairs(pairs, "data"))


def _form_body(form: str) -> tuple[RequestBody, str | None]:
    return (BytesBody(form.encode()), FORM_TYPE) if form else (EMPTY_BODY, None)


def _encode_json(value: object) -> bytes:
    try:
        return _json_encoder()(value).encode()
    except UnicodeEncodeError as exc:
        forget_text(exc)
        raise ValueError(f"json: it can't be encoded as UTF-8: {exc.reason}") from exc
    except RecursionError as exc:
        raise ValueError("json: it is nested too deeply") from exc
    except ValueError as exc:
        raise ValueError(f"json: {exc}") from exc
    except TypeError as exc:
        raise TypeError(f"json: {exc}") from exc


@cache
def _json_encoder() -> Callable[[object], str]:
    from json import JSONEncoder

    return JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
