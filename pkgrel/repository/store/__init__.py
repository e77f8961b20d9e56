"""The interface of stores, where repositories are kept: object stores with conditional writes.

S3, GCS and Azure are in `remote`, a directory is in `local`, SFTP in `ssh`. Keys are relative to the repository,
separated by `/` and without a leading one.

Also runs requests in threads that an interrupt does not wait for, since requests cannot be cancelled and may take
minutes. That is safe: an object that is being written is not referenced yet, or is complete whether the write succeeds
or not. The command line exits at once if such threads are left.

And keeps large data in temporary files, for code that reads parts of them.
"""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from pkgrel.errors import RepositoryError


class Stale(RepositoryError):
    """Another writer has changed the object since it was read."""


class Kind(StrEnum):
    """How caches treat an object; determines Cache-Control, while the name determines Content-Type."""

    IMMUTABLE = "immutable"
    """Never changes: packages, by-hash indices, manifests."""
    POINTER = "pointer"
    """Changes in place and must be revalidated: InRelease, repomd.xml, the head."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object's content, and its token."""

    data: bytes
    token: str
    """Identifies this state of the object in conditional writes; opaque."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in a listing."""

    key: str
    size: int
    """Bytes."""
    modified: float
    """Seconds since the epoch, by the store's clock."""
    token: str = ""
    """As Object.token; may be empty in listings."""
    sha256: str = ""
    """As stored with the object; empty if the store has no metadata."""


Content = bytes | Path
"""Data of an object to write: bytes, or a file."""


def content_bytes(content: Content) -> bytes:
    """The data as bytes."""
    return content if isinstance(content, bytes) else content.read_bytes()


class Store(Protocol):
    """The operations of a store; each raises RepositoryError if the store cannot be used."""

    url: str
    """The URL as the user wrote it, for messages."""

    def get(self, key: str) -> Object | None:
        """The object, or None if it does not exist."""

    def stat(self, key: str) -> Entry | None:
        """Size, time and token of the object, or None if it does not exist."""

    def digest(self, key: str) -> str | None:
        """The SHA-256 of the object, from its metadata or by reading it; None if it does not exist."""

    def read_digest(self, key: str) -> str | None:
        """The SHA-256 of the object, always by reading it; None if it does not exist."""

    def create(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> bool:
        """Write an object if it does not exist; returns False if it does."""

    def replace(self, key: str, data: Content, kind: Kind, token: str) -> None:
        """Write an object if it is still in the token's state; Stale if it is not."""

    def overwrite(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> None:
        """Write an object unconditionally."""

    def list(self, prefix: str) -> Iterator[Entry]:
        """The objects whose keys start with the prefix."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; missing ones are ignored."""

    def sent(self) -> int | None:
        """Bytes received by the store so far, including requests in progress; None if unknown."""


THREAD_NAME = "pkgrel-upload"
"""Prefix of the names of these threads."""

T = TypeVar("T")
R = TypeVar("R")


def at_once(do: Callable[[T], R], items: Iterable[T], threads: int) -> list[R]:
    """Apply `do` to all items in threads; returns the results in order, or raises the first error."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix=THREAD_NAME)
    waits = True
    try:
        return list(pool.map(do, items))
    except (KeyboardInterrupt, SystemExit):
        waits = False
        raise
    finally:
        pool.shutdown(wait=waits, cancel_futures=True)


def interruptible(do: Callable[[], R]) -> R:
    """Run a function in such a thread if called in the main thread, which gets interrupts; otherwise directly."""
    if threading.current_thread() is not threading.main_thread():
        return do()
    return at_once(lambda _: do(), [None], 1)[0]


@contextmanager
def regularly(seconds: float, do: Callable[[], object]) -> Iterator[None]:
    """Call a function in a thread of its own every so many seconds while the block runs."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(seconds):
            do()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


_LARGE = 1 << 20


class Slices:
    """Reads slices of data, also from several threads; large data are in a temporary file."""

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
        """Up to `size` bytes at the offset `at`."""
        if self._file is None:
            return self._data[at : at + size]
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), size, at)
        with self._lock:  # Windows
            self._file.seek(at)
            return self._file.read(size)
