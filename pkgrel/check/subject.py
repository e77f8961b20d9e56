"""The subject of the checks, the rules, and their findings.

Contents that rules read, small files and programs of any size, are kept in a temporary file. Compiled and compressed
files are not kept, and never more than LIMIT in all: a package of a few kilobytes can unpack to terabytes.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pkgrel import scratch
from pkgrel.artifact import Artifact, Entry, Kind, Take
from pkgrel.content import Slice
from pkgrel.distro import Distro, Format
from pkgrel.formats import package_format
from pkgrel.formats.encoding import ARCHITECTURES
from pkgrel.release import elf
from pkgrel.release.model import NativeFile, Role

LIMIT = 1 << 30
"""The most bytes kept of one package."""

SMALL = 1 << 20
"""The largest file that is taken for text."""

_NOT_TEXT = frozenset(".beam .boot .gz .xz .zst .bz2 .zip .png .jpg .ico .woff2".split())


@dataclass(slots=True)
class Contents:
    """Kept contents by path."""

    file: Path
    kept: dict[PurePosixPath, Slice] = field(default_factory=dict)
    programs: dict[PurePosixPath, bytes] = field(default_factory=dict)
    """The first bytes of files with machine code, for any system."""
    unread: list[PurePosixPath] = field(default_factory=list)
    """Paths of files that were too large."""
    end: int = 0

    def read(self, path: PurePosixPath) -> bytes:
        """The content; empty if it was not kept."""
        return b"".join(self.kept[path].chunks()) if path in self.kept else b""

    def add_hard_links(self, entries: Iterable[Entry]) -> None:
        """Copy a content to all hard links of its file: a package has it under one of them."""
        several = [entry for entry in entries if entry.sha256]
        known = {entry.sha256: entry.path for entry in several if entry.path in self.kept}
        for entry in several:
            if entry.path not in self.kept and (twin := known.get(entry.sha256)):
                self.kept[entry.path] = self.kept[twin]


@contextmanager
def keeping() -> Iterator[tuple[Contents, Take]]:
    """An empty Contents, and the `take` for `artifact.read` that fills it."""
    with scratch.folder() as folder:
        contents = Contents(Path(folder, "contents"))
        with contents.file.open("w+b", buffering=0) as out:

            def take(path: PurePosixPath, size: int) -> Callable[[bytes | memoryview], None] | None:
                if not size or path.suffix in _NOT_TEXT:
                    return None
                if contents.end + size > LIMIT:
                    contents.unread.append(path)
                    return None
                return _Taking(contents, out, path, size).piece

            yield contents, take


@dataclass(slots=True)
class _Taking:
    """Collects one file, and drops it if its first bytes show that it is of no interest."""

    contents: Contents
    out: BinaryIO
    path: PurePosixPath
    size: int
    head: bytes = b""
    start: int = 0

    def __post_init__(self) -> None:
        self.start = self.contents.end
        self.contents.end += self.size
        self.contents.kept[self.path] = Slice(self.contents.file, self.start, self.size, "")

    def piece(self, data: bytes | memoryview) -> None:
        if self.path not in self.contents.kept:
            return
        if len(self.head) < elf.MAGIC_SIZE:
            self.head += bytes(data[: elf.MAGIC_SIZE - len(self.head)])
            if len(self.head) == elf.MAGIC_SIZE and not self._wanted():
                return
        while data:  # an unbuffered file may write only a part
            data = data[self.out.write(data) :]

    def _wanted(self) -> bool:
        if elf.is_program(self.head):
            self.contents.programs[self.path] = self.head
        elif self.size > SMALL:
            del self.contents.kept[self.path]
            self.contents.end = self.start
            self.out.seek(self.start)
            return False
        return True


_CONTAINERS = (
    *("/opt", "/srv", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/share", "/lib"),
    *("/etc", "/usr/local", "/usr/local/lib", "/var/lib", "/home"),
)
"""Directories in which a package has a folder of its name."""

_UNMERGED = frozenset(["bin", "sbin", "lib", "lib32", "lib64"])
_OF_A_RELEASE = re.compile(r"(/.+?)/releases/(?:start_erl\.data|[^/]+/[^/]+\.rel)")
_RELEASES = 8
"""The most releases in a package; each costs time with every entry."""
_HOPS = 40
"""The most symlinks that Linux follows, path_resolution(7)."""


def merged(path: PurePosixPath) -> PurePosixPath:
    """The path on a system whose /bin, /sbin and /lib are links into /usr; file-hierarchy(7)."""
    if _UNMERGED.isdisjoint(path.parts[1:2]):
        return path
    return PurePosixPath("/usr", *path.parts[1:])


def below(path: PurePosixPath, *folders: object) -> bool:
    """Whether it is one of the folders or below one; Path.is_relative_to is ten times slower."""
    return f"{path}/".startswith(tuple(f"{folder}/" for folder in folders))


@dataclass(frozen=True)
class Subject:
    """The argument of every rule."""

    artifact: Artifact
    distro: Distro | None
    """The package's distro, if known."""
    contents: Contents
    key: bytes = b""
    """Public keys, one of which should have signed it; empty if signatures are not checked."""
    before: Artifact | None = None
    """The package of the previous version, if given."""

    @cached_property
    def entries(self) -> dict[PurePosixPath, Entry]:
        """By path, as on a system with a merged /usr."""
        return {merged(entry.path): entry for entry in self.artifact.entries}

    @cached_property
    def files(self) -> tuple[Entry, ...]:
        """Regular files, under each of their names."""
        return tuple(e for e in self.artifact.entries if e.kind in (Kind.FILE, Kind.HARDLINK))

    def text(self, path: PurePosixPath) -> str:
        """The content of a small text file; empty for other files."""
        kept = self.contents.kept.get(path)
        if kept is None or kept.size > SMALL or path in self.contents.programs:
            return ""
        return self.contents.read(path).decode(errors="replace")

    def texts(self) -> Iterator[tuple[Entry, str]]:
        """All small files that are not programs."""
        for entry in self.files:
            if text := self.text(entry.path):
                yield entry, text

    def find(self, path: PurePosixPath) -> Entry | None:
        """The entry that a path resolves to, following the package's symlinks."""
        end = self.resolve(path)
        return self.entries.get(end) if end else None

    def resolve(self, path: PurePosixPath) -> PurePosixPath | None:
        """The resolved path; None for a cycle. Each link is followed only once, however many paths use it."""
        root = PurePosixPath("/")
        opened: list[PurePosixPath] = []
        while True:
            if opened:
                target = PurePosixPath(self.entries[opened[-1]].target)
                absolute = target.is_absolute()
                here = root if absolute else opened[-1].parent
                found = self._walk(here, target.parts[1:] if absolute else target.parts)
            else:
                found = self._walk(root, path.parts[1:])
            if isinstance(found, PurePosixPath):
                self._ends[found] = (None, 0)
                opened.append(found)
                continue
            end, hops = found
            if not opened:
                return end
            self._ends[opened.pop()] = (end if hops < _HOPS else None, hops + 1)

    def _walk(
        self, here: PurePosixPath, parts: tuple[str, ...]
    ) -> tuple[PurePosixPath | None, int] | PurePosixPath:
        """Where a path leads to from here, and over how many links; or one of them whose end is not known yet."""
        hops = 0
        for part in parts:
            here = here.parent if part == ".." else merged(here / part)
            entry = self.entries.get(here)
            if entry is None or entry.kind is not Kind.SYMLINK:
                continue
            if here not in self._ends:
                return here
            end, more = self._ends[here]
            hops += more
            if end is None or hops > _HOPS:
                return None, hops
            here = end
        return here, hops

    @cached_property
    def _ends(self) -> dict[PurePosixPath, tuple[PurePosixPath | None, int]]:
        """Where links lead to, and over how many of them; nowhere while one is being followed."""
        return {}

    def is_folder(self, path: PurePosixPath) -> bool:
        """Whether there are entries below the path, which need not be an entry itself."""
        below = f"{path}/"
        at = bisect_left(self._sorted, below)
        return at < len(self._sorted) and self._sorted[at].startswith(below)

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(map(str, self.entries))

    def would_bring(self, path: PurePosixPath) -> bool:
        """Whether the path is below a folder of the package's name, so that no other package has it."""
        return below(merged(path), *self._folders)

    @cached_property
    def _folders(self) -> tuple[PurePosixPath, ...]:
        named = (merged(PurePosixPath(folder, self.artifact.name)) for folder in _CONTAINERS)
        return (*named, *self.releases)

    @cached_property
    def releases(self) -> tuple[PurePosixPath, ...]:
        """The roots of Erlang releases: the folders with `releases/start_erl.data` or a .rel file."""
        roots = {match[1] for e in self.files if (match := _OF_A_RELEASE.fullmatch(str(e.path)))}
        return tuple(map(PurePosixPath, sorted(roots)[:_RELEASES]))

    @cached_property
    def architecture(self) -> str:
        """The kernel's name of the package's architecture; `noarch`, or empty for an unknown one."""
        said = self.artifact.architecture
        named = package_format(self.artifact.format).architecture
        return next((row.kernel for row in ARCHITECTURES if named(row.kernel) == said), "")

    @cached_property
    def native(self) -> tuple[NativeFile, ...]:
        """Programs and libraries of Linux."""
        return tuple(native for _, native in self._elf if native)

    @cached_property
    def damaged(self) -> tuple[PurePosixPath, ...]:
        """Files with the magic number of ELF that are not valid ELF files."""
        return tuple(path for path, native in self._elf if native is None)

    @cached_property
    def _elf(self) -> list[tuple[PurePosixPath, NativeFile | None]]:
        found: list[tuple[PurePosixPath, NativeFile | None]] = []
        for path, start in self.contents.programs.items():
            if start != elf.ELF:
                continue
            try:
                header = elf.read(self.contents.kept[path])
            except elf.Malformed:
                found.append((path, None))
                continue
            if header.type in (elf.Type.EXECUTABLE, elf.Type.SHARED):
                found.append((path, _native(path, self.contents.kept[path].size, header)))
        return found


def _native(path: PurePosixPath, size: int, header: elf.Elf) -> NativeFile:
    return NativeFile(
        path=str(path),
        role=Role.PORT if header.interpreter else Role.NIF,
        architecture=header.architecture,
        size=size,
        soname=header.soname,
        needed=header.needed,
        versions=header.versions,
        search=header.search,
        interpreter=header.interpreter,
    )


class Severity(StrEnum):
    """The severity of a rule."""

    ERROR = "error"
    """It breaks the service or the host, or makes it insecure."""
    WARNING = "warning"
    """It is legal, but rarely intended."""


Hit = tuple[object, str]
"""A path in the package, or the name of a maintainer script, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule that packages are checked against."""

    id: str
    severity: Severity
    source: str
    """The source of the rule: a section of Debian Policy, a manual page."""
    remedy: str
    """Imperative, lower case, without a final period."""
    find: Callable[[Subject], Iterator[Hit]]
    formats: tuple[Format, ...] = tuple(Format)
    """The formats that it applies to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One defect of a package."""

    severity: Severity
    rule: str
    path: str
    what: str
    remedy: str
    source: str
