"""The files of a release as one consistent tree, whatever they were read from.

A tarball lists members in any order, some twice, often without directories, perhaps all below one
directory; a tree has every path once, every parent, and no link that leaves it. Names are relative,
printable UTF-8, without `.` and `..`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pkgrel.console import one_line
from pkgrel.content import Slice
from pkgrel.errors import ReleaseError
from pkgrel.limits import LIMITS, Limits
from pkgrel.release import elf, hints, links
from pkgrel.release.model import Directory, Entry, File, HardLink, Symlink

LANDMARK = "releases/start_erl.data"
"""Every kind of release has it: the versions of the runtime system and of the release."""


@dataclass(slots=True)
class Found:
    """An entry as it was found, with what the model does not keep."""

    entry: Entry
    mtime: int
    start: bytes = b""
    """The first bytes of a file."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A complete and safe tree."""

    entries: Mapping[str, Entry]
    """By path, sorted."""
    programs: Mapping[Slice, bytes]
    """The first bytes of each content that is machine code of any system."""
    newest: int
    """Newest modification time of a file, seconds since the epoch."""
    limits: Limits = LIMITS
    """What may be read of it."""

    def file(self, path: str) -> File | None:
        """Return the file at `path`, which may be a link to it."""
        entry = self.entries.get(links.follow(path, self.entries))
        return entry if isinstance(entry, File) else None

    def files(self) -> Iterator[File]:
        """Every File, sorted by path."""
        return (entry for entry in self.entries.values() if isinstance(entry, File))


def build(found: Iterable[Found], limits: Limits) -> Tree:
    """Check and complete what was found."""
    entries: dict[str, Entry] = {}
    programs: dict[Slice, bytes] = {}
    newest = 0
    for item in found:
        if not item.entry.path:  # the release's own directory
            continue
        _add(item.entry, entries)
        if isinstance(item.entry, File):
            if elf.is_program(item.start):
                programs[item.entry.content] = item.start
            newest = max(newest, item.mtime)
        _refuse_too_many(entries, limits)
    root = _root(entries)
    if root:
        entries = _below(root, entries)
    links.name_once(entries)
    _add_parents(entries, limits)
    links.refuse_escapes(entries, limits)
    return Tree(dict(sorted(entries.items())), programs, newest, limits)


def _add(entry: Entry, entries: dict[str, Entry]) -> None:
    """Accept a member that comes twice, as every overlay of `mix release` does, if it is the same.

    Of two modes the later wins, as it does when tar extracts.
    """
    before = entries.get(entry.path)
    match before, entry:
        case (None, _) | (Directory(), Directory()):
            pass
        case File(), File() if _same(before.content, entry.content):
            pass
        case (Symlink(), Symlink()) | (HardLink(), HardLink()) if before == entry:
            pass
        case _, HardLink(target=target) if target == entry.path:
            return  # GNU tar writes a second mention of a linked file so
        case _:
            raise ReleaseError(
                f"the member `{entry.path}` comes twice, and differs",
                hint=hints.ANEW,
            )
    entries[entry.path] = entry


def _same(one: Slice, other: Slice) -> bool:
    return one.size == other.size and one.sha256 == other.sha256


def _refuse_too_many(entries: Mapping[str, Entry], limits: Limits) -> None:
    if len(entries) > limits.entries:
        raise ReleaseError(
            f"more than {limits.entries} files and directories",
            hint="leave out what the release does not need, such as `node_modules`",
        )


def _root(entries: Mapping[str, Entry]) -> str:
    """Return `hello/` if everything is below one directory `hello` that holds a release."""
    if LANDMARK in entries:
        return ""
    top = next(iter(entries), "").partition("/")[0] + "/"
    if f"{top}{LANDMARK}" in entries and all(f"{path}/".startswith(top) for path in entries):
        return top
    inside = next((path for path in entries if path.endswith(f"/{LANDMARK}")), "")
    but = f", but `{inside}`" if inside else ""
    raise ReleaseError(
        f"is not an Erlang release: there is no `{LANDMARK}`{but}", hint=hints.RELEASE
    )


def _below(root: str, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    below: dict[str, Entry] = {}
    for path, entry in entries.items():
        if path.startswith(root):
            moved = replace(entry, path=path.removeprefix(root))
            if isinstance(moved, HardLink):
                moved = replace(moved, target=moved.target.removeprefix(root))
            below[moved.path] = moved
    return below


def _add_parents(entries: dict[str, Entry], limits: Limits) -> None:
    checked: set[str] = set()
    for path in list(entries):
        if path.rpartition("/")[0] in checked:
            continue
        for parent in parents(path):
            if parent in checked:
                continue
            if not isinstance(entries.setdefault(parent, Directory(parent, 0o755)), Directory):
                raise ReleaseError(
                    f"`{path}` lies below `{parent}`, which is not a directory",
                    hint="make the tarball anew: writing through a link is refused",
                )
            checked.add(parent)
        _refuse_too_many(entries, limits)


def describe(pieces: Iterable[bytes | memoryview], file: Path, offset: int) -> tuple[Slice, bytes]:
    """Return the slice of `file` that begins at `offset` and has these bytes, and the first few."""
    sha256 = hashlib.sha256()
    size = 0
    start = b""
    for piece in pieces:
        if len(start) < elf.MAGIC_SIZE:
            start += piece[: elf.MAGIC_SIZE - len(start)]
        sha256.update(piece)
        size += len(piece)
    return Slice(file, offset, size, sha256.hexdigest()), start


def read_text(tree: Tree, path: str, largest: int | None = None) -> str:
    """Return the text at `path`, empty if there is none; ReleaseError if it is too large.

    Releases of old write Latin-1, so whatever is not UTF-8 is read as that.
    """
    file = tree.file(path)
    if not file:
        return ""
    limit = tree.limits.text if largest is None else largest
    if file.content.size > limit:
        raise ReleaseError(
            f"`{path}` has {file.content.size} bytes; {limit} are plenty", hint=hints.REBUILD
        )
    data = b"".join(file.content.chunks())
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


# Nothing to clean: the common case is worth one match.
_CLEAN = re.compile(r"[\w@+%=-][\w@+%=.-]*(?:/[\w@+%=-][\w@+%=.-]*)*", re.ASCII)


def decode(raw: bytes) -> str:
    """Turn the bytes of a name into text; ReleaseError if it is not UTF-8 or not printable."""
    try:
        name = raw.decode()
    except UnicodeDecodeError as e:
        raise ReleaseError(
            f"the name `{raw.decode(errors='backslashreplace')}` is not UTF-8", hint=hints.RENAME
        ) from e
    # None has a place in a file name, and all of them can lie on a terminal.
    if one_line(name) != name:
        raise ReleaseError(
            f"the name `{name}` has control characters",
            hint=hints.RENAME,
        )
    return name


def relative(name: str, limits: Limits) -> str:
    """Return `./a//b/` as `a/b`, the root as the empty string; ReleaseError if it is unsafe."""
    if len(name) <= limits.name and _CLEAN.fullmatch(name):
        return name
    if name.startswith("/"):
        raise ReleaseError(f"the name `{name}` is absolute", hint=hints.ANEW)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ReleaseError(
            f"the name `{name}` has `..` in it",
            hint=hints.ANEW,
        )
    path = "/".join(parts)
    if len(path.encode()) > limits.path or any(len(p.encode()) > limits.name for p in parts):
        raise ReleaseError(
            f"the name `{name[:60]}…` is too long: at most {limits.name} bytes between slashes and"
            f" {limits.path} in all",
            hint=hints.RENAME,
        )
    return path


def parents(path: str) -> list[str]:
    """Return the directories above `path`, outermost first."""
    return [path[: slash.start()] for slash in re.finditer("/", path)]
