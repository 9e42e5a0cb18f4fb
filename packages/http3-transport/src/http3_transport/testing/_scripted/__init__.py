"""Servers on real sockets that do as a test says: `server` accepts, `connection` carries out a script
(`scripts` has ready ones), `frames` speaks HTTP/2.
"""

from __future__ import annotations

from .connection import ReceivedRequest, ScriptedConnection
from .frames import HTTP2Frames, ReceivedFrame
from .scripts import cutting, responding, response_bytes
from .server import Script, ScriptedServer

__all__ = [
    "HTTP2Frames",
    "ReceivedFrame",
    "ReceivedRequest",
    "Script",
    "ScriptedConnection",
    "ScriptedServer",
    "cutting",
    "responding",
    "response_bytes",
]
