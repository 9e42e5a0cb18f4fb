"""What a script of a `ScriptedServer` is given: the server's end of one connection."""

from __future__ import annotations

import errno
import socket
import ssl
import struct
import threading
import time
from typing import NamedTuple

SEPARATOR_LIMIT = 1 << 20
"""Bytes in which `ScriptedConnection.read_until` has to find what it looks for."""

RESET_ON_CLOSE = struct.pack("ii", 1, 0)

LOOK_SECONDS = 0.05


class ReceivedRequest(NamedTuple):
    """An HTTP/1.1 request as it came; names of headers in lower case, ``head`` as sent."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    head: bytes


class ScriptedConnection:
    """One connection. When the script returns, it is closed.

    Operations block, at most as long as the server's ``limit`` (then TimeoutError). The client's going away
    is a ConnectionError, which a script may let pass. ``ending`` is set when the server is closed.
    """

    def __init__(self, sock: socket.socket, ending: threading.Event) -> None:
        self.socket: socket.socket = sock
        """For what is not offered here."""
        self._ending = ending
        self._early = b""

    @property
    def alpn_protocol(self) -> str | None:
        """What ALPN picked ("h2", "http/1.1"), None without TLS or without agreement."""
        return self.socket.selected_alpn_protocol() if isinstance(self.socket, ssl.SSLSocket) else None

    # Reading.

    def read(self, max_bytes: int = 65536) -> bytes:
        """Between 1 and ``max_bytes`` bytes as soon as there are any; b"" at the end."""
        if self._early:
            data, self._early = self._early[:max_bytes], self._early[max_bytes:]
            return data
        return self.socket.recv(max_bytes)

    def read_exactly(self, size: int) -> bytes:
        """Just so many bytes. Raises ConnectionError where the client ends before."""
        data = bytearray()
        while len(data) < size:
            data += self._more(size - len(data))
        return bytes(data)

    def read_until(self, separator: bytes) -> bytes:
        """Everything up to ``separator``, and that. Raises ConnectionError where the client ends before, and
        ValueError if it is not among the first MiB."""
        data = bytearray()
        while (place := data.find(separator)) < 0:
            if len(data) > SEPARATOR_LIMIT:
                raise ValueError(f"{separator!r} is not among the first {SEPARATOR_LIMIT} bytes")
            data += self._more(65536)
        ends = place + len(separator)
        self._early = bytes(data[ends:]) + self._early
        return bytes(data[:ends])

    def read_request(self) -> ReceivedRequest:
        """The next HTTP/1.1 request with its body (Content-Length or chunked).

        Raises ConnectionError where the client ends before.
        """
        head = self.read_until(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = line.split(" ")
        pairs = [line.partition(":") for line in lines]
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._read_chunked()
        else:
            body = self.read_exactly(int(headers.get("content-length", "0")))
        return ReceivedRequest(method, target, headers, body, head)

    def _read_chunked(self) -> bytes:
        chunks = []
        while size := int(self.read_until(b"\r\n").partition(b";")[0], 16):
            chunks.append(self.read_exactly(size + 2)[:-2])
        while self.read_until(b"\r\n") != b"\r\n":
            pass
        return b"".join(chunks)

    def _more(self, max_bytes: int) -> bytes:
        data = self.read(max_bytes)
        if not data:
            raise ConnectionAbortedError(errno.ECONNABORTED, "The client ended the connection")
        return data

    # Writing.

    def write(self, data: bytes) -> None:
        """Send all of ``data``; waits while the client does not read."""
        self.socket.sendall(data)

    def drip(self, data: bytes, interval: float) -> None:
        """Send it byte by byte, with so many seconds behind each."""
        for number in range(len(data)):
            self.write(data[number : number + 1])
            time.sleep(interval)

    def flood(self, data: bytes) -> int:
        """Send it over and over until the client goes away; how many bytes that were.

        A client that neither reads nor goes is a TimeoutError.
        """
        sent = 0
        while True:
            try:
                self.write(data)
            except (ConnectionError, ssl.SSLError):
                return sent
            sent += len(data)

    def stall(self, seconds: float | None = None) -> None:
        """Neither read nor write, for so long, or until the client goes away or the server is closed."""
        end = None if seconds is None else time.monotonic() + seconds
        while end is None or time.monotonic() < end:
            if self._has_gone() or self._ending.wait(LOOK_SECONDS):
                return

    def _has_gone(self) -> bool:
        limit = self.socket.gettimeout()
        self.socket.settimeout(0)
        try:
            return not socket.socket.recv(self.socket, 1, socket.MSG_PEEK)  # past TLS
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self.socket.settimeout(limit)

    # Ending.

    def finish(self) -> None:
        """Send no more; reading goes on. Over TLS without a close_notify."""
        socket.socket.shutdown(self.socket, socket.SHUT_WR)

    def close(self) -> None:
        """Close in good order, over TLS with a close_notify."""
        if isinstance(self.socket, ssl.SSLSocket):
            try:
                self.socket = self.socket.unwrap()
            except (OSError, ValueError):
                pass  # the client is gone already
        self.socket.close()

    def cut(self) -> None:
        """Close, over TLS without a close_notify."""
        self.socket.close()

    def reset(self) -> None:
        """Close with a RST: what the client has not read yet is lost to it."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.socket.close()
