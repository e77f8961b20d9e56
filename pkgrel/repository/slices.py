"""Bytes of which parts are read now and then: large ones wait in a file, not in memory."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from typing import BinaryIO

_LARGE = 1 << 20


class Slices:
    """The bytes; may be read by several threads."""

    def __init__(self, data: bytes) -> None:
        self._data = b""
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()
        if len(data) < _LARGE:
            self._data = data
        else:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it goes with this object
            weakref.finalize(self, self._file.close)
            self._file.write(data)
            self._file.flush()

    def read(self, at: int, size: int) -> bytes:
        """So many bytes from there."""
        if self._file is None:
            return self._data[at : at + size]
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), size, at)
        with self._lock:  # Windows
            self._file.seek(at)
            return self._file.read(size)
