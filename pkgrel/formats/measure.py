"""Sizes and digests of bytes on their way into a file."""

import hashlib
from typing import BinaryIO


class Measure:
    """Counts what passes, and hashes it if it is to have a digest."""

    def __init__(self, *, digest: bool) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256() if digest else None

    def update(self, data: bytes) -> None:
        """Take in some more."""
        self.size += len(data)
        if self._sha256:
            self._sha256.update(data)

    def copy(self) -> "Measure":
        """Another one that has seen the same."""
        other = Measure(digest=False)
        other.size = self.size
        other._sha256 = self._sha256.copy() if self._sha256 else None
        return other

    @property
    def sha256(self) -> str:
        """SHA-256 in hexadecimal; only of what has a digest."""
        assert self._sha256
        return self._sha256.hexdigest()


class MeasuredFile:
    """A file that measures what is written to it."""

    def __init__(self, file: BinaryIO, measure: Measure) -> None:
        self._file = file
        self._measure = measure

    def write(self, data: bytes) -> None:
        """Write all of it."""
        self._measure.update(data)
        self._file.write(data)
