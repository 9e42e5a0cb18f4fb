"""Applications in place of the network: `asgi` and `wsgi` are the public dispatchers.

Above, the dispatcher; below it one call (`asgi_call`, `wsgi_call`), what is said to the
application (`asgi_messages`, `asgi_upload`, `wsgi_environ`), and what both share (`body`, `response`).
Import its modules by name: who calls one kind of application loads nothing for the other.
"""

from __future__ import annotations
