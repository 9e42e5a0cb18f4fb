"""One call of a WSGI application (PEP 3333), in steps that block: `open`, `next_chunk`, `close`.

The application's iterable advances by a step only when the client wants one, and is closed exactly once,
whatever happens. There are no event loops or threads here.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from http3_models.engine import CONTROL_CHARACTERS, short_repr

from .._errors import Malformed
from .response import ClientDisconnected, Head, checked_fields, checked_status, cut, invalid
from .wsgi_environ import make_environ, make_input

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from http3_models.engine import RequestState

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType]

_STATUS = re.compile(rf"[1-9][0-9]{{2}}(?: [^{CONTROL_CHARACTERS}]*)?")

_END: Any = object()


class WSGICall:
    """The steps. ``read_chunk``: the request's body; ``raises``: the app's exceptions are the client's."""

    __slots__ = (
        "_committed",
        "_head",
        "_iterable",
        "_iterator",
        "_pieces",
        "_raises",
        "_read_chunk",
        "_reported",
        "_request",
        "_upload_error",
        "is_open",
    )

    def __init__(self, request: RequestState, read_chunk: Callable[[], bytes], *, raises: bool) -> None:
        self._request = request
        self._read_chunk = read_chunk
        self._raises = raises
        self._head: Head | None = None
        self._committed = False  # a part of the body is there: the head can't be replaced any more
        self._pieces: deque[bytes] = deque()  # given to `write`, or the first one; not yet taken
        self._iterable: Iterable[bytes] = ()
        self._iterator: Iterator[bytes] = iter(())
        self.is_open = True
        self._upload_error: Exception | None = None
        self._reported: BaseException | None = None  # by ``exc_info``, to be raised after this step

    def open(self, app: Callable[..., Any], script_name: str, remote_addr: str) -> Head | None:
        """Call the application, up to the first part of its body.

        Returns the head; None where the application failed before, and is to be answered for. Raises the
        application's exception, RemoteProtocolError, and what the request's body raises.
        """
        try:
            self._begin(app, script_name, remote_addr)
        except Exception as exc:  # noqa: BLE001 (raised again by `_fail`)
            self._fail(exc)
            return None
        except BaseException:
            self.close_quietly()
            raise
        return self._head

    def next_chunk(self) -> bytes:
        """The next part of the body, b"" at its end. Raises as `open`."""
        try:
            return self._advance()
        except Exception as exc:
            self._fail(exc)
            raise cut(self._request, f"the application failed with {type(exc).__name__}: {exc}") from exc
        except BaseException:
            self.close_quietly()
            raise

    def close(self) -> None:
        """End the application's iterable. Idempotent. Raises what its ``close`` raises."""
        self._reported = None
        if self.is_open:
            self.is_open = False
            self._pieces.clear()
            close = getattr(self._iterable, "close", None)
            self._iterable = self._iterator = iter(())
            if close is not None:
                close()

    # The steps of the application.

    def _begin(self, app: Callable[..., Any], script_name: str, remote_addr: str) -> None:
        request = self._request
        body = make_input(request.body.data, self._read_upload)
        iterable = app(make_environ(request, body, script_name, remote_addr), self._start_response)
        if not isinstance(iterable, Iterable) and not hasattr(iterable, "__getitem__"):
            _discard(iterable)
            raise TypeError(f"a WSGI application must return an iterable, not {type(iterable).__name__}")
        self._iterable = iterable
        self._iterator = iter(iterable)
        self._check_step()
        while not self._pieces:
            piece = self._next_piece()
            if piece is _END:
                break
            if piece:
                self._pieces.append(piece)
        head = self._head
        if head is None:
            raise Malformed("The application did not call start_response")
        self._committed = True
        if not head.allows_body:
            self.close()

    def _advance(self) -> bytes:
        head = self._head
        assert head is not None
        while self.is_open:
            piece = self._pieces.popleft() if self._pieces else self._next_piece()
            if piece is _END:
                self.close()
                head.check_end()
            elif piece:
                head.count(len(piece))
                return piece
        return b""

    def _next_piece(self) -> Any:
        piece = next(self._iterator, _END)
        self._check_step()
        if self._pieces:  # `write` was called meanwhile, which comes first
            if piece is not _END:
                self._pieces.append(_as_bytes(piece))
            return b""
        if piece is _END:
            return _END
        if piece and self._head is None:
            raise Malformed("The application sent a body before it called start_response")
        return _as_bytes(piece)

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """PEP 3333's ``start_response``."""
        try:
            if exc_info:
                self._note(_error_of(exc_info))
            elif self._head is not None:
                raise Malformed("The application called start_response twice, without exc_info")
        finally:
            exc_info = None  # it holds frames that hold it
        self._head = _make_head(self._request.method, status, headers)
        return self._write

    def _note(self, error: BaseException | None) -> None:
        """What the application says it failed with. It is raised here if the head can't be replaced any more;
        else by `_check_step`, unless the application's own error page is wanted."""
        try:
            if error is not None and self._raises:
                self._reported = error
            if self._committed:
                raise error or Malformed("The application called start_response after its head was sent")
        finally:
            del error  # with its traceback and this frame it would be a cycle

    def _write(self, data: bytes) -> None:
        """PEP 3333's ``write``: what it is given waits here until the client takes it."""
        data = _as_bytes(data)
        if data:
            self._committed = True
            self._pieces.append(data)

    def _read_upload(self) -> bytes:
        """A chunk of the request's body, for ``wsgi.input``."""
        try:
            return self._read_chunk()
        except Exception as exc:
            self._upload_error = exc
            raise ClientDisconnected("the client's request broke off") from exc

    def _check_step(self) -> None:
        """Raise the error of the request's body, or the one given as ``exc_info``, even if the application
        has handled it: it is the result of the call."""
        if self._upload_error is not None:
            raise self._upload_error
        if self._reported is not None:
            raise self._taken_report()

    def _taken_report(self) -> BaseException:
        reported, self._reported = self._reported, None
        assert reported is not None
        return reported

    # When it fails.

    def _fail(self, exc: Exception) -> None:
        """Close, and raise what the client is to see for ``exc``; returns where a server answers for it."""
        failure = self._failure(exc)
        try:
            if failure is exc:
                raise exc
            if failure is not None:
                raise failure from exc
        finally:
            del failure, exc  # with their tracebacks and this frame they would be a cycle

    def _failure(self, exc: Exception) -> Exception | None:
        """Close, and say what the client is to see for ``exc``; None: what a server says of it."""
        self.close_quietly()
        upload_error, self._upload_error = self._upload_error, None
        if upload_error is not None:
            return upload_error
        if self._raises or self._committed:
            if isinstance(exc, Malformed):
                return invalid(self._request, exc)
            if self._raises:
                return exc
        return None

    def close_early(self) -> None:
        """`close` for a client that goes away early."""
        try:
            self.close()
        except Exception:
            if self._raises:
                raise

    def close_quietly(self) -> None:
        """`close` when there is a failure to report already; a second one would only hide it."""
        try:
            self.close()
        except Exception:  # noqa: BLE001 (an application may raise anything)
            pass


def _make_head(method: str, status: object, headers: object) -> Head:
    if not isinstance(status, str) or _STATUS.fullmatch(status) is None:
        raise Malformed(f"The application's status must be like '200 OK', not {short_repr(status)}")
    if not isinstance(headers, list):
        raise Malformed(f"The application's headers must be a list, not {type(headers).__name__}")
    fields = checked_fields([_as_field(field) for field in headers])
    return Head(method, checked_status(int(status[:3])), fields, status[4:].strip())


def _error_of(exc_info: object) -> BaseException | None:
    """The exception in what `sys.exc_info` gave; None where none was being handled. Raises Malformed."""
    if not isinstance(exc_info, tuple) or len(exc_info) != 3:
        raise Malformed(f"exc_info must be what sys.exc_info() returns, not {type(exc_info).__name__}")
    error, traceback = exc_info[1:]
    if error is None:
        return None
    if not isinstance(error, BaseException):
        raise Malformed(f"exc_info must hold an exception, not {type(error).__name__}")
    return error.with_traceback(traceback)


def _as_field(field: object) -> tuple[bytes, bytes]:
    if isinstance(field, tuple) and len(field) == 2:
        name, value = field
        if isinstance(name, str) and isinstance(value, str):
            try:
                return name.encode("latin-1"), value.encode("latin-1")
            except UnicodeEncodeError as exc:
                raise Malformed(
                    f"The application's header {short_repr(name)} has characters beyond latin-1"
                ) from exc
    raise Malformed(f"The application's headers must hold pairs of str, not {short_repr(field)}")


def _as_bytes(piece: object) -> bytes:
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, bytearray | memoryview):
        return bytes(piece)
    raise Malformed(f"The application's body must be bytes, not {type(piece).__name__}")


def _discard(result: object) -> None:
    """A coroutine, as an ASGI application returns it, would warn that it was never awaited."""
    if hasattr(result, "__await__") and hasattr(result, "close"):
        result.close()
