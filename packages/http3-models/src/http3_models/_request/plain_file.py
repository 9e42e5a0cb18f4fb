"""Files that a kernel can send by itself (sendfile): regular ones, whose objects add nothing to the bytes on
the disk.

A file object is free to give something else than its descriptor: what a gzip stream holds is decompressed, a
spooled file may not be on the disk at all, a subclass does as it likes. So the types are looked at, and those
known to be plain are named.
"""

from __future__ import annotations

import io
import os
import stat

_BUFFERED = (io.BufferedReader, io.BufferedRandom)


def open_descriptor(file: object) -> int | None:
    """A new descriptor for the file, for the caller to close; None unless it is a plain file.

    What was written to the file object before is on its way to the kernel then. A descriptor of our own stays
    what it is when the file is closed meanwhile; the number of the file's own might be another file's then.
    Raises ValueError if the file is closed, OSError if there are no descriptors left.
    """
    if type(file).__module__ == "tempfile":
        file = getattr(file, "file", file)  # NamedTemporaryFile's wrapper, whose content this is
    raw: object = getattr(file, "raw", None) if type(file) in _BUFFERED else file
    if type(raw) is not io.FileIO or not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        return None
    if type(file) is io.BufferedRandom:
        file.flush()
    return os.dup(raw.fileno())
