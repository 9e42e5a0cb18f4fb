"""A small web site on this machine, for examples and first steps.

    python -m http3_client.example_site

It speaks HTTP/1.1 on 127.0.0.1, without TLS. It needs http3-models and the standard library, and stores
nothing. `answer` is the site without the server: it serves a `MockDispatcher` as well.
"""

from __future__ import annotations

from ._pages import answer, listing
from ._server import ExampleServer

__all__ = ["ExampleServer", "answer", "listing"]
