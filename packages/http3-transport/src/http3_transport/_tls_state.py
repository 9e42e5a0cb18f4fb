"""One TLS connection as bytes in and bytes out: `ssl.SSLObject` over two memory buffers. See `_tls`."""

from __future__ import annotations

import errno
import ssl
import threading
from contextlib import suppress

# The most plaintext in one TLS record (RFC 8446 5.1).
RECORD_SIZE = 16 * 1024


class TLSState:
    """The client's side of one TLS connection: bytes in, bytes out."""

    __slots__ = ("_failure", "_incoming", "_lock", "_object", "_outgoing", "got_close_notify")

    def __init__(self, context: ssl.SSLContext, server_hostname: str) -> None:
        self._lock = threading.Lock()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        # As bytes: a str goes through Python's IDNA 2003 codec, and the name is in ASCII already.
        name = server_hostname.encode("ascii")
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._failure: ssl.SSLError | None = None
        self.got_close_notify = False

    def handshake(self, received: bytes) -> tuple[bool, bytes]:
        """Go on with what was received. Returns whether it is done, and what is to be sent.

        Raises ssl.SSLError; an alert for the peer may be in `take_outgoing` then.
        """
        with self._lock:
            self._incoming.write(received)
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                return False, self._outgoing.read()
            return True, self._outgoing.read()

    def decrypt(self, received: bytes, max_bytes: int) -> bytes | None:
        """Take in ciphertext (maybe none) and return plaintext: b"" after close_notify, None for none yet.

        Raises ssl.SSLError where the peer broke the protocol.
        """
        with self._lock:
            if received:
                self._incoming.write(received)
            elif not self._incoming.pending and not self._object.pending() and self._failure is None:
                return None  # the cheap way to know that there is nothing; an exception is the dear one
            try:
                if self._failure is not None:
                    raise self._failure
                # One read gives one record at most, and Python allocates all it is asked for.
                data = self._object.read(max_bytes if max_bytes < RECORD_SIZE else RECORD_SIZE)
            except ssl.SSLWantReadError:
                return None
            except ssl.SSLZeroReturnError:
                data = b""
            if not data:
                self.got_close_notify = True
            elif self._incoming.pending >= RECORD_SIZE and max_bytes >= 2 * RECORD_SIZE:
                data = self._add_records(data, max_bytes)
            return data

    def _add_records(self, data: bytes, max_bytes: int) -> bytes:
        """``data`` with what follows it, while whole records are there: a sixth of an HTTP/2 download."""
        records, size = [data], len(data)
        try:
            while self._incoming.pending >= RECORD_SIZE and size <= max_bytes - RECORD_SIZE:
                record = self._object.read(RECORD_SIZE)
                if not record:
                    raise ssl.SSLZeroReturnError
                records.append(record)
                size += len(record)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as exc:
            self._failure = exc  # what came before it is read first
        return b"".join(records)

    def encrypt(self, data: memoryview) -> bytes:
        """Ciphertext for ``data``, after what else waits to be sent. Raises OSError."""
        with self._lock:
            sent = 0
            while sent < len(data):
                try:
                    sent += self._object.write(data[sent : sent + RECORD_SIZE])
                except (ssl.SSLWantReadError, ssl.SSLZeroReturnError, ssl.SSLEOFError) as exc:
                    raise OSError(errno.EPROTO, "The TLS connection can't be written to now") from exc
            return self._outgoing.read()

    def take_outgoing(self) -> bytes:
        """What the protocol itself wants to be sent."""
        if not self._outgoing.pending:
            return b""
        with self._lock:
            return self._outgoing.read()

    @property
    def wants_to_send(self) -> bool:
        """Whether `take_outgoing` has something."""
        return self._outgoing.pending > 0

    def close_notify(self) -> bytes:
        """The closing alert, after what else waits to be sent."""
        with self._lock:
            # It would wait for the peer's answer, and we don't; or the connection is broken anyway.
            with suppress(ssl.SSLError, ValueError):
                self._object.unwrap()
            return self._outgoing.read()

    @property
    def alpn_protocol(self) -> str | None:
        return self._object.selected_alpn_protocol()

    def facts(self) -> tuple[str | None, bytes | None]:
        """The version, and the server's certificate in DER form."""
        with self._lock:
            return self._object.version(), self._object.getpeercert(binary_form=True)
