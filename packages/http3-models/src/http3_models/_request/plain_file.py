"""Files that the kernel can send (sendfile): regular files, read by objects that do not change their bytes.

What a file object returns may differ from the file of its descriptor: a gzip stream decompresses, a spooled
file may not be on the disk, a subclass may do anything. So only objects of the types named here count.
"""

from __future__ import annotations

import io
import os
import stat

_BUFFERED = (io.BufferedReader, io.BufferedRandom)


def open_descriptor(file: object) -> int | None:
    """A new descriptor of the file, for the caller to close; None unless it is a plain file.

    What was written to the file object is flushed. A duplicate stays valid if the file object is closed
    meanwhile; the file's own descriptor might then be another file's. Raises ValueError if the file is
    closed, OSError if there are no descriptors left.
    """
    if type(file).__module__ == "tempfile":
        file = getattr(file, "file", file)  # inside the wrapper of NamedTemporaryFile
    raw: object = getattr(file, "raw", None) if type(file) in _BUFFERED else file
    if type(raw) is not io.FileIO or not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        return None
    if type(file) is io.BufferedRandom:
        file.flush()
    return os.dup(raw.fileno())
