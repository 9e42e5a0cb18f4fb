"""TLS, once, for all backends: `ssl.SSLObject` over two memory buffers, and no I/O of its own.

`TLSState` (in `state`) turns ciphertext into plaintext and back; `TLSStream` carries the ciphertext over
any plain `Stream` and is a `Stream` itself. Why not SSLSocket and asyncio's ``ssl=``: kernel timeouts do not
fire on an SSLSocket, one thread reading while another writes breaks it, and asyncio hides a connection cut
without a close_notify alert.

How it works:

- The SSL object is touched under a `threading.Lock` only, which is never held during I/O. A read may run
  in one thread while another writes.
- Ciphertext is sent in the order in which it was made. The sender takes it from the outgoing buffer; what the
  plain stream did not take is kept and sent first next time. A reader may find that TLS itself has to answer
  (a key update, a renegotiation, a request for a certificate): it sends that if there is no sender, else the
  sender does.
- There is no await between receiving ciphertext and feeding it, so a cancellation loses nothing.
- The end comes with a close_notify alert, or without (``is_truncated``). They are distinguished here, not by
  OpenSSL, which ignores the difference if a context says so.
"""

from __future__ import annotations

import errno
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from http3_models import ConnectionInfo

from .. import _process
from .._interfaces import Clock, FillingStream, Stream, WatchedStream, remaining
from .state import RECORD_SIZE, TLSState

# Ciphertext for each read: several records. With one record at a time a download took a quarter more CPU
# (each read ends inside a record, and learning that costs an exception); with 128 KiB a little less, but
# from there on malloc asks the system for each buffer, which a short answer would pay for, too.
READ_SIZE = 4 * RECORD_SIZE

# Plaintext that is encrypted before it is sent. Larger means fewer system calls and more memory.
WRITE_SIZE = 4 * RECORD_SIZE

CLOSED_IN_HANDSHAKE = "The peer closed the connection during the TLS handshake"


def _closed_error() -> OSError:
    return ConnectionAbortedError(errno.ECONNABORTED, "The connection was closed on this side")


def _pieces(data: bytes | memoryview) -> Sequence[bytes | memoryview]:
    """What is encrypted at a time. One piece for no data, too: to send what is unsent."""
    if len(data) <= WRITE_SIZE:
        return (data,)
    view = memoryview(data)
    return [view[start : start + WRITE_SIZE] for start in range(0, len(view), WRITE_SIZE)]


class TLSStream(FillingStream, WatchedStream):
    """A `Stream` with TLS over another `Stream`. Made by `start_tls`."""

    __slots__ = (
        "_at_end",
        "_broken",
        "_closed",
        "_early",
        "_generation",
        "_info",
        "_now",
        "_sending",
        "_sending_lock",
        "_state",
        "_stream",
        "_truncated",
        "_unsent",
    )

    def __init__(self, stream: Stream, state: TLSState, now: Clock = time.monotonic) -> None:
        self._stream = stream
        self._now = now
        self._state = state
        self._generation = _process.generation
        self._info: ConnectionInfo | None = None
        self._at_end = False
        self._truncated = False
        self._closed = False
        self._broken = False
        self._early = b""  # plaintext met by write_until_readable
        self._unsent = b""  # ciphertext that goes first
        self._sending = False
        self._sending_lock = threading.Lock()

    def __repr__(self) -> str:
        state = "truncated" if self._truncated else "at its end" if self._at_end else "open"
        return f"<TLSStream {'closed' if self._closed else state} over {self._stream!r}>"

    @property
    def info(self) -> ConnectionInfo:
        if self._info is None:
            version, certificate, _ = self._state.facts
            self._info = self._stream.info._replace(tls_version=version, peer_certificate=certificate)
        return self._info

    @property
    def ssl_object(self) -> ssl.SSLObject:
        """What speaks TLS here; for questions about the certificate right after the handshake."""
        return self._state.ssl_object

    @property
    def alpn_protocol(self) -> str | None:
        return self._state.facts.alpn_protocol

    @property
    def is_truncated(self) -> bool:
        return self._truncated

    @property
    def has_unsent(self) -> bool:
        """True while ciphertext of what a write took is still here; writing b"" sends it, and waits."""
        return bool(self._unsent) or self._stream.has_unsent

    def when_over(self, callback: Callable[[], object]) -> None:
        """`WatchedStream.when_over` of the stream below, if it is a `WatchedStream`."""
        if isinstance(self._stream, WatchedStream):
            self._stream.when_over(callback)

    # Reading.

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        data = self._leftover(max_bytes)
        if data is None:
            left, start = timeout, self._now()
            while True:
                received = await self._stream.read(READ_SIZE, left)
                data = self._decrypt(received, max_bytes) if received else self._cut_off()
                if data is not None:
                    break
                left = remaining(timeout, start, self._now())  # a part of a record is not yet a byte
        return data

    async def read_into(self, buffer: memoryview, timeout: float | None) -> int:
        count = self._leftover_into(buffer)
        if count is None:
            left, start = timeout, self._now()
            while True:
                received = await self._stream.read(READ_SIZE, left)
                count = self._decrypt_into(received, buffer) if received else len(self._cut_off())
                if count is not None:
                    break
                left = remaining(timeout, start, self._now())
        return count

    def read_nowait(self, max_bytes: int) -> bytes | None:
        data = self._leftover(max_bytes)
        while data is None:
            received = self._stream.read_nowait(READ_SIZE)
            if received is None:
                return None
            data = self._decrypt(received, max_bytes) if received else self._cut_off()
        return data

    def _leftover(self, max_bytes: int) -> bytes | None:
        """Plaintext that needs no further ciphertext; b"" at the end."""
        if self._closed:
            raise _closed_error()
        if self._early:
            data, self._early = self._early[:max_bytes], self._early[max_bytes:]
            return data
        if self._at_end:
            return b""
        return self._decrypt(b"", max_bytes) if self._state.has_input else None

    def _leftover_into(self, buffer: memoryview) -> int | None:
        if not (self._closed or self._early or self._at_end):
            return self._decrypt_into(b"", buffer)
        data = self._leftover(len(buffer)) or b""
        buffer[: len(data)] = data
        return len(data)

    def _cut_off(self) -> bytes:
        """The stream has ended without a close_notify alert; all records before were decrypted."""
        self._at_end = self._truncated = True
        return b""

    def _decrypt(self, received: bytes, max_bytes: int) -> bytes | None:
        state = self._state
        try:
            data = state.decrypt(received, max_bytes)
        finally:
            if state.outgoing.pending:  # an answer of the protocol, or the alert that goes with an error
                self._answer()
        if state.got_close_notify:
            self._at_end = True
        return data

    def _decrypt_into(self, received: bytes, buffer: memoryview) -> int | None:
        state = self._state
        try:
            count = state.decrypt_into(received, buffer)
        finally:
            if state.outgoing.pending:
                self._answer()
        if state.got_close_notify:
            self._at_end = True
        return count

    # Writing. There is one sender at a time: a writer (which sets ``_sending``), or a reader that has to
    # answer while there is none. A reader sends without waiting and under ``_sending_lock``. A writer takes
    # that lock once, so it starts after such a reader and before all later ones.

    async def write(self, data: bytes | memoryview, timeout: float | None) -> None:
        self._begin_sending()
        try:
            for piece in _pieces(data):
                ciphertext = self._encrypt(piece)
                self._broken = True  # unless the write returns: then it is not known how much went out
                await self._stream.write(ciphertext, timeout)
                self._broken = False
        finally:
            self._end_sending()

    async def write_until_readable(self, data: bytes | memoryview, timeout: float | None) -> int:
        self._begin_sending()
        try:
            view, sent = memoryview(data), 0
            if (self._unsent or not view) and not await self._send_until_readable(timeout):
                return 0
            while sent < len(view) and not self._has_plaintext():
                piece = view[sent : sent + WRITE_SIZE]
                sent += len(piece)
                self._unsent = self._encrypt(piece)
                if not await self._send_until_readable(timeout):
                    break
            return sent
        finally:
            self._end_sending()

    async def _send_until_readable(self, timeout: float | None) -> bool:
        """Send ``_unsent``: True once it is out, False if there is plaintext before that."""
        while self._unsent or self._stream.has_unsent:
            self._broken = True
            taken = await self._stream.write_until_readable(self._unsent, timeout)
            self._broken = False
            self._unsent = self._unsent[taken:]
            if (self._unsent or self._stream.has_unsent) and self._has_plaintext():
                return False
        return True

    def _has_plaintext(self) -> bool:
        """Whether a read would give something (or the end). Records without plaintext are swallowed."""
        if not self._early and not self._at_end:
            self._early = self.read_nowait(RECORD_SIZE) or b""
        return bool(self._early) or self._at_end

    def write_nowait(self, data: bytes | memoryview) -> int:
        self._begin_sending()
        try:
            if self._unsent and not self._flush():
                return 0
            self._unsent = self._encrypt(data)
            self._flush()
            return len(data)
        finally:
            self._end_sending()

    async def wait_writable(self, timeout: float | None, *, or_readable: bool = False) -> bool:
        # Not a matter of sending: meanwhile a reader may send what the protocol wants to answer.
        if self._closed:
            raise _closed_error()
        if or_readable and self._has_plaintext():
            return True
        return await self._stream.wait_writable(timeout, or_readable=or_readable) and self._has_plaintext()

    def _begin_sending(self) -> None:
        if self._closed:
            raise _closed_error()
        if self._broken:
            raise OSError(
                errno.EPIPE, "The TLS connection can't be written to: an earlier write was interrupted"
            )
        self._sending = True
        with self._sending_lock:
            pass

    def _end_sending(self) -> None:
        self._sending = False
        if self._state.outgoing.pending:
            self._answer()

    def _answer(self) -> None:
        """Send what TLS itself has to send, if there is no sender and as far as that does not wait."""
        with self._sending_lock:
            if not self._sending and not self._broken and not self._closed:
                with suppress(OSError):  # the next read or write raises it
                    self._flush()

    def _encrypt(self, data: bytes | memoryview) -> bytes:
        unsent, self._unsent = self._unsent, b""
        ciphertext = self._state.encrypt(data)
        return unsent + ciphertext if unsent else ciphertext

    def _flush(self) -> bool:
        """Send without waiting; True if all is out."""
        unsent = self._unsent + self._state.take_outgoing()
        self._unsent = unsent
        if unsent:
            self._unsent = unsent[self._stream.write_nowait(unsent) :]
        return not self._unsent

    def close(self) -> None:
        if self._closed:
            return
        # In a forked child the connection is the parent's, and so is what its keys may say.
        if not self._sending and not self._broken and self._generation == _process.generation:
            with suppress(OSError):  # the peer is gone
                self._unsent += self._state.close_notify()
                self._flush()
        self._closed = True
        self._stream.close()

    def abort(self) -> None:
        self._closed = True
        self._stream.abort()


async def start_tls(
    stream: Stream,
    context: ssl.SSLContext,
    server_hostname: str,
    timeout: float | None,
    *,
    now: Clock = time.monotonic,
) -> TLSStream:
    """Do a TLS handshake as the client over a connected stream.

    The certificate is checked as ``context`` says, against ``server_hostname`` (a name in ASCII, or an IP
    address). ``timeout`` limits the whole of it, in seconds. If it fails, the stream is closed. Raises
    ssl.SSLError, another OSError (the connection broke), or OperationTimeout.
    """
    start = now()
    try:
        state = make_state(context, server_hostname)
        received = b""
        while True:
            done, outgoing = handshake_step(stream, state, received)
            if outgoing:
                await stream.write(outgoing, remaining(timeout, start, now()))
            if done:
                return TLSStream(stream, state, now)
            received = await stream.read(READ_SIZE, remaining(timeout, start, now()))
            if not received:
                raise ConnectionResetError(errno.ECONNRESET, CLOSED_IN_HANDSHAKE)
    except BaseException:
        stream.close()
        raise


def is_tls_error(exc: OSError) -> bool:
    """Whether it is about TLS, not about the connection below."""
    return isinstance(exc, ssl.SSLError)


def make_state(context: ssl.SSLContext, server_hostname: str) -> TLSState:
    """A `TLSState` for this peer. Raises OSError where the name can't be one."""
    name = server_hostname.strip("[]").partition("%")[0].removesuffix(".")
    try:
        return TLSState(context, name)
    except ValueError as exc:  # includes UnicodeError
        raise OSError(errno.EINVAL, f"TLS can't be started with the host {server_hostname!r}: {exc}") from exc


def handshake_step(stream: Stream, state: TLSState, received: bytes) -> tuple[bool, bytes]:
    """One step of the handshake; if it fails, the alert is sent if that does not wait."""
    try:
        return state.handshake(received)
    except OSError as exc:
        with suppress(OSError):
            stream.write_nowait(state.take_outgoing())
        if isinstance(exc, ssl.SSLZeroReturnError | ssl.SSLEOFError):
            raise ConnectionResetError(errno.ECONNRESET, CLOSED_IN_HANDSHAKE) from exc
        raise
