"""One TLS connection as bytes in and bytes out: `ssl.SSLObject` over two memory buffers. See `stream`."""

from __future__ import annotations

import errno
import re
import ssl
import threading
from contextlib import suppress
from typing import NamedTuple

from .._errors import HOSTNAME_MISMATCH

# The most plaintext in one TLS record (RFC 8446 5.1).
RECORD_SIZE = 16 * 1024


_ADDRESS = re.compile(r".*:.*|\d+(\.\d+){3}")
"""An IP address, among what `ssl` takes as the name of a server."""


class TLSFacts(NamedTuple):
    """The results of a handshake: the version, the server's certificate in DER form, what ALPN picked."""

    version: str | None = None
    certificate: bytes | None = None
    alpn_protocol: str | None = None


class TLSState:
    """The client's side of one TLS connection: bytes in, bytes out.

    ``has_input``: `decrypt` may return something without further ciphertext. Only the reader writes it;
    checking it before a call saves a small exchange 2 us. ``got_close_notify``: the peer has ended its side.
    ``outgoing`` holds what TLS itself has to send; `take_outgoing` takes it. ``facts`` are gathered when the
    handshake is done, since a broken connection reports nothing.
    """

    __slots__ = (
        "_failure",
        "_incoming",
        "_lock",
        "_name",
        "_object",
        "facts",
        "got_close_notify",
        "has_input",
        "outgoing",
    )

    def __init__(self, context: ssl.SSLContext, server_hostname: str) -> None:
        self._lock = threading.Lock()
        self._incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        # As bytes: a str goes through Python's IDNA 2003 codec, and the name is in ASCII already.
        name = server_hostname.encode("ascii")
        self._name = server_hostname
        self._object = context.wrap_bio(self._incoming, self.outgoing, server_hostname=name)
        self.facts = TLSFacts()
        self._failure: OSError | None = None
        self.got_close_notify = False
        self.has_input = False

    @property
    def ssl_object(self) -> ssl.SSLObject:
        """The SSL object, for questions about the certificate while no other thread uses it."""
        return self._object

    def handshake(self, received: bytes) -> tuple[bool, bytes]:
        """Go on with what was received. Returns whether it is done, and what is to be sent.

        Raises ssl.SSLError; an alert for the peer may be in `take_outgoing` then.
        """
        with self._lock:
            self._incoming.write(received)
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                return False, self.outgoing.read()
            self.has_input = self._incoming.pending > 0  # the peer need not wait for our last message
            self.facts = TLSFacts(
                self._object.version(),
                self._object.getpeercert(binary_form=True),
                self._object.selected_alpn_protocol(),
            )
            self._check_name()
            return True, self.outgoing.read()

    def _check_name(self) -> None:
        """Refuse a certificate that names the host as its common name alone (RFC 9525 section 6.3).

        Contexts made by http3 have OpenSSL check that. One of the user's may not, and is not changed.
        """
        context = self._object.context
        if not (context.check_hostname and context.hostname_checks_common_name):
            return
        if _ADDRESS.fullmatch(self._name):
            return  # an address is not compared with the common name
        try:
            certificate = self._object.getpeercert() or {}
        except ValueError as exc:  # a name in it that is no text
            raise ssl.SSLError(1, f"The server's certificate can't be read: {exc}") from exc
        names = certificate.get("subjectAltName", ())
        if certificate and not any(name[0] == "DNS" for name in names):
            refusal = ssl.SSLCertVerificationError(1, "certificate verify failed: it has no alternative name")
            refusal.verify_code = HOSTNAME_MISMATCH
            refusal.verify_message = f"Hostname mismatch, certificate is not valid for '{self._name}'."
            raise refusal

    def decrypt(self, received: bytes, max_bytes: int) -> bytes | None:
        """Take in ciphertext (maybe none) and return plaintext: b"" after close_notify, None for none yet.

        Raises ssl.SSLError where the peer broke the protocol.
        """
        incoming = self._incoming
        with self._lock:
            if received:
                incoming.write(received)
            elif not self.has_input:
                return None
            try:
                if self._failure is not None:
                    raise self._failure
                # One read gives one record at most, and Python allocates all it is asked for.
                data = self._object.read(max_bytes if max_bytes < RECORD_SIZE else RECORD_SIZE)
                if data and incoming.pending >= RECORD_SIZE and max_bytes >= 2 * RECORD_SIZE:
                    data = self._add_records(data, max_bytes)
            except ssl.SSLWantReadError:
                return None
            except ssl.SSLZeroReturnError:
                data = b""
            finally:
                self.has_input = bool(incoming.pending or self._object.pending() or self._failure)
            if not data:
                self.got_close_notify = True
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
        except OSError as exc:
            self._failure = exc  # what came before it is read first
        return b"".join(records)

    def decrypt_into(self, received: bytes, buffer: memoryview) -> int | None:
        """`decrypt` into ``buffer``: the number of bytes; 0 after close_notify, None for none yet."""
        incoming = self._incoming
        count = 0
        with self._lock:
            if received:
                incoming.write(received)
            elif not self.has_input:
                return None
            try:
                if self._failure is not None:
                    raise self._failure
                while count < len(buffer):
                    # An int with a buffer, though typeshed says bytes.
                    size = int(self._object.read(RECORD_SIZE, buffer[count : count + RECORD_SIZE]))
                    if not size:
                        raise ssl.SSLZeroReturnError
                    count += size
                    if incoming.pending < RECORD_SIZE:  # what is left may be no whole record
                        break
            except ssl.SSLWantReadError:
                return count or None
            except OSError as exc:
                if count:
                    self._failure = exc  # what came before it is read first
                elif isinstance(exc, ssl.SSLZeroReturnError):
                    self.got_close_notify = True
                else:
                    raise
            finally:
                self.has_input = bool(incoming.pending or self._object.pending() or self._failure)
            return count

    def encrypt(self, data: bytes | memoryview) -> bytes:
        """Ciphertext for ``data`` (maybe none), after what else waits to be sent. Raises OSError."""
        with self._lock:
            try:
                sent = 0
                while sent < len(data):  # once, by default: then OpenSSL takes all, record by record
                    sent += self._object.write(data[sent:])
            except (ssl.SSLWantReadError, ssl.SSLZeroReturnError, ssl.SSLEOFError) as exc:
                raise OSError(errno.EPROTO, "The TLS connection can't be written to now") from exc
            return self.outgoing.read()

    def take_outgoing(self) -> bytes:
        """What the protocol itself wants to be sent."""
        if not self.outgoing.pending:
            return b""
        with self._lock:
            return self.outgoing.read()

    def close_notify(self) -> bytes:
        """The closing alert, after what else waits to be sent."""
        with self._lock:
            # It would wait for the peer's answer, and we don't; or the connection is broken anyway.
            with suppress(OSError, ValueError):
                self._object.unwrap()
            return self.outgoing.read()
