"""Builds one consistent tree from the files of a release, whether read from a tarball or a directory.

A tarball lists members in any order, some twice, often without directories, sometimes below one top-level directory.
A tree has every path once, every parent directory, and no link that leaves it. Names are relative, printable UTF-8,
without `.` and `..`.

A package has no symlinks to directories: when a path is a directory in one version and a link in the next, dpkg
silently loses its files and rpm refuses the upgrade. They are replaced by directories whose files are hard links.

Source: dpkg-maintscript-helper(1), dir_to_symlink; Fedora's packaging guidelines, "Directory Replacement".
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pkgrel.console import one_line
from pkgrel.content import Slice
from pkgrel.errors import ReleaseError
from pkgrel.limits import LIMITS, Limits
from pkgrel.release import elf, hints
from pkgrel.release.model import Directory, Entry, File, HardLink, Symlink

_MAX_HOPS = 40
"""The most symlinks that Linux follows (path_resolution(7))."""


def follow(path: str, entries: Mapping[str, Entry]) -> str:
    """Resolve `path` if its last component is a link."""
    for _ in range(_MAX_HOPS):
        match entries.get(path):
            case HardLink(target=target):
                path = target
            case Symlink(target=target):
                path = _beside(path, target)
            case _:
                break
    return path


def link_ends(entries: Mapping[str, Entry]) -> dict[str, str | None]:
    """Resolve every link, in linear time; None for one whose target is not in the release."""
    following = {
        path: _beside(path, entry.target) if isinstance(entry, Symlink) else entry.target
        for path, entry in entries.items()
        if isinstance(entry, HardLink | Symlink)
    }
    found: dict[str, str | None] = {}
    for path in following:
        end = path
        for _ in range(_MAX_HOPS):
            if end not in following:
                break
            end = following[end]
        found[path] = end if end in entries else None
    return found


def _beside(path: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def name_once(entries: dict[str, Entry]) -> None:
    """Make the first name of each hard-linked file the File, and the others HardLinks to it."""
    names: dict[str, list[str]] = {}
    known: dict[str, str] = {}
    for path, entry in entries.items():
        if not isinstance(entry, HardLink):
            continue
        match entries.get(target := _end(path, entries, known)):
            case File():
                names.setdefault(target, [target]).append(path)
            case Symlink() as symlink:
                entries[path] = replace(symlink, path=path)
            case _:
                raise ReleaseError(
                    f"`{path}` is a hard link to `{entry.target}`, which is not a file of the release",
                    hint=hints.ANEW,
                )
    for target, group in names.items():
        file = entries[target]
        first, *others = sorted(group)
        entries[first] = replace(file, path=first)
        entries.update((path, HardLink(path, first)) for path in others)


def _end(path: str, entries: Mapping[str, Entry], known: dict[str, str]) -> str:
    """Follow hard links only; a cycle ends where it began. `known` caches the results."""
    seen: dict[str, None] = {}
    while path not in known and path not in seen:
        if not isinstance(entry := entries.get(path), HardLink):
            break
        seen[path] = None
        path = entry.target
    path = known.get(path, path)
    known.update(dict.fromkeys(seen, path))
    return path


def refuse_escapes(entries: Mapping[str, Entry], limits: Limits) -> None:
    """ReleaseError for a symlink that leads out of the release.

    Every parent of an entry is a real directory here, so a target is safe if its `..` never climb above the
    root, and none of them follows another symlink.
    """
    symlinks = [entry for entry in entries.values() if isinstance(entry, Symlink)]
    total = sum(len(link.target) for link in symlinks)
    if total > limits.targets:
        raise ReleaseError(
            f"the targets of its symlinks have {total} characters; {limits.targets} are plenty",
            hint="replace the links with copies of the files",
        )
    for link in symlinks:
        _refuse_escape(link, entries)


def _refuse_escape(link: Symlink, entries: Mapping[str, Entry]) -> None:
    if link.target.startswith("/"):
        raise ReleaseError(
            f"the symlink `{link.path}` has the absolute target `{link.target}`",
            hint="make the release with copies of the files; relx: `{dev_mode, false}`",
        )
    here = link.path.split("/")[:-1]
    behind_link = False
    climbs = "/.." in link.target
    for part in link.target.split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            here.append(part)
            # Symlinks on the way matter only before a `..`.
            behind_link |= climbs and isinstance(entries.get("/".join(here)), Symlink)
        elif here and not behind_link:
            here.pop()
        else:
            raise ReleaseError(
                f"the symlink `{link.path}` leaves the release: its target is `{link.target}`",
                hint="replace the link with a copy of the file",
            )


MOST = 500_000
"""The most entries: nested links to directories multiply."""


def without_directory_links(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Replace links to directories by directories of hard links; sorted by path. Cycles are cut."""
    found = {entry.path: entry for entry in entries}
    leads = {
        path: target
        for path, entry in found.items()
        if isinstance(entry, Symlink) and (target := _directory(path, found))
    }
    if not leads:
        return tuple(found.values())
    whole = dict(found)
    for path, target in leads.items():
        whole[path] = Directory(path=path, mode=_mode(found[target]))
        for entry in _copied(path, target, found):
            whole[entry.path] = entry
            if len(whole) > MOST:
                raise ReleaseError(
                    f"links to directories make over {MOST} files of it, as `{path}` to `{target}` does",
                    hint=hints.ANEW,
                )
    name_once(whole)
    return tuple(sorted(whole.values(), key=lambda entry: entry.path.encode()))


def _directory(path: str, entries: Mapping[str, Entry]) -> str:
    """The directory that a link resolves to; empty if it is not one, or contains the link."""
    target = follow(path, entries)
    inside = f"{path}/".startswith(f"{target}/")
    return target if isinstance(entries.get(target), Directory) and not inside else ""


def _mode(entry: Entry) -> int:
    return entry.mode if isinstance(entry, Directory) else 0o755


def _copied(
    path: str, target: str, entries: Mapping[str, Entry], through: tuple[str, ...] = ()
) -> Iterator[Entry]:
    """Copies below `path` of the entries below `target`, without links that lead back to a directory above them."""
    through = (*through, target)
    for old, entry in entries.items():
        if not old.startswith(f"{target}/"):
            continue
        new = f"{path}/{old[len(target) + 1 :]}"
        end = follow(old, entries)
        led = entries.get(end)
        if isinstance(led, File):
            yield HardLink(new, end)
        elif isinstance(entry, Directory):
            yield replace(entry, path=new)
        elif isinstance(led, Directory) and not any(
            f"{passed}/".startswith(f"{end}/") for passed in through
        ):
            yield Directory(path=new, mode=led.mode)
            yield from _copied(new, end, entries, through)


LANDMARK = "releases/start_erl.data"
"""Present in every kind of release: the versions of the runtime system and of the release."""


@dataclass(slots=True)
class Found:
    """An entry as it was read, with data that the model does not have."""

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
    """The first bytes of each content that is machine code, for any system."""
    newest: int
    """Newest modification time of a file, seconds since the epoch."""
    limits: Limits = LIMITS
    """Limits on what is read."""

    def file(self, path: str) -> File | None:
        """Return the file at `path`, following links."""
        entry = self.entries.get(follow(path, self.entries))
        return entry if isinstance(entry, File) else None

    def files(self) -> Iterator[File]:
        """Every File, sorted by path."""
        return (entry for entry in self.entries.values() if isinstance(entry, File))


def build(found: Iterable[Found], limits: Limits) -> Tree:
    """Check the entries, and complete them to a tree."""
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
    name_once(entries)
    _add_parents(entries, limits)
    refuse_escapes(entries, limits)
    return Tree(dict(sorted(entries.items())), programs, newest, limits)


def _add(entry: Entry, entries: dict[str, Entry]) -> None:
    """Add a member; a duplicate is accepted if it is identical, as for every overlay of `mix release`.

    The later mode wins, as when tar extracts.
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
            return  # GNU tar writes a linked file that is added again like this
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
    """Return `hello/` if everything is below one directory `hello` that is a release."""
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
                    hint="make the tarball again: writing through a link is refused",
                )
            checked.add(parent)
        _refuse_too_many(entries, limits)


def describe(pieces: Iterable[bytes | memoryview], file: Path, offset: int) -> tuple[Slice, bytes]:
    """Return a slice of `file` for these bytes, which begin at `offset`, and the first few of them."""
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

    Old releases have Latin-1, so text that is not UTF-8 is decoded as Latin-1.
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


# Names that need no normalisation, the common case, are recognised by one match.
_CLEAN = re.compile(r"[\w@+%=-][\w@+%=.-]*(?:/[\w@+%=-][\w@+%=.-]*)*", re.ASCII)


def decode(raw: bytes) -> str:
    """Decode a name; ReleaseError if it is not UTF-8 or not printable."""
    try:
        name = raw.decode()
    except UnicodeDecodeError as e:
        raise ReleaseError(
            f"the name `{raw.decode(errors='backslashreplace')}` is not UTF-8", hint=hints.RENAME
        ) from e
    # Control characters have no place in a name, and could mislead on a terminal.
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
