"""Payloads: the release's tree is compressed once, and each package adds a small tail.

    with Payloads() as payloads:
        payloads.start(package, framing)     # in a thread, while something else is done
        payload = payloads.pack(package, framing)
        ... payload.size, payload.sha256 ...
        payload.copy_to(out)

A framing (tar, cpio) turns entries into bytes, a compressor (zstd, xz, gzip) makes them smaller.
Packages with the same framing, compressor, level and tree share the compressed tree; the tail
must continue *the same* zstd frame, xz stream or gzip member, because dpkg silently installs
only the files of the first one. See `docs/architecture.md`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from pkgrel import scratch
from pkgrel.content import CHUNK
from pkgrel.formats.compression import Sink, Tail, compressor, level_of
from pkgrel.package import Compression, Entry, File, Package


class Framing(Protocol):
    """An archive format; equal framings write equal entries as the same bytes."""

    @property
    def digests(self) -> bool:
        """Whether the payload's SHA-256 is needed; it takes time."""

    def frame(self, entries: tuple[Entry, ...], *, first: int, mtime: int) -> Iterable[bytes]:
        """Write entries; the first has the number `first` in the archive, counted from 0."""

    def end(self) -> bytes:
        """The end of the archive."""


class Work(Protocol):
    """What the compression of a tree depends on: a Package, or the draft of one."""

    @property
    def tree(self) -> tuple[Entry, ...]:
        """The entries."""

    @property
    def compression(self) -> Compression:
        """The compressor."""

    @property
    def level(self) -> int | None:
        """The compressor's level; None for its default."""

    @property
    def build_time(self) -> int:
        """The modification time of every entry."""


class Measure:
    """Counts bytes, and hashes them if a digest is needed."""

    def __init__(self, *, digest: bool) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256() if digest else None

    def update(self, data: bytes) -> None:
        """Add some bytes."""
        self.size += len(data)
        if self._sha256:
            self._sha256.update(data)

    def copy(self) -> Measure:
        """An independent copy of the current state."""
        other = Measure(digest=False)
        other.size = self.size
        other._sha256 = self._sha256.copy() if self._sha256 else None
        return other

    @property
    def sha256(self) -> str:
        """SHA-256 in hexadecimal; only if a digest was asked for."""
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


@dataclass(frozen=True, slots=True)
class Payload:
    """A compressed archive in two files, to be joined."""

    files: tuple[Path, Path]
    packed: Measure
    """The bytes of the files."""
    plain: Measure
    """The archive before compression."""

    def chunks(self) -> Iterator[bytes]:
        """Read the compressed archive."""
        for path in self.files:
            with path.open("rb", buffering=0) as file:
                while data := file.read(CHUNK):
                    yield data

    def copy_to(self, out: BinaryIO) -> None:
        """Write the compressed archive."""
        for data in self.chunks():
            out.write(data)


@dataclass(frozen=True, slots=True)
class _Key:
    """What must be equal in two packages, besides the entries, for their compressed trees to be equal."""

    framing: Framing
    compression: Compression
    level: int
    mtime: int


class _Tree:
    """A compressed tree, with which several packages' payloads begin."""

    def __init__(self, entries: tuple[Entry, ...], key: _Key, path: Path, stopped: Event) -> None:
        self.path = path
        self.packed = Measure(digest=key.framing.digests)
        self.plain = Measure(digest=key.framing.digests)
        with path.open("wb") as file:
            out = MeasuredFile(file, self.packed)
            self._stream = compressor(key.compression).start(out, key.level)
            for data in _joined(key.framing.frame(entries, first=0, mtime=key.mtime)):
                if stopped.is_set():
                    break
                self.plain.update(data)
                self._stream.write(data)
            self._stream.complete()

    def fork(self, out: Sink) -> Tail:
        """Continue the payload in `out`."""
        return self._stream.fork(out)


class Payloads:
    """The payloads of one run, and the temporary files that they share."""

    def __init__(self) -> None:
        self._resources = ExitStack()
        self._directory = self._resources.enter_context(scratch.folder())
        self._files = 0
        self._trees: dict[_Key, list[tuple[tuple[Entry, ...], Future[_Tree]]]] = {}
        # One, because a compressor has its own threads.
        self._thread = self._resources.enter_context(ThreadPoolExecutor(1))
        self._stopped = Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.shutdown(cancel_futures=True)
        self._resources.close()

    def start(self, work: Work, framing: Framing) -> None:
        """Compress the tree in a thread; `pack` waits for it, and raises its exceptions."""
        self._tree(work.tree, _key(work, framing))

    def pack(self, package: Package, framing: Framing) -> Payload:
        """Make a package's payload, with the compressed tree of an earlier package if it is the same."""
        shared, rest = _shared_and_rest(package)
        tree = self._tree(shared, _key(package, framing)).result()
        packed, plain = tree.packed.copy(), tree.plain.copy()
        path = self._new_file()
        entries = framing.frame(rest, first=len(shared), mtime=package.build_time)
        with path.open("wb") as file:
            tail = tree.fork(MeasuredFile(file, packed))
            for data in _joined(chain(entries, [framing.end()])):
                plain.update(data)
                tail.write(data)
            tail.finish()
        return Payload((tree.path, path), packed, plain)

    def _tree(self, entries: tuple[Entry, ...], key: _Key) -> Future[_Tree]:
        known = self._trees.setdefault(key, [])
        # Usually the same object; equal tuples of the same entries compare fast as well.
        for others, future in known:
            if others == entries:
                return future
        future = self._thread.submit(_Tree, entries, key, self._new_file(), self._stopped)
        known.append((entries, future))
        return future

    def _new_file(self) -> Path:
        self._files += 1
        return self._directory / str(self._files)


def _key(work: Work, framing: Framing) -> _Key:
    return _Key(framing, work.compression, level_of(work.compression, work.level), work.build_time)


def _shared_and_rest(package: Package) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """The tree and the tail; if the tail would be too large, everything is tree and nothing is shared."""
    size = sum(entry.content.size for entry in package.extra if isinstance(entry, File))
    if size > compressor(package.compression).LONGEST_TAIL:
        return (*package.entries,), ()
    return package.tree, package.extra


def _joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join small pieces, such as headers and padding: hashing and compression have a cost per call."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= CHUNK:
            yield b"".join(held)
            held.clear()
            size = 0
    if held:
        yield b"".join(held)
