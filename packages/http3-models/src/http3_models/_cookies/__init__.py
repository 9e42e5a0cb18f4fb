"""Cookies (RFC 6265bis): what servers set, and what is sent to whom.

From the bottom up: `date` and `set_cookie` read the header, `public_suffix` says which domains are shared
by strangers, `cookie` is one cookie, `store` decides which is kept and sent, `cookies` is the public
mapping `Cookies`. `jar`, the bridge to `http.cookiejar`, is loaded when it is asked for.
"""

from __future__ import annotations

from .cookies import Cookies, CookieTypes, cookie_header, join_cookie_headers
from .set_cookie import to_text

__all__ = [
    "CookieTypes",
    "Cookies",
    "cookie_header",
    "join_cookie_headers",
    "to_text",
]
