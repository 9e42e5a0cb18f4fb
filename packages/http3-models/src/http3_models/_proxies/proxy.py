"""`Proxy`: where a proxy is, and what it is told. Immutable, comparable, and a key of the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .._brief import short_repr, short_text
from .._config import SSLConfig
from .._exceptions import InvalidURL
from .._headers import Headers
from .._redaction import hide_arguments
from .._url import URL, Origin, redacted_text
from .._values import ImmutableValue, SecretText, set_fields

if TYPE_CHECKING:
    import ssl

    from .._config import Cert, CertTypes, VerifyTypes
    from .._headers import HeaderFields

DEFAULT_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
"""The schemes of proxies, and the port of each where the URL names none (RFC 9110 section 4.2, RFC 1928)."""

_LONGEST_SOCKS_FIELD: Final = 255
"""Bytes of a user name or password in SOCKS5, whose lengths are one byte (RFC 1929 section 2)."""


class Proxy(ImmutableValue):
    """A proxy: ``Proxy("http://user:password@proxy.example.org:3128")``.

    - ``url``: a str or `URL` with the scheme ``http``, ``https`` (TLS to the proxy), ``socks5`` (host names
      are looked up here) or ``socks5h`` (the proxy looks them up). Without a scheme it is ``http``. The
      default ports are 80, 443 and 1080. A path is ignored.
    - ``auth``: (user, password), as plain text; by default the userinfo of the URL, percent-decoded. HTTP
      proxies get it as Basic at once, or as Digest once they ask for that (RFC 9110 section 11.7); SOCKS
      proxies by RFC 1929.
    - ``headers``: fields for the proxy alone: in CONNECT, or in each request for an http URL. Not for SOCKS.
    - ``verify``, ``cert``: of the TLS to the proxy itself, as in `SSLConfig`; those of the client and
      SSL_CERT_FILE don't apply to it.

    Raises ValueError for an unknown scheme or what can't be sent, TypeError for other types.
    """

    __module__ = "http3_models"

    __slots__ = ("_fields_for_proxy", "auth", "cert", "url", "verify")
    _fields = ("url", "auth", "headers", "verify", "cert")

    url: URL
    """Scheme, host and port; without userinfo."""
    auth: tuple[str, str] | None
    verify: bool | str | ssl.SSLContext
    cert: Cert | None
    _fields_for_proxy: tuple[tuple[bytes, bytes], ...]

    @hide_arguments
    def __init__(
        self,
        url: str | URL,
        *,
        auth: tuple[str, str] | None = None,
        headers: HeaderFields | None = None,
        verify: VerifyTypes = True,
        cert: CertTypes | None = None,
    ) -> None:
        where = _parsed(url)
        fields = Headers(headers)
        fields.check()
        tls = SSLConfig(verify=verify, cert=cert, trust_env=False)
        if where.scheme.startswith("socks") and fields:
            raise ValueError("headers are for HTTP proxies; SOCKS has none")
        set_fields(
            self,
            url=where.copy_with(userinfo=None, full_path="", fragment=None),
            auth=_checked_auth(where, auth),
            _fields_for_proxy=tuple(fields.wire),
            verify=tls.verify,
            cert=tls.cert,
        )

    @property
    def headers(self) -> Headers:
        """The fields for the proxy, as a copy."""
        return Headers(self._fields_for_proxy)

    @property
    def origin(self) -> Origin:
        """Whether TLS is spoken to it, its host, and its port."""
        return tuple.__new__(Origin, (self.url.scheme == "https", self.url.host, self.port))

    @property
    def port(self) -> int:
        """The port to connect to."""
        port = self.url.port
        return DEFAULT_PORTS[self.url.scheme] if port is None else port

    @property
    def is_socks(self) -> bool:
        """True for ``socks5`` and ``socks5h``."""
        return self.url.scheme.startswith("socks")

    @property
    def resolves(self) -> bool:
        """True if the proxy looks up the host names of targets: all but ``socks5``."""
        return self.url.scheme != "socks5"

    @property
    def tls(self) -> SSLConfig:
        """The TLS configuration for the connection to the proxy itself."""
        return SSLConfig(verify=self.verify, cert=self.cert, trust_env=False)

    def __repr__(self) -> str:
        if not self._is_made:
            return super().__repr__()
        shown = [repr(str(self))]
        if self.auth is not None:
            shown.append(f"auth={self.auth!r}")
        if self._fields_for_proxy:
            shown.append(f"headers={self.headers!r}")
        if self.verify is not True:
            shown.append(f"verify={self.verify!r}")
        if self.cert is not None:
            shown.append(f"cert={self.cert!r}")
        return f"Proxy({', '.join(shown)})"

    def __str__(self) -> str:
        """``scheme://host:port``, as messages show it."""
        host = self.url.host
        return f"{self.url.scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def _arguments(self) -> dict[str, Any]:
        auth = self.auth
        return {
            "url": str(self),
            "auth": None if auth is None else tuple(map(str.__str__, auth)),
            "headers": self._fields_for_proxy or None,
            "verify": self.verify,
            "cert": self.cert,
        }

    def _values(self) -> tuple[Any, ...]:
        return (self.url, self.auth, self._fields_for_proxy, self.verify, self.cert)

    @classmethod
    def _rebuild(cls, fields: dict[str, Any]) -> Proxy:
        return cls(fields.pop("url"), **fields)


def as_proxy(value: object, name: str) -> Proxy:
    """The `Proxy` for a str, `URL` or `Proxy`. Raises ValueError or TypeError that begins with ``name``."""
    if isinstance(value, Proxy):
        return value
    if not isinstance(value, str | URL):
        raise TypeError(f"{name} must be a URL, a Proxy, None or False, not {type(value).__name__}")
    try:
        return Proxy(value)
    except ValueError as exc:
        raise ValueError(f"{name}: {exc}") from exc


def _parsed(url: object) -> URL:
    """The URL of the proxy, with its userinfo. Raises ValueError, or TypeError for other types."""
    if isinstance(url, str):
        text = url.strip()
        try:
            url = URL(text if "://" in text else f"http://{text}")
        except InvalidURL as exc:
            flaw = str(exc).rpartition("': ")[2]
            raise ValueError(f"{short_text(redacted_text(text))} is no URL of a proxy: {flaw}") from exc
    if not isinstance(url, URL):
        raise TypeError(f"url of a Proxy must be a str or URL, not {type(url).__name__}")
    if url.scheme not in DEFAULT_PORTS:
        known = ", ".join(f"{scheme}://" for scheme in DEFAULT_PORTS)
        shown = short_text(redacted_text(str(url)))
        raise ValueError(
            f"The scheme of the proxy {shown} is {short_repr(url.scheme)}; it must be one of {known}"
        )
    return url


def _checked_auth(url: URL, auth: object) -> tuple[str, str] | None:
    if auth is None:
        if not url.userinfo:
            return None
        auth = (url.username, url.password)
    if not (isinstance(auth, tuple) and len(auth) == 2 and all(isinstance(part, str) for part in auth)):
        raise TypeError("auth of a Proxy must be None or a tuple (user, password) of two str")
    user, password = auth
    if url.scheme.startswith("socks"):
        if not user or max(len(user.encode()), len(password.encode())) > _LONGEST_SOCKS_FIELD:
            raise ValueError(
                f"User name and password for a SOCKS proxy have at most {_LONGEST_SOCKS_FIELD} bytes each, "
                "and the user name at least one (RFC 1929)"
            )
    elif ":" in user:
        raise ValueError("The user name for a proxy can't have a colon (RFC 7617 section 2)")
    if not all(character.isprintable() for character in user + password):
        raise ValueError("The credentials for a proxy can't have control characters (RFC 7617 section 2)")
    return (user, SecretText(password))
