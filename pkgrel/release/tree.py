"""The files of a release as one consistent tree, whatever they were read from.

A tarball lists members in any order, some twice, often without directories, perhaps all below one
directory; a tree has every path once, every parent, and no link that leaves it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pkgrel.content import Slice
from pkgrel.errors import ReleaseError
from pkgrel.limits import LIMITS, Limits
from pkgrel.release import hints, links
from pkgrel.release.magic import is_program
from pkgrel.release.model import Directory, Entry, File, HardLink, Symlink
from pkgrel.release.paths import parents

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
            if is_program(item.start):
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
    raise ReleaseError(f"is no Erlang release: there is no `{LANDMARK}`{but}", hint=hints.RELEASE)


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
                    f"`{path}` lies below `{parent}`, which is no directory",
                    hint="make the tarball anew: writing through a link is refused",
                )
            checked.add(parent)
        _refuse_too_many(entries, limits)
