"""Where a repository lives: an object store with conditional writes.

A store is anything that has these operations; S3, GCS and Azure are `remote`, a directory is `local`. Keys are
relative to the repository, with `/` and without a leading one.

Requests in threads, whom an interruption does not wait for: one cannot be given up, and may take minutes.
Nobody has told of an object yet that is written so, or it is whole whether it was written or not; the command
line ends the process at once when it finds such a thread.

Bytes of which parts are read now and then: large ones wait in a file, not in memory.
"""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from pkgrel.errors import RepositoryError


class Stale(RepositoryError):
    """Somebody else has changed the object since it was read."""


class Kind(StrEnum):
    """What an object is to caches; decides Cache-Control and, by its name, Content-Type."""

    IMMUTABLE = "immutable"
    """Never changes under its key: packages, by-hash indices, manifests."""
    POINTER = "pointer"
    """Changes in place and must be asked for again: InRelease, repomd.xml, the head."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object that was read."""

    data: bytes
    token: str
    """Names this state of the object in a conditional write; opaque."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in a listing."""

    key: str
    size: int
    """Bytes."""
    modified: float
    """Seconds since the epoch, by the store's clock."""
    token: str = ""
    """As Object.token; listings may be without one."""
    sha256: str = ""
    """As its writer noted it; empty where the store keeps no notes."""


Content = bytes | Path
"""Of an object that is to be written: its bytes, or a file that has them."""


def content_bytes(content: Content) -> bytes:
    """The bytes."""
    return content if isinstance(content, bytes) else content.read_bytes()


class Store(Protocol):
    """The operations; each raises RepositoryError when the store cannot be used."""

    url: str
    """As the user named it, for messages."""

    def get(self, key: str) -> Object | None:
        """The object, or None if there is none."""

    def stat(self, key: str) -> Entry | None:
        """Size, time and state of the object, or None if there is none."""

    def digest(self, key: str) -> str | None:
        """The SHA-256 of the object, noted or else by reading it; None if it is not there."""

    def read_digest(self, key: str) -> str | None:
        """The SHA-256 of the object, by reading it whatever is noted; None if it is not there."""

    def create(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> bool:
        """Write an object that must not exist; False, and nothing written, if it does."""

    def replace(self, key: str, data: Content, kind: Kind, token: str) -> None:
        """Write an object that must still be in the state of the token; Stale if it is not."""

    def overwrite(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> None:
        """Write an object whatever there is."""

    def list(self, prefix: str) -> Iterator[Entry]:
        """The objects whose keys begin with the prefix."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are not there are no error."""

    def sent(self) -> int | None:
        """Bytes that it has taken so far, while requests are under way too; None if nobody knows."""


THREAD_NAME = "pkgrel-upload"
"""How the names of such threads begin."""

T = TypeVar("T")
R = TypeVar("R")


def at_once(do: Callable[[T], R], items: Iterable[T], threads: int) -> list[R]:
    """What is done with each, several at a time, in order; the first error is raised."""
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
    """The same of one thing, in the main thread, where signals come; elsewhere it is just done."""
    if threading.current_thread() is not threading.main_thread():
        return do()
    return at_once(lambda _: do(), [None], 1)[0]


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
