"""Compressors that stop, fork and go on: one compressed prefix, a different end for each package.

    prefix = compressor.start(out, level)
    prefix.write(tree)              # any number of times
    prefix.complete()
    tail = prefix.fork(other_out)   # any number of times
    tail.write(extra)
    tail.finish()

What the prefix and one tail have written, joined, is a single gzip member, xz stream or zstd frame,
because dpkg silently installs only the first one's files when there are more.
"""

from importlib import import_module
from typing import Protocol

from pkgrel.package import Compression


class Sink(Protocol):
    """Whatever takes bytes."""

    def write(self, data: bytes, /) -> object:
        """Take all of them."""


class Tail(Protocol):
    """The end of a compressed stream."""

    def write(self, data: bytes) -> None:
        """Compress some more."""

    def finish(self) -> None:
        """Write what is still held back and the end of the stream."""


class Prefix(Protocol):
    """The beginning of a compressed stream."""

    def write(self, data: bytes) -> None:
        """Compress some more."""

    def complete(self) -> None:
        """Write what is still held back."""

    def fork(self, out: Sink) -> Tail:
        """Go on in `out`, once the prefix is complete."""


class Compressor(Protocol):
    """A module of this package."""

    SUFFIX: str
    """What dpkg expects behind `data.tar.`."""
    DEFAULT_LEVEL: int
    LONGEST_TAIL: float
    """Bytes behind the prefix up to which the tail is small enough."""

    def start(self, out: Sink, level: int) -> Prefix:
        """Begin a compressed stream in `out`."""


def compressor(compression: Compression) -> Compressor:
    """Find the module; only the one that is needed is imported, each costs milliseconds."""
    module: Compressor = import_module(f"{__name__}.{compression.value}")
    return module


def level_of(compression: Compression, level: int | None) -> int:
    """The level, or the compressor's default."""
    return compressor(compression).DEFAULT_LEVEL if level is None else level
