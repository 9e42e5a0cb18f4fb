"""What a wrong argument should have been: the TypeError names the called function, and what to write.

The functions of the public API take surplus arguments as ``*surplus`` and ``**unknown``, which cost nothing
where there are none, and pass them to `wrong_arguments`. Type checkers and `inspect` do not see the two
(`signatures.shown_as`). The tables hold the names that requests, httpx and aiohttp have for what is called
something else here.
"""

from __future__ import annotations

import sys
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from http3_models.engine import short_text

from .options import RequestOptions, SendOptions, StreamOptions
from .signatures import argument_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

P = ParamSpec("P")
T = TypeVar("T")

_PROXY = "write proxy=: a URL, a Proxy(url, auth=..., headers=...), a dict of patterns, or False"
_VERIFY = "write verify=: True, False, a CA file or folder, or an ssl.SSLContext"
_POOL_LIMITS = "write pool_limits=http3.PoolLimits(...) in the client"
_LIMITS = "write limits=http3.Limits(...) in the client"
_TIMEOUT = "write timeout=http3.TimeoutConfig({})"
_DATA = "write data="
_VERSIONS = 'write http_versions= in the client: ("HTTP/1.1",), ("HTTP/2",), or both'
_CERT = "write cert=: a path, (certificate, key) or (certificate, key, password)"
_MIDDLEWARE = "middleware is not supported yet; auth=, hooks= and dispatch= of a client can change requests"
_NETWORK = "write network= in the client: NetworkConfig(resolver=, uds=, local_address=, ...)"
_RETRIES = "retries are not supported yet; a request is sent once more where its connection broke (replay=)"
_FIXED = "the classes of requests and responses can't be replaced"
_COOKIES = "write cookies=: a dict, http3.Cookies or a CookieJar"
_JSON = 'encode it yourself: data=..., headers={"Content-Type": "application/json"}'
_TRACE = "use hooks= of a client, response.timings, or the logger http3"
_ALLOW = "write allow_redirects="
_DISPATCH = "write dispatch= in the client: what sends the requests"

HINTS: dict[str, str] = {
    **dict.fromkeys(("proxies", "proxy_auth", "proxy_headers"), _PROXY),
    **dict.fromkeys(("verify_ssl", "ssl_verify", "ssl", "ssl_context", "sslcontext"), _VERIFY),
    **dict.fromkeys(("cafile", "capath", "ca_certs", "ca_file", "ca_bundle"), 'write verify="ca.pem"'),
    **dict.fromkeys(("certfile", "cert_file", "keyfile", "key_file", "client_cert"), _CERT),
    **dict.fromkeys(("max_connections", "max_keepalive_connections", "pool_connections"), _POOL_LIMITS),
    **dict.fromkeys(("keepalive_expiry", "pool_maxsize", "soft_limit", "hard_limit"), _POOL_LIMITS),
    **dict.fromkeys(("read_bufsize", "max_line_size", "max_field_size", "max_headers"), _LIMITS),
    **dict.fromkeys(("content", "body", "payload"), _DATA),
    **dict.fromkeys(("http1", "http2", "version", "http_version"), _VERSIONS),
    **dict.fromkeys(("middleware", "middlewares"), _MIDDLEWARE),
    **dict.fromkeys(("retries", "retry", "max_retries"), _RETRIES),
    **dict.fromkeys(("request_class", "response_class", "ws_response_class"), _FIXED),
    **dict.fromkeys(("cookie_jar", "cookiejar", "jar"), _COOKIES),
    **dict.fromkeys(("json_serialize", "json_serialize_bytes", "json_encoder"), _JSON),
    **dict.fromkeys(("trace_configs", "trace_request_ctx", "trace"), _TRACE),
    **dict.fromkeys(("follow_redirects", "redirect", "redirects", "follow"), _ALLOW),
    **dict.fromkeys(("query", "query_params", "querystring"), "write params="),
    **dict.fromkeys(("transport", "mounts", "adapters", "dispatcher"), _DISPATCH),
    **dict.fromkeys(("header", "base_headers", "default_headers", "extra_headers"), "write headers="),
    **dict.fromkeys(("user_agent", "useragent"), 'write headers={"User-Agent": ...}'),
    **dict.fromkeys(("token", "bearer"), "write auth=http3.BearerAuth(token)"),
    **dict.fromkeys(("username", "user", "password"), "write auth=(user, password)"),
    **dict.fromkeys(("preload_content", "streaming"), "write stream=True to read the body on demand"),
    "event_hooks": 'write hooks= in the client: {"request": [...], "response": [...]}',
    "connect_timeout": _TIMEOUT.format("connect_timeout=..."),
    "conn_timeout": _TIMEOUT.format("connect_timeout=..."),
    "read_timeout": _TIMEOUT.format("read_timeout=..."),
    "write_timeout": _TIMEOUT.format("write_timeout=..."),
    "pool_timeout": _TIMEOUT.format("pool_timeout=..."),
    "total_timeout": _TIMEOUT.format("total_timeout=..."),
    "ssl_shutdown_timeout": "leave it out: closing does not wait",
    "connector": "write pool_limits=, network=, proxy=, verify= or cert= in the client",
    "connector_owner": "leave it out: a client owns its connections; share the client instead",
    "loop": "leave it out: the running event loop is used",
    **dict.fromkeys(
        ("uds", "local_address", "socket_options", "resolver", "family", "ttl_dns_cache"), _NETWORK
    ),
    "fingerprint": "fingerprints of certificates are not checked; write verify= with a CA file",
    "server_hostname": "it is the host of the URL; a backend= of your own can connect elsewhere",
    "skip_auto_headers": "write headers={name: None}, which removes a default header",
    "raise_for_status": "call raise_for_status() of the response, or do so in a hook of the client (hooks=)",
    "auto_decompress": "read the body by raw() of the response, which does not decode it",
    "requote_redirect_url": "leave it out: the URL of a redirect is sent as the server wrote it",
    "fallback_charset_resolver": "write default_encoding= in the client: a callable from bytes to a name",
    "charset": "write default_encoding= in the client, or set encoding of the response",
    "extensions": "requests have no extensions; what there is has an argument of its own",
    "compress": 'compress it yourself: data=..., headers={"Content-Encoding": "gzip"}',
    "chunked": "leave it out: an iterator as data= is sent in chunks",
    "expect100": 'write headers={"Expect": "100-continue"}',
    "read_until_eof": "leave it out: a body without a length is read until the connection ends",
    "upload_tracker": "pass a file as data= whose read() counts",
    "fields": "write data= for a form, params= for the query",
    "http3": "HTTP/3 is not supported yet; http_versions= of a client has HTTP/1.1 and HTTP/2",
}
"""What to write for a name that http3 does not have, in a request or in a client."""

CLIENT_HINTS: dict[str, str] = {
    "follow_redirects": "redirects are followed by default; write allow_redirects= in a request",
    **dict.fromkeys(
        ("content", "body", "payload"), "a body belongs to a request: client.post(url, data=...)"
    ),
    "data": "a body belongs to a request: client.post(url, data=...)",
    "runner": "only a Client has one; an AsyncClient runs in the event loop of its caller",
}
"""The same where a client differs."""

REQUEST_OPTIONS = frozenset(RequestOptions.__annotations__)
STREAM_OPTIONS = frozenset(StreamOptions.__annotations__)
CLIENT_OPTIONS = frozenset(
    {
        "max_redirects", "pool_limits", "base_url", "dispatch", "app", "raise_app_exceptions", "backend",
        "http_versions", "trust_env", "default_encoding", "hooks", "replay", "secret_headers", "runner",
        "limits", "egress", "network",
    }
)  # fmt: skip
"""What a client has and a request has not."""

_WITH_BODY = frozenset({"post", "put", "patch"})


def wrong_arguments(
    surplus: tuple[object, ...], unknown: Iterable[str], takes: frozenset[str] | None = None
) -> TypeError:
    """The TypeError for arguments that the calling function does not have; to be raised there.

    ``surplus`` are those by position, ``unknown`` the names of the others. ``takes``: the names that the
    function has; None: those of its code.
    """
    frame = sys._getframe(1)
    names = frozenset(argument_names(frame.f_code)) - {"self"} if takes is None else takes
    called = _called(frame)
    hints = [_hint(name, names, called) for name in unknown]
    if surplus:
        hints.append(_of_position(called))
    return TypeError(f"{called}() {'; it '.join(hints)}")


def hints_of_constructor(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate ``__init__`` of a client: an unknown name is refused with a hint."""

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except TypeError as exc:
            traceback = exc.__traceback__
            is_of_this_call = traceback is None or traceback.tb_next is None
            names, called = frozenset(argument_names(function.__code__)), type(args[0]).__name__
            hints = [_hint(name, names, called, in_client=True) for name in kwargs if name not in names]
            if not (hints and is_of_this_call):
                raise
        finally:
            del args, kwargs
        raise TypeError(f"{called}() {'; it '.join(hints)}")

    return guarded


def wrong_attribute(client: object, name: str) -> AttributeError:
    """The AttributeError for an attribute that a client has not, and that is about to be set."""
    called = type(client).__name__
    if name in CLIENT_OPTIONS or name in REQUEST_OPTIONS - {"stream", "allow_redirects"}:
        return AttributeError(f"{called} has no attribute {name!r} to be set; write {called}({name}=...)")
    hint = CLIENT_HINTS.get(name) or HINTS.get(name)
    text = f"{called} has no attribute '{short_text(name)}' to be set"
    return AttributeError(f"{text}: {hint}" if hint else text)


def _called(frame: FrameType) -> str:
    """The public function that the caller called, such as ``Client.get``: ``get`` calls ``request``."""
    package = __name__.partition(".")[0]
    while frame.f_back is not None and frame.f_back.f_globals.get("__name__", "").startswith(f"{package}."):
        frame = frame.f_back
    name = frame.f_code.co_qualname
    return name if "." in name else f"http3.{name}"


def _of_position(called: str) -> str:
    _, _, method = called.rpartition(".")
    if method == "send":
        return "takes one argument by position, the request, and all others by name"
    first = "the URL" if method not in ("request", "stream", "build_request") else "the method and the URL"
    names = "data= (or json=)" if method in _WITH_BODY else "params= (or data=)"
    return f"takes {first} by position, and all else by name: write {names}"


def _hint(name: str, names: frozenset[str], called: str, *, in_client: bool = False) -> str:
    """``has no argument 'content': write data=``."""
    hint = CLIENT_HINTS.get(name, "") if in_client else ""
    hint = hint or _other_place(name, called, in_client=in_client) or HINTS.get(name) or _guess(name, names)
    return f"has no argument '{short_text(name)}': {hint}"


def _other_place(name: str, called: str, *, in_client: bool) -> str:
    """A hint if the name is an argument of a client, or of a request, and not of what was called."""
    if in_client:
        return f"write {name}= in a request: client.get(url, {name}=...)" if name in REQUEST_OPTIONS else ""
    where, _, function = called.rpartition(".")
    if name in REQUEST_OPTIONS:
        if function == "stream":
            return "leave it out: the response of stream() is always streamed"
        place = "send" if name in SendOptions.__annotations__ else "build_request"
        return f"write {name}= in {place}() or request()"
    if name in CLIENT_OPTIONS:
        return f"write {name}= in the client: {'http3.Client' if where == 'http3' else where}({name}=...)"
    return ""


def _guess(name: str, names: frozenset[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name.lower(), names, n=1)
    if close:
        return f"did you mean {close[0]}=?"
    return f"there are {', '.join(f'{known}=' for known in sorted(names))}"
