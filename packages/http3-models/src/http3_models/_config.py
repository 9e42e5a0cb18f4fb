"""Configuration: immutable values, checked once when they are made.

In a value of this module every number was checked, every path is a str, and nothing changes later. So it can
be shared by clients, threads and processes, be a key (the pool keys connections by `SSLConfig`), and be
compared, pickled and copied. The repr of a value is Python code that makes it, but hides passwords.

No value opens a file or makes an SSL context before it is needed; `ssl` and `certifi` (35 ms together) are
loaded only then.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final, TypeAlias, Union

from ._brief import short_repr
from ._redaction import hide_arguments
from ._values import (
    UNSET,
    ImmutableValue,
    SecretText,
    Unset,
    check_count,
    check_count_or_none,
    check_ratio,
    check_seconds,
    set_fields,
)

if TYPE_CHECKING:
    import ssl

USER_AGENT: Final = "python-http3/0.7.0"
"""The default User-Agent header."""

DEFAULT_MAX_REDIRECTS: Final = 20
"""Redirects followed in one chain; browsers use 20 as well."""

if TYPE_CHECKING:
    DEFAULT_CA_BUNDLE_PATH: str


def __getattr__(name: str) -> str:
    """``DEFAULT_CA_BUNDLE_PATH``: certifi's bundle, looked up when it is used (certifi takes 19 ms to
    load)."""
    if name == "DEFAULT_CA_BUNDLE_PATH":
        from ._ssl import default_ca_bundle

        return default_ca_bundle()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# The aliases are real unions at run time. `ssl.SSLContext` stands in them as a forward reference, so that
# type checkers see the class and ssl is not imported.
PathTypes: TypeAlias = str | os.PathLike[str]

CertTypes: TypeAlias = PathTypes | tuple[PathTypes, PathTypes] | tuple[PathTypes, PathTypes, str]
"""A PEM file with certificate and key, or (certificate, key), or (certificate, key, password)."""

VerifyTypes: TypeAlias = Union[bool, str, os.PathLike[str], "ssl.SSLContext"]
"""True: certifi's authorities; False: no verification; "system": those of the operating system; a CA file or
folder; or a context of your own."""

Cert: TypeAlias = str | tuple[str, str] | tuple[str, str, str]
"""`CertTypes` once checked."""


class TimeoutConfig(ImmutableValue):
    """How long each phase of a request may take, in seconds; None means no limit.

    ``timeout`` is the default of limits that are not given: a number for all, a tuple (connect, read) as in
    requests, a tuple (connect, read, write), another `TimeoutConfig`, or None for no limit. Without it they
    are 5 s, and ``total_timeout`` is None.

    - ``connect_timeout``: name lookup, all addresses, TLS and ALPN together.
    - ``read_timeout``: no byte of this response arrived.
    - ``write_timeout``: no byte of the request was accepted.
    - ``pool_timeout``: waiting for a connection of the pool. Where it is not given, that of `PoolLimits`
      applies; without that ``timeout``, if it is a number or None; without that 5 s.
    - ``total_timeout``: the whole call to the end of the body, with redirects, auth rounds, replays and the
      caller's own pauses.

    Raises ValueError for 0, negative, NaN, infinite and bool values, TypeError for other types.
    """

    _fields = ("connect_timeout", "read_timeout", "write_timeout", "pool_timeout", "total_timeout")
    __slots__ = (*_fields, "_names_pool")

    connect_timeout: float | None
    read_timeout: float | None
    write_timeout: float | None
    pool_timeout: float | None
    total_timeout: float | None
    _names_pool: bool  # then ``pool_timeout`` precedes that of `PoolLimits`

    def __init__(
        self,
        timeout: TimeoutTypes | Unset | None = UNSET,
        *,
        connect_timeout: float | Unset | None = UNSET,
        read_timeout: float | Unset | None = UNSET,
        write_timeout: float | Unset | None = UNSET,
        pool_timeout: float | Unset | None = UNSET,
        total_timeout: float | Unset | None = UNSET,
    ) -> None:
        given = (connect_timeout, read_timeout, write_timeout, pool_timeout, total_timeout)
        defaults = _timeout_defaults(timeout)
        for name, value, default in zip(self._fields, given, defaults, strict=True):
            object.__setattr__(self, name, default if value is UNSET else check_seconds(name, value))
        names_pool = pool_timeout is not UNSET or (isinstance(timeout, TimeoutConfig) and timeout._names_pool)
        object.__setattr__(self, "_names_pool", names_pool)

    def _values(self) -> tuple[Any, ...]:
        return (*super()._values(), self._names_pool)

    def _arguments(self) -> dict[str, Any]:
        connect, read, write, pool, total, names_pool = self._values()
        # All other limits are given, so ``timeout`` applies to the pool's alone.
        last = {"pool_timeout": pool} if names_pool else {}
        return {
            "timeout": pool,
            "connect_timeout": connect,
            "read_timeout": read,
            "write_timeout": write,
            "total_timeout": total,
            **last,
        }

    def __repr__(self) -> str:
        if not self._is_made:
            return super().__repr__()
        arguments = self._arguments()
        connect, pool = self.connect_timeout, arguments.pop("timeout")
        shown = []
        if connect == self.read_timeout == self.write_timeout and (self._names_pool or connect == pool):
            shown = [repr(connect)]
            del arguments["connect_timeout"], arguments["read_timeout"], arguments["write_timeout"]
            if self.total_timeout is None:
                del arguments["total_timeout"]
        elif not self._names_pool and pool != _DEFAULT_TIMEOUT:
            shown = [repr(pool)]
        shown += [f"{name}={value!r}" for name, value in arguments.items()]
        return f"TimeoutConfig({', '.join(shown)})"


TimeoutTypes: TypeAlias = (
    float
    | tuple[float | None, float | None]
    | tuple[float | None, float | None, float | None]
    | TimeoutConfig
)
"""Seconds for everything, seconds for (connect, read) or (connect, read, write), or a `TimeoutConfig`."""

_DEFAULT_TIMEOUT: Final = 5.0
"""The default limit of each phase, in seconds."""


def _timeout_defaults(timeout: object) -> tuple[float | None, ...]:
    """(connect, read, write, pool, total) of the argument ``timeout``."""
    if isinstance(timeout, TimeoutConfig):
        return timeout._values()[:5]
    if timeout is UNSET:
        return (*[_DEFAULT_TIMEOUT] * 4, None)
    if isinstance(timeout, tuple):
        if len(timeout) not in (2, 3):
            raise ValueError(
                f"timeout as a tuple is (connect, read) or (connect, read, write), not {short_repr(timeout)}"
            )
        named = [check_seconds("timeout", limit) for limit in timeout]
        return (*named, *[_DEFAULT_TIMEOUT] * (4 - len(named)), None)
    try:
        every = check_seconds("timeout", timeout)
    except TypeError as exc:
        raise TypeError(
            "timeout must be a number of seconds, (connect, read), (connect, read, write), a TimeoutConfig "
            f"or None, not {type(timeout).__name__}"
        ) from exc
    return (every, every, every, every, None)


class PoolLimits(ImmutableValue):
    """How many connections a pool opens and keeps; None means no limit.

    Per host (origin, whatever the TLS settings):

    - ``soft_limit`` (10): connections kept when idle; 0 keeps none.
    - ``hard_limit`` (100): connections at the same time.
    - ``pool_timeout`` (5 s): seconds a request waits for a connection, then PoolTimeout. Where it is not
      given, the request's `TimeoutConfig` applies; one with a ``pool_timeout`` of its own always applies.
    - ``keepalive_expiry`` (30 s): seconds an idle connection is kept.

    Over all hosts:

    - ``total_idle`` (100): idle connections kept; the longest idle is closed.
    - ``total`` (None): connections at the same time.

    A ``soft_limit`` that is not given is never more than ``hard_limit``. Raises ValueError for one given
    that is, for negative numbers, bool, NaN, and 0 where nothing could be sent; TypeError for other types.
    """

    _fields = (
        "soft_limit",
        "hard_limit",
        "pool_timeout",
        "keepalive_expiry",
        "total_idle",
        "total",
    )
    __slots__ = (*_fields, "_names_timeout")

    soft_limit: int | None
    hard_limit: int | None
    pool_timeout: float | None
    keepalive_expiry: float | None
    total_idle: int | None
    total: int | None
    _names_timeout: bool

    def __init__(
        self,
        *,
        soft_limit: int | Unset | None = UNSET,
        hard_limit: int | None = 100,
        pool_timeout: float | Unset | None = UNSET,
        keepalive_expiry: float | None = 30.0,
        total_idle: int | None = 100,
        total: int | None = None,
    ) -> None:
        hard = check_count_or_none("hard_limit", hard_limit, 1)
        given = _DEFAULT_TIMEOUT if pool_timeout is UNSET else pool_timeout
        set_fields(
            self,
            soft_limit=_soft_limit(soft_limit, hard),
            hard_limit=hard,
            pool_timeout=check_seconds("pool_timeout", given),
            keepalive_expiry=check_seconds("keepalive_expiry", keepalive_expiry, zero=True),
            total_idle=check_count_or_none("total_idle", total_idle, 0),
            total=check_count_or_none("total", total, 1),
            _names_timeout=pool_timeout is not UNSET,
        )

    def _arguments(self) -> dict[str, Any]:
        arguments = super()._arguments()
        if not self._names_timeout:
            del arguments["pool_timeout"]
        return arguments


def as_timeout(timeout: TimeoutTypes | None) -> TimeoutConfig:
    """``timeout`` as a `TimeoutConfig`; returned itself if it is one. Raises what `TimeoutConfig` raises."""
    return timeout if type(timeout) is TimeoutConfig else TimeoutConfig(timeout)


HTTP_VERSIONS = ("HTTP/1.1", "HTTP/2")
"""The values of ``http_versions``, and its default."""


def check_http_versions(http_versions: object) -> tuple[str, ...]:
    """The versions as a tuple. Raises TypeError or ValueError for anything that is not in `HTTP_VERSIONS`."""
    if http_versions == HTTP_VERSIONS:
        return HTTP_VERSIONS
    if not isinstance(http_versions, (tuple, list)):
        raise TypeError("http_versions must be a tuple of strings, such as ('HTTP/1.1', 'HTTP/2')")
    known = [version for version in HTTP_VERSIONS if version in http_versions]
    if not known or len(known) < len(http_versions):
        raise ValueError(
            f"http_versions must name some of {HTTP_VERSIONS}, not {short_repr(tuple(http_versions))}"
        )
    return tuple(known)


def effective_pool_timeout(timeout: TimeoutConfig, limits: PoolLimits) -> float | None:
    """How long a request with this timeout waits for a connection of a pool with these limits."""
    if limits._names_timeout and not timeout._names_pool:
        return limits.pool_timeout
    return timeout.pool_timeout


def bounded_timeout(timeout: TimeoutConfig, left: float) -> TimeoutConfig:
    """The same with ``left`` seconds as total_timeout, and no other limit larger than that."""
    arguments = timeout._arguments()
    for name, limit in arguments.items():
        arguments[name] = left if name == "total_timeout" or limit is None else min(limit, left)
    return TimeoutConfig(**arguments)


def _soft_limit(value: object, hard: int | None) -> int | None:
    if value is UNSET:
        return 10 if hard is None else min(10, hard)
    soft = check_count_or_none("soft_limit", value, 0)
    if soft is not None and hard is not None and soft > hard:
        raise ValueError(
            f"soft_limit ({short_repr(soft)}) must not be more than hard_limit ({short_repr(hard)})"
        )
    return soft


class Limits(ImmutableValue):
    """Bounds on what a server may send; they keep a hostile one from filling memory or never ending.

    | field               | unit    | default | past it                                               |
    | ------------------- | ------- | ------- | ----------------------------------------------------- |
    | `max_decoded`       | bytes   | None    | DecodedSizeExceeded, for a body read into memory      |
    | `max_ratio`         | times   | 250     | DecodedSizeExceeded: bytes in memory, or between      |
    |                     |         |         | codings in a row, to bytes received                   |
    | `ratio_free_size`   | bytes   | 16 MiB  | such bytes below which the ratio does not apply       |
    | `max_codings`       | codings | 5       | DecodingError: content codings in a row               |
    | `max_head_size`     | bytes   | 256 KiB | ResponseTooLarge: status line and header fields       |
    | `max_head_fields`   | fields  | 512     | ResponseTooLarge: header fields                       |
    | `max_informational` | heads   | 32      | RemoteProtocolError: 1xx responses before the answer  |
    | `max_trailer_size`  | bytes   | 64 KiB  | ResponseTooLarge: trailer fields                      |
    | `max_drained`       | bytes   | 64 KiB  | a redirect's body is not kept, its connection closed  |

    Only ``max_decoded`` may be None (no limit); ``max_ratio=float("inf")`` turns the ratio off. Raises
    ValueError for negative numbers, bool, NaN, and 0 where nothing could be received; TypeError for other
    types.
    """

    __slots__ = _fields = (
        "max_decoded",
        "max_ratio",
        "ratio_free_size",
        "max_codings",
        "max_head_size",
        "max_head_fields",
        "max_informational",
        "max_trailer_size",
        "max_drained",
    )

    max_decoded: int | None
    max_ratio: float
    ratio_free_size: int
    max_codings: int
    max_head_size: int
    max_head_fields: int
    max_informational: int
    max_trailer_size: int
    max_drained: int

    def __init__(
        self,
        *,
        max_decoded: int | None = None,
        max_ratio: float = 250.0,
        ratio_free_size: int = 16 * 1024 * 1024,
        max_codings: int = 5,
        max_head_size: int = 256 * 1024,
        max_head_fields: int = 512,
        max_informational: int = 32,
        max_trailer_size: int = 64 * 1024,
        max_drained: int = 64 * 1024,
    ) -> None:
        set_fields(
            self,
            max_decoded=check_count_or_none("max_decoded", max_decoded, 0),
            max_ratio=check_ratio("max_ratio", max_ratio),
            ratio_free_size=check_count("ratio_free_size", ratio_free_size, 0),
            max_codings=check_count("max_codings", max_codings, 0),
            max_head_size=check_count("max_head_size", max_head_size, 1),
            max_head_fields=check_count("max_head_fields", max_head_fields, 1),
            max_informational=check_count("max_informational", max_informational, 0),
            max_trailer_size=check_count("max_trailer_size", max_trailer_size, 0),
            max_drained=check_count("max_drained", max_drained, 0),
        )


class SSLConfig(ImmutableValue):
    """Which servers TLS trusts, and which certificate the client presents.

    - ``verify``: True (certifi's authorities), False (no verification: any server is accepted), "system" (the
      trust store of the operating system, by truststore: the extra ``system-trust``), the path of a CA file
      or folder, or an ``ssl.SSLContext``. Before a handshake the ALPN protocols are set on your context;
      nothing else of it is changed.
    - ``cert``: a client certificate: path of a PEM file, (certificate, key) or (certificate, key, password).
      It is sent with ``verify=False`` too. With a context of your own call its ``load_cert_chain`` instead.
    - ``trust_env``: with ``verify=True``, SSL_CERT_FILE and SSL_CERT_DIR replace certifi's authorities;
      SSLKEYLOGFILE is honoured (RuntimeWarning, once, where it can't be written).

    Files are opened when a context is made, not before. Raises TypeError for wrong types, ValueError for
    a ``cert`` of wrong length or beside an ``ssl.SSLContext``.
    """

    __slots__ = _fields = ("cert", "verify", "trust_env")

    cert: Cert | None
    verify: bool | str | ssl.SSLContext
    trust_env: bool

    @hide_arguments
    def __init__(
        self, *, cert: CertTypes | None = None, verify: VerifyTypes = True, trust_env: bool = True
    ) -> None:
        checked = _checked_verify(verify)
        if cert is not None and not isinstance(checked, bool | str):
            raise ValueError(
                "cert can't be combined with verify=<ssl.SSLContext>: a context of yours is used as it is; "
                "call its load_cert_chain() instead"
            )
        if not isinstance(trust_env, bool):
            raise TypeError(f"trust_env must be True or False, not {type(trust_env).__name__}")
        set_fields(self, cert=_checked_cert(cert), verify=checked, trust_env=trust_env)

    def __repr__(self) -> str:
        if not self._is_made:
            return super().__repr__()
        tail = "" if self.trust_env else ", trust_env=False"
        return f"SSLConfig(cert={self.cert!r}, verify={self.verify!r}{tail})"

    @hide_arguments
    def with_overrides(self, verify: VerifyTypes | None = None, cert: CertTypes | None = None) -> SSLConfig:
        """This configuration with the given fields replaced; None keeps a field."""
        if verify is None and cert is None:
            return self
        return SSLConfig(
            cert=self.cert if cert is None else cert,
            verify=self.verify if verify is None else verify,
            trust_env=self.trust_env,
        )

    def create_ssl_context(self) -> ssl.SSLContext:
        """A new context for a client, yours to change; ``verify`` itself where that is a context.

        Takes about 20 ms and blocks. Raises OSError for a path that is missing or can't be read,
        ValueError for a file that does not hold what it should, or a wrong password.
        """
        from ._ssl import create_context

        return create_context(self)

    async def load_ssl_context(self) -> ssl.SSLContext:
        """`create_ssl_context` as a coroutine, for programs written for 0.6.7. It never suspends."""
        return self.create_ssl_context()


def _checked_verify(verify: object) -> bool | str | ssl.SSLContext:
    if isinstance(verify, bool | str):
        return verify
    if isinstance(verify, os.PathLike):
        return _path("verify", verify)
    loaded = sys.modules.get("ssl")  # a context exists only if ssl was imported
    if loaded is not None and isinstance(verify, loaded.SSLContext):
        context: ssl.SSLContext = verify
        return context
    raise TypeError(f"verify must be True, False, a path or an ssl.SSLContext, not {type(verify).__name__}")


def _checked_cert(cert: object) -> Cert | None:
    if cert is None:
        return None
    if not isinstance(cert, tuple):
        return _path("cert", cert)
    if len(cert) not in (2, 3):
        raise ValueError("cert as a tuple is (certificate, key) or (certificate, key, password)")
    pair = (_path("cert", cert[0]), _path("cert", cert[1]))
    if len(cert) == 2:
        return pair
    password = cert[2]
    if not isinstance(password, str):
        raise TypeError(f"the password in cert must be a str, not {type(password).__name__}")
    return (*pair, SecretText(password))


def _path(name: str, value: object) -> str:
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str):
        raise TypeError(f"{name} must be a path (str or os.PathLike[str]), not {type(value).__name__}")
    return path


DEFAULT_TIMEOUT_CONFIG: Final = TimeoutConfig()
DEFAULT_POOL_LIMITS: Final = PoolLimits()
DEFAULT_LIMITS: Final = Limits()
DEFAULT_SSL_CONFIG: Final = SSLConfig()
