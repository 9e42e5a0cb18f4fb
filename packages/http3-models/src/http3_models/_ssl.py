"""SSL contexts from `SSLConfig`: the one module of models that knows `ssl`, and it imports it late.

Making a context takes 16 to 25 ms, nearly all of it for reading certifi's authorities, so contexts are made
when the first handshake needs them and shared by all clients of the process. The cache's key holds
everything that a context depends on: the configuration, the ALPN protocols (they belong to a context, have
no getter and can't be copied), the environment variables, and a stamp of each file. So a client
certificate that is renewed on disk, or a changed SSL_CERT_FILE, takes effect on the next connection.

A path that is missing or can't be read is an OSError, a file with wrong contents a ValueError; both name the
argument (or variable) and the path, and have ssl's error as ``__cause__``.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ._brief import short_repr

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from ._config import Cert, SSLConfig

_Stamp = tuple[str, int, int, int]

# A program rarely has more than three configurations; but one that makes a new certificate for each request
# must not fill the memory (a context with certifi takes about 1 MB).
_MAX_CONTEXTS = 32

_contexts: dict[tuple[object, ...], ssl.SSLContext] = {}

SYSTEM = "system"
"""The value of ``verify`` for the trust store of the operating system. (A file of that name: "./system".)"""

_MAX_UNWRITABLE = 32

_unwritable: dict[str, object] = {}
"""Values of SSLKEYLOGFILE that were warned about."""


class _Files(NamedTuple):
    """What a context reads; ``name`` is the argument or environment variable that errors name."""

    name: str
    cafile: str | None
    folders: tuple[str, ...]
    keylog: str | None


def ssl_context_for(config: SSLConfig, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """The shared context for connections under ``config`` that offer the ALPN protocols ``alpn``.

    A context of the user's is returned itself, with ``alpn`` set on it each time, since it has no getter;
    that takes a microsecond. An empty ``alpn`` leaves it unchanged. Use it for a connection at once, before
    another thread asks for other protocols.

    Raises OSError or ValueError (see above).
    """
    if not isinstance(config.verify, bool | str):
        if alpn:
            config.verify.set_alpn_protocols(list(alpn))
        return config.verify
    files = _files(config)
    key = (config, alpn, files, _stamps(config.cert, files))
    context = _contexts.get(key)
    if context is None:
        context = _new_context(config, files)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        # Two threads may get here at once; both use the one that came first. dict's own operations are
        # atomic, so no lock is needed.
        context = _contexts.setdefault(key, context)
        for oldest in list(_contexts)[:-_MAX_CONTEXTS]:
            _contexts.pop(oldest, None)
    return context


def create_context(config: SSLConfig) -> ssl.SSLContext:
    """A new context, not from the cache; ``config.verify`` itself where that is a context."""
    if not isinstance(config.verify, bool | str):
        return config.verify
    files = _files(config)
    _stamps(config.cert, files)
    return _new_context(config, files)


def _files(config: SSLConfig) -> _Files:
    """Which files and folders hold the authorities, and where session keys are logged."""
    environment: Callable[[str], str] = _variable if config.trust_env else _no_variable
    keylog = environment("SSLKEYLOGFILE") or None
    if config.verify is False:
        return _Files("verify", None, (), keylog)
    if config.verify == SYSTEM:
        # What OpenSSL reads by itself, where it is the trust store: named here for the key of the cache.
        named = [os.environ.get(name, "") for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")]
        return _Files(SYSTEM, None, tuple([name for name in named if os.path.exists(name)]), keylog)
    if isinstance(config.verify, str):
        if os.path.isdir(config.verify):
            return _Files("verify", None, (config.verify,), keylog)
        return _Files("verify", config.verify, (), keylog)
    cafile, folders = environment("SSL_CERT_FILE"), environment("SSL_CERT_DIR")
    if cafile or folders:
        name = "SSL_CERT_FILE" if cafile else "SSL_CERT_DIR"
        return _Files(name, cafile or None, _existing(folders), keylog)
    return _Files("certifi", default_ca_bundle(), (), keylog)


def default_ca_bundle() -> str:
    """The path of certifi's bundle of authorities."""
    import certifi

    return certifi.where()


def _variable(name: str) -> str:
    return "" if sys.flags.ignore_environment else os.environ.get(name, "")


def _no_variable(name: str) -> str:
    return ""


def _existing(folders: str) -> tuple[str, ...]:
    """The folders of SSL_CERT_DIR, a list like PATH of which some may be missing, but not all."""
    names = [name for name in folders.split(os.pathsep) if name]
    found = tuple([name for name in names if os.path.isdir(name)])
    return found or tuple(names)


def _stamps(cert: Cert | None, files: _Files) -> tuple[_Stamp, ...]:
    """Values that change when a file is replaced. Raises OSError for one that is missing."""
    named = [] if files.cafile is None else [(files.name, files.cafile)]
    named += [
        ("SSL_CERT_DIR" if files.name == "SSL_CERT_FILE" else files.name, path) for path in files.folders
    ]
    named += [("cert", path) for path in _cert_paths(cert)]
    return tuple([_stamp(name, path) for name, path in named])


def _stamp(name: str, path: str) -> _Stamp:
    try:
        status = os.stat(path)
    except OSError as exc:
        _raise_unreadable(name, path, exc)
    except ValueError as exc:  # a NUL in the path
        raise ValueError(f"{name} is not a path: {short_repr(path)}") from exc
    return (path, status.st_mtime_ns, status.st_size, status.st_ino)


def _cert_paths(cert: Cert | None) -> tuple[str, ...]:
    if cert is None:
        return ()
    return (cert,) if isinstance(cert, str) else cert[:2]


def _raise_unreadable(name: str, path: str, exc: OSError) -> NoReturn:
    """Raise the same kind of OSError (FileNotFoundError, PermissionError) with an argument in its text."""
    raise OSError(exc.errno, f"{name} can't be read: {os.strerror(exc.errno or 0)}", path) from exc


def _new_context(config: SSLConfig, files: _Files) -> ssl.SSLContext:
    import ssl

    make = _system_context if config.verify == SYSTEM else ssl.SSLContext
    context = make(ssl.PROTOCOL_TLS_CLIENT)  # verifies chain and host name
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
    if ssl.HAS_NEVER_CHECK_COMMON_NAME:
        context.hostname_checks_common_name = False  # RFC 9525 section 6.3
    if config.verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _load_authorities(context, files)
    if config.cert is not None:
        _load_cert(context, config.cert)
    if files.keylog is not None:
        _log_keys(context, files.keylog)
    return context


def _system_context(protocol: int) -> ssl.SSLContext:
    """A context over the trust store of the operating system. Raises ImportError without truststore."""
    try:
        import truststore
    except ImportError as exc:
        raise ImportError('verify="system" needs truststore: pip install "http3[system-trust]"') from exc
    return truststore.SSLContext(protocol)


def _load_authorities(context: ssl.SSLContext, files: _Files) -> None:
    import ssl

    if files.name == SYSTEM:
        return
    try:
        if files.cafile is not None:
            context.load_verify_locations(cafile=files.cafile)
        for folder in files.folders:
            context.load_verify_locations(capath=folder)
    except ssl.SSLError as exc:
        raise ValueError(f"{files.name} holds no certificates in PEM form: {files.cafile!r} ({exc})") from exc
    except OSError as exc:
        _raise_unreadable(files.name, files.cafile or "", exc)


def _load_cert(context: ssl.SSLContext, cert: Cert) -> None:
    import ssl

    paths = _cert_paths(cert)

    def password() -> str:
        # Without this OpenSSL would wait for the password on the terminal.
        if len(cert) == 3 and not isinstance(cert, str):
            return cert[2]
        raise ValueError(
            f"the key of cert is encrypted: {paths[-1]!r}; give cert=(certificate, key, password)"
        )

    # A server may ask for the certificate after the handshake (TLS 1.3, RFC 8446 4.6.2).
    context.post_handshake_auth = True
    try:
        context.load_cert_chain(paths[0], paths[1] if len(paths) > 1 else None, password)
    except ssl.SSLError as exc:
        shown = " and ".join([repr(path) for path in paths])
        raise ValueError(
            f"cert is not a certificate with its key in PEM form, or its password is wrong: {shown} ({exc})"
        ) from exc
    except OSError as exc:
        _raise_unreadable("cert", _first_unreadable(paths), exc)


def _first_unreadable(paths: tuple[str, ...]) -> str:
    return next((path for path in paths if not os.access(path, os.R_OK)), paths[0])


def _log_keys(context: ssl.SSLContext, path: str) -> None:
    """Log session keys to the file. Where that is impossible, a warning says so once, and the context works
    without."""
    try:
        context.keylog_filename = path
    except OSError as exc:
        if len(_unwritable) >= _MAX_UNWRITABLE:
            _unwritable.clear()
        mark = object()
        if _unwritable.setdefault(path, mark) is mark:  # of several threads, the first warns
            text = f"SSLKEYLOGFILE can't be written ({exc.strerror}), so no session keys are logged: {path!r}"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
