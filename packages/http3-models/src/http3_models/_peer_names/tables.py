"""For each class: a name that another library has, and what to write here."""

from __future__ import annotations

_HEADER = 'write headers["{}"]'
_RESPONSE = {
    **dict.fromkeys(("status", "code", "status_int", "getcode"), "write status_code"),
    **dict.fromkeys(("http_version", "version"), 'write protocol: "HTTP/1.1" or "HTTP/2"'),
    **dict.fromkeys(("real_url", "geturl"), "write url"),
    **dict.fromkeys(("data", "body"), "write content"),
    **dict.fromkeys(("getheader", "getheaders", "info", "msg"), "write headers, which is a mapping"),
    "reason": "write reason_phrase",
    "method": "write request.method",
    "host": "write url.host",
    "request_info": "write request",
    "is_permanent_redirect": "write is_redirect and status_code in (301, 308)",
    "is_informational": "write status_code < 200",
    "has_redirect_location": "write is_redirect",
    "charset": "write charset_encoding, or encoding, which is never None",
    "get_encoding": "write encoding",
    "content_type": _HEADER.format("Content-Type"),
    "content_length": _HEADER.format("Content-Length"),
    "raw_headers": "write headers.raw",
    "closed": "write is_closed",
    "extensions": "there are attributes: timings, connection, trailers",
}
_STREAM = "stream(chunk_size), which decodes, or raw(chunk_size), which does not"
_READING = dict.fromkeys(("iter_bytes", "aiter_bytes", "iter_content", "iter_chunked"), _STREAM) | {
    **dict.fromkeys(("iter_raw", "aiter_raw"), "raw(chunk_size)"),
    "aiter_text": "iter_text()",
    "aiter_lines": "iter_lines()",
}
RESPONSE_NAMES: dict[str, str] = {
    **_RESPONSE,
    **{name: f"write {method}" for name, method in _READING.items()},
    "aread": "write read(); AsyncResponse is awaited",
    "aclose": "write close(); AsyncResponse is awaited",
    "release": "write close()",
    "next_request": "write next(), which sends it; next is None where nothing follows",
}
"""Of `Response`."""

ASYNC_RESPONSE_NAMES: dict[str, str] = {
    **RESPONSE_NAMES,
    **{name: f"write async for ... in response.{method}" for name, method in _READING.items()},
    "aread": "write await response.read()",
    "aclose": "write await response.close()",
    "release": "write await response.close()",
    "next_request": "write await response.next(), which sends it; next is None where nothing follows",
}
"""Of `AsyncResponse`."""

_ALL_VALUES = "write getlist(name)"
_ADD_FIELD = "write add(name, value), or headers[name] = value to replace others of the name"

HEADERS_NAMES: dict[str, str] = {
    **dict.fromkeys(("get_list", "getall", "get_all"), _ALL_VALUES),
    **dict.fromkeys(("append", "add_header", "extend"), _ADD_FIELD),
    "multi_items": "write raw for pairs of bytes, or getlist(name) for the values of one name",
    "set": "write headers[name] = value",
    "getone": "write getlist(name)[0]",
    "has_key": "write name in headers",
}
"""Of `Headers`."""

_IMMUTABLE = "QueryParams are immutable; write merge({name: value}), which returns others"

QUERY_NAMES: dict[str, str] = {
    **dict.fromkeys(("get_list", "getall", "get_all"), _ALL_VALUES),
    **dict.fromkeys(("set", "update", "extend", "setdefault"), _IMMUTABLE),
    **dict.fromkeys(("remove", "pop", "popitem", "clear"), _IMMUTABLE.replace("value}", "None}")),
    **dict.fromkeys(
        ("add", "append"),
        "QueryParams are immutable; write QueryParams([*params.multi_items(), (name, value)])",
    ),
    "getone": "write params[name]",
}
"""Of `QueryParams`."""
