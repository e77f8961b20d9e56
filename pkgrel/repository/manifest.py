"""Manifests: all records of a place in one immutable object, named by its hash.

    table     zstd frame: size, hash, first package and names of each shard
    shard     zstd frame of about 256 packages: {"columns": […], "packages": [[…], …]}
    shard     …

Packages are in the order of the indices, and whether a package starts a shard depends only on its name and version. So
adding a package changes one shard, and the others are copied without being parsed: a channel of 100,000 packages has
400 MB of text. The same packages give the same bytes, whatever the history.

A package is a row, not an object with names; the columns are listed first, so that a later pkgrel can add some. A
manifest of an earlier pkgrel is a single such document, which is split into shards when it is read.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, groupby, pairwise
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from pkgrel.compressors import zstd
from pkgrel.distro import Format
from pkgrel.errors import RepositoryError
from pkgrel.repository import layout, rows, typed
from pkgrel.repository.kind import repository_kind
from pkgrel.repository.record import ALL, STOPPED, Placed, Record
from pkgrel.repository.store import Slices

_LEVEL = 1
_ONE_OF = 256
"""Average number of packages in a shard."""
_TABLE = '{"shards":'
_LARGEST_TABLE = 256 << 20
"""Bytes of text; about 40 for each package."""
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


class Identity(NamedTuple):
    """Identifies a package, and its position in the indices."""

    name: str
    version: str
    architecture: str
    path: str

    @classmethod
    def of(cls, record: Record) -> Identity:
        """The identity of a record."""
        return cls(record.name, record.version, record.architecture, record.path)


class Name(NamedTuple):
    """A package's versions in a shard or manifest, summarised."""

    name: str
    versions: int
    published: int
    """When the last one was published, in seconds since the epoch."""


class _Row(NamedTuple):
    """A shard's row in the table."""

    size: int
    """Bytes of the frame."""
    plain: int
    """Bytes of the text in it."""
    sha256: str
    """Of the frame."""
    name: str
    version: str
    architecture: str
    path: str
    """The identity of the first package."""
    packages: int
    noted: int
    """Packages with an advisory, or not for all hosts."""
    stopped: int
    """Packages that are for no hosts."""
    names: str
    """Lines of `name versions published`."""


_ROW_TYPES = (int, int, str, str, str, str, str, int, int, int, str)


class _Recent:
    """Caches the packages of recently parsed or encoded frames, since a change reads the same shards several times.

    The keys are hashes of the frames' actual bytes, so that a forged table cannot refer to another frame's packages.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: OrderedDict[bytes, tuple[int, tuple[Record, ...]]] = OrderedDict()
        self._lock = Lock()
        self._size = 0

    def get(self, data: bytes) -> tuple[Record, ...] | None:
        digest = hashlib.sha256(data).digest()
        with self._lock:
            if digest not in self._found:
                return None
            self._found.move_to_end(digest)
            return self._found[digest][1]

    def add(self, data: bytes, plain: int, records: tuple[Record, ...]) -> None:
        """Cache a frame with so many bytes of text."""
        digest = hashlib.sha256(data).digest()
        with self._lock:
            self._size += plain - self._found.pop(digest, (0, ()))[0]
            self._found[digest] = plain, records
            while self._size > self._most:
                self._size -= self._found.popitem(last=False)[1][0]


_READ = _Recent(most=16 << 20)


@dataclass(frozen=True, slots=True)
class Shard:
    """Consecutive packages."""

    row: _Row
    source: Slices
    at: int
    """The position of the frame in the source."""
    key: str = layout.MANIFESTS
    """The key of the object, for messages."""

    @property
    def first(self) -> Identity:
        """The identity of the first package."""
        return Identity(*self.row[3:7])

    @property
    def data(self) -> bytes:
        """The frame."""
        return self.source.read(self.at, self.row.size)

    def records(self) -> tuple[Record, ...]:
        """All its packages; RepositoryError if they differ from the table."""
        data = self.data
        known = _READ.get(data)
        found = known or tuple(rows.decode(data, self.row.plain, self.key))
        if not known:
            _READ.add(data, self.row.plain, found)
        if len(found) != self.row.packages or Identity.of(found[0]) != self.first:
            raise typed.damaged(self.key, "a shard is not what its table says")
        return found

    def names(self) -> Iterator[Name]:
        """The names of its packages, each with its versions in this shard."""
        for line in self.row.names.splitlines():
            name, versions, published = line.split(" ")
            yield Name(name, int(versions), int(published))

    def offered_names(self) -> Iterator[Name]:
        """The same, without stopped versions."""
        return _names([record for record in self.records() if record.phase != STOPPED])


@dataclass(frozen=True)
class Manifest:
    """The packages of a place; shards are parsed only when needed."""

    format: Format | None
    """None if there are no packages."""
    shards: tuple[Shard, ...]

    @classmethod
    def of(cls, records: Iterable[Record]) -> Manifest:
        """Make a manifest from packages in any order."""
        given = list(records)
        if not given:
            return cls(None, ())
        format = given[0].format
        given.sort(key=repository_kind(format).order)
        return cls(format, tuple(map(_made, _cut(given))))

    def __len__(self) -> int:
        return sum(shard.row.packages for shard in self.shards)

    def records(self) -> tuple[Record, ...]:
        """All packages, in the order of the indices."""
        return tuple(record for shard in self.shards for record in shard.records())

    def names(self) -> Iterator[Name]:
        """The names of all packages, sorted."""
        return _joined(shard.names() for shard in self.shards)

    def offered_names(self) -> Iterator[Name]:
        """The same, without stopped versions."""
        return _joined(
            shard.offered_names() if shard.row.stopped else shard.names() for shard in self.shards
        )

    def named(self, names: Collection[str]) -> tuple[Record, ...]:
        """The packages with these names; only shards that contain some of them are parsed."""
        wanted = set(names)
        numbers = sorted({number for name in wanted for number in self._range(name)})
        with_some = (
            shard
            for shard in (self.shards[number] for number in numbers)
            if any(found.name in wanted for found in shard.names())
        )
        return tuple(r for shard in with_some for r in shard.records() if r.name in wanted)

    def without(self, other: Manifest) -> tuple[Record, ...]:
        """The packages of those shards that the other manifest does not have."""
        known = {shard.row.sha256 for shard in other.shards}
        shards = (shard for shard in self.shards if shard.row.sha256 not in known)
        return tuple(record for shard in shards for record in shard.records())

    @property
    def offered(self) -> int:
        """The number of packages in indices."""
        return sum(shard.row.packages - shard.row.stopped for shard in self.shards)

    def noted(self) -> tuple[Record, ...]:
        """The packages with an advisory, or not for all hosts."""
        shards = (shard for shard in self.shards if shard.row.noted)
        return tuple(record for shard in shards for record in shard.records() if _is_noted(record))

    def replaced(self, names: Collection[str], records: Sequence[Record]) -> Manifest:
        """Replace all packages of the names by these records; only the affected shards are encoded again."""
        if not self.shards:
            return Manifest.of(records)
        by_shard: dict[int, list[Record]] = {}
        for name in names:
            for number in self._range(name):
                by_shard.setdefault(number, [])
        for record in records:
            by_shard.setdefault(self._number(record), []).append(record)
        gone = set(names)
        made: list[Shard | list[Record]] = []
        for number, shard in enumerate(self.shards):
            if number not in by_shard:
                made.append(shard)
                continue
            left = [r for r in shard.records() if r.name not in gone] + by_shard[number]
            left.sort(key=self.order)
            if left and made and not _begins(left[0]):
                before = made.pop()
                left = [*(before.records() if isinstance(before, Shard) else before), *left]
            made += _cut(left)
        shards = tuple(each if isinstance(each, Shard) else _made(each) for each in made)
        return Manifest(self.format, shards) if shards else Manifest(None, ())

    def write(self, folder: Path) -> tuple[str, Path]:
        """Write the object to the folder; returns its hash and the file."""
        file = folder / "manifest"
        sha256 = hashlib.sha256()
        with file.open("wb") as out:
            for part in self._parts():
                out.write(part)
                sha256.update(part)
        named = folder / f"manifest-{sha256.hexdigest()}"
        return sha256.hexdigest(), file.replace(named)

    def encode(self) -> bytes:
        """The content of the object."""
        return b"".join(self._parts())

    def _parts(self) -> Iterator[bytes]:
        table = _JSON.encode([list(shard.row) for shard in self.shards])
        yield _packed(f'{_TABLE}{table},"format":"{self.format or ""}"}}')
        for shard in self.shards:
            yield shard.data

    @property
    def order(self) -> Callable[[Placed], Any]:
        """Sort key in the order of the indices."""
        assert self.format is not None
        return repository_kind(self.format).order

    @cached_property
    def starts(self) -> list[Any]:
        """The sort key of each shard's first package."""
        return [self.order(shard.first) for shard in self.shards]

    @cached_property
    def _first_names(self) -> list[str]:
        return [shard.row.name for shard in self.shards]

    def _range(self, name: str) -> range:
        """Numbers of the shards that may contain packages with the name."""
        start = bisect_left(self._first_names, name)
        return range(max(0, start - 1), bisect_right(self._first_names, name))

    def _number(self, package: Placed) -> int:
        """The number of the shard that the package belongs to."""
        return max(0, bisect_right(self.starts, self.order(package)) - 1)


def _names(records: Sequence[Record]) -> Iterator[Name]:
    for name, group in groupby(records, key=lambda record: record.name):
        versions = list(group)
        yield Name(name, len(versions), max(record.published for record in versions))


def _joined(shards: Iterable[Iterable[Name]]) -> Iterator[Name]:
    """Merge the names of consecutive shards."""
    before = Name("", 0, 0)
    for found in chain.from_iterable(shards):
        if found.name == before.name:  # continued from the previous shard
            versions = before.versions + found.versions
            before = Name(found.name, versions, max(before.published, found.published))
            continue
        if before.name:
            yield before
        before = found
    if before.name:
        yield before


def _begins(record: Record) -> bool:
    """Whether a package starts a shard; depends only on the package."""
    return zlib.crc32(f"{record.name} {record.version}".encode()) % _ONE_OF == 0


def _is_noted(record: Record) -> bool:
    return bool(record.advisory) or record.phase != ALL


def _cut(records: Sequence[Record]) -> list[list[Record]]:
    cuts = [number for number, record in enumerate(records) if number and _begins(record)]
    bounds = pairwise([0, *cuts, len(records)]) if records else ()
    return [list(records[start:end]) for start, end in bounds]


def _made(records: Sequence[Record]) -> Shard:
    plain = rows.encode(records)
    data, size = _packed(plain), len(rows.utf8(plain))
    _READ.add(data, size, tuple(records))
    row = _Row(
        len(data),
        size,
        hashlib.sha256(data).hexdigest(),
        *Identity.of(records[0]),
        len(records),
        sum(map(_is_noted, records)),
        sum(record.phase == STOPPED for record in records),
        "\n".join(" ".join(map(str, name)) for name in _names(records)),
    )
    return Shard(row, Slices(data), 0)


def _packed(plain: str) -> bytes:
    return zstd.compress(rows.utf8(plain), _LEVEL)


def encode(records: Sequence[Record]) -> bytes:
    """The content of an object; the same records in any order give the same bytes."""
    return Manifest.of(records).encode()


def decode(data: bytes, sha256: str) -> tuple[Record, ...]:
    """All records; RepositoryError if the data do not have this hash, or are not a manifest."""
    return read(data, sha256).records()


def read(data: bytes, sha256: str) -> Manifest:
    """The manifest; RepositoryError if the data do not have this hash, or are not a manifest."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise RepositoryError(
            f"manifest `{sha256[:12]}…` is damaged",
            hint="restore the object from a backup, or `pkgrel repo rollback` to an earlier state",
        )
    key = layout.manifest_key(sha256)
    if not rows.begins_with(data, _TABLE):
        return Manifest.of(rows.decode(data, 0, key))
    text, size = rows.first_frame(data, _LARGEST_TABLE, key)
    return _from_table(typed.load(text, key), Slices(data), size, len(data), key)


def _from_table(document: Any, source: Slices, at: int, end: int, key: str) -> Manifest:
    table = document.get("shards") if type(document) is dict else None
    if type(table) is not list or document.get("format") not in ("", *map(str, Format)):
        raise typed.damaged(key, "it is not a table of packages")
    format = Format(document["format"]) if document["format"] else None
    shards, plain = [], 0
    for values in table:
        if type(values) is not list or tuple(map(type, values)) != _ROW_TYPES:
            raise typed.damaged(key, "a shard that is not as it should be")
        row = _Row(*values)
        if (
            not rows.are_identities(row[3:7], row.names)
            or min(row.size, row.plain, row.packages) < 1
        ):
            raise typed.damaged(key, "a shard with odd names or sizes")
        shards.append(Shard(row, source, at, key))
        at += row.size
        plain += row.plain
    if at != end or plain > rows.most(end) or bool(shards) != bool(format):
        raise typed.damaged(key, "its shards are not those of its table")
    manifest = Manifest(format, tuple(shards))
    if shards and manifest.starts != sorted(manifest.starts):
        raise typed.damaged(key, "its shards are in no order")
    return manifest


def paths(data: bytes, sha256: str) -> set[str]:
    """Only the keys of the package files; RepositoryError as in `decode`."""
    manifest = read(data, sha256)
    key = layout.manifest_key(sha256)
    return {p for each in manifest.shards for p in rows.paths(each.data, each.row.plain, key)}
