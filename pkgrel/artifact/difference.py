"""Compares two packages, also of different formats."""

import difflib
import filecmp
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pkgrel import artifact as packages
from pkgrel.artifact.hot_upgrade import same_version_other_code
from pkgrel.artifact.model import Artifact, Entry
from pkgrel.distro import Format, unsupported


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A different value; None if the field is missing."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChange:
    """Items that are only in one of two lists."""

    name: str
    removed: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextChange:
    """A different text, or one that only one package has; without lines if it is too large to compare."""

    name: str
    diff: tuple[str, ...]
    """Lines of a unified diff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryChange:
    """A path in both packages with different attributes."""

    path: PurePosixPath
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All differences, in the order of the new package."""

    fields: tuple[FieldChange, ...]
    lists: tuple[ListChange, ...]
    """Relations by kind; conffiles and signatures."""
    scripts: tuple[TextChange, ...]
    control_files: tuple[TextChange, ...]
    changelog: tuple[TextChange, ...]
    versions: tuple[FieldChange, ...]
    """Directories of the release whose names contain different versions; their contents are compared nevertheless."""
    removed: tuple[Entry, ...]
    added: tuple[Entry, ...]
    changed: tuple[EntryChange, ...]
    texts: tuple[TextChange, ...]
    """Different text files, such as settings and the release's scripts; units and files below /etc also if only one
    package has them."""
    upgrade: tuple[str, ...]
    """Sentences about settings and units when the new package is installed over the old one."""
    times: int
    """Number of paths in both packages with different modification times."""
    same_bytes: bool
    """Whether the two files are identical."""

    @property
    def replaced(self) -> tuple[str, ...]:
        """Paths that are a directory in only one of the packages."""
        return tuple(
            str(change.path)
            for change in self.changed
            for field in change.fields
            if field.name == "kind" and "directory" in (field.old, field.new)
        )


def compare(old: Artifact, new: Artifact) -> Difference:
    """Compare two packages; modification times are only counted."""
    versions = tuple(_versions(old.entries, new.entries))
    now = {_versioned(item.name, item.old): _versioned(item.name, item.new) for item in versions}
    before = {_now(entry.path, now): entry for entry in old.entries}
    after = {entry.path: entry for entry in new.entries}
    both = [(before[path], entry) for path, entry in after.items() if path in before]
    return Difference(
        fields=tuple(_fields(_values(old), _values(new))),
        lists=tuple(_lists(_all_lists(old), _all_lists(new))),
        scripts=tuple(_texts(_scripts(old), _scripts(new))),
        control_files=tuple(_texts(old.control_files, new.control_files)),
        changelog=tuple(_texts(_changelog(old), _changelog(new))),
        versions=versions,
        removed=tuple(entry for path, entry in before.items() if path not in after),
        added=tuple(entry for path, entry in after.items() if path not in before),
        changed=tuple(change for a, b in both if (change := _entry(a, b)).fields),
        texts=tuple(_file_texts(old, new, before, after)),
        upgrade=tuple(_upgrade(old, new, before, after)),
        times=sum(a.time != b.time for a, b in both),
        same_bytes=filecmp.cmp(old.file, new.file, shallow=False),
    )


# lib/shop-0.1.0, erts-13.1.5, releases/0.1.0 of an Erlang release.
_VERSIONED = re.compile(r"(.*/lib/[a-z]\w*-|.*/erts-|.*/releases/)(\d[^/]*)")


def _versions(old: Iterable[Entry], new: Iterable[Entry]) -> Iterator[FieldChange]:
    """Directories that exist in one version in each package, and not the same one."""
    before, after = _by_name(old), _by_name(new)
    for name, (version, *more) in before.items():
        others = after.get(name, [])
        if not more and len(others) == 1 and others[0] != version:
            yield FieldChange(name=name, old=version, new=others[0])


def _by_name(entries: Iterable[Entry]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in entries:
        if entry.kind == "directory" and (match := _VERSIONED.fullmatch(str(entry.path))):
            found.setdefault(match[1], []).append(match[2])
    return found


def _versioned(name: str, version: str | None) -> PurePosixPath:
    return PurePosixPath(f"{name}{version}")


def _now(path: PurePosixPath, now: Mapping[PurePosixPath, PurePosixPath]) -> PurePosixPath:
    """The path with the new versions in its names; versioned directories are never nested."""
    for folder in (path, *path.parents) if now else ():
        if folder in now:
            return now[folder] / path.relative_to(folder)
    return path


def _values(artifact: Artifact) -> dict[str, str]:
    return {
        "format": artifact.format,
        **artifact.metadata,
        "compression": artifact.compression,
    }


def _all_lists(artifact: Artifact) -> dict[str, tuple[str, ...]]:
    return {
        **artifact.relations,
        "conffiles": artifact.conffiles,
        "digests": artifact.digests,
        "signatures": artifact.signatures,
    }


def _scripts(artifact: Artifact) -> dict[str, str]:
    """Scripts, with a first line for an interpreter that is not in the text: rpm's `-p`."""
    return {
        name: text
        if text.startswith("#!") or not script.interpreter
        # As a shebang, which scripts otherwise have.
        else f"#!{script.interpreter}\n{text}"
        for name, script in artifact.scripts.items()
        for text in (script.text,)
    }


def _changelog(artifact: Artifact) -> dict[str, str]:
    entries = (
        f"{change.time} {change.author} {change.version}\n" + "\n".join(change.lines)
        for change in artifact.changelog
    )
    return {"changelog": "\n".join(entries)} if artifact.changelog else {}


def _names(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return [*new, *(name for name in old if name not in new)]


def _fields(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[FieldChange]:
    for name in _names(old, new):
        if old.get(name) != new.get(name):
            yield FieldChange(name=name, old=old.get(name), new=new.get(name))


def _lists(
    old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]
) -> Iterator[ListChange]:
    for name in _names(old, new):
        before, after = old.get(name, ()), new.get(name, ())
        had, has = frozenset(before), frozenset(after)
        removed = tuple(item for item in before if item not in has)
        added = tuple(item for item in after if item not in had)
        if removed or added:
            yield ListChange(name=name, removed=removed, added=added)


_LARGEST = 1 << 20
"""Characters above which a diff takes too long; scripts are a hundred times smaller."""


def _texts(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[TextChange]:
    for name in _names(old, new):
        before, after = old.get(name, ""), new.get(name, "")
        if before == after and (name in old) == (name in new):
            continue
        if len(before) + len(after) > _LARGEST:
            yield TextChange(name=name, diff=())
            continue
        lines = difflib.unified_diff(before.split("\n"), after.split("\n"), lineterm="")
        # The first two lines are the names of the files.
        yield TextChange(name=name, diff=tuple(lines)[2:])


_UNIT = re.compile(r"(?:/usr)?/lib/systemd/system/([^/]+)")


def _upgrade(
    old: Artifact,
    new: Artifact,
    before: Mapping[PurePosixPath, Entry],
    after: Mapping[PurePosixPath, Entry],
) -> Iterator[str]:
    """Source: dpkg(1), --force-confdef and the notes on conffiles; rpm-spec(5), %config."""
    if (old.format, old.name) != (new.format, new.name):
        return
    for path, entry in after.items():
        was = before.get(path)
        if was and "conffile" in entry.flags and was.sha256 != entry.sha256:
            yield f"{path}: {_of_edited(new.format, entry)}"
    for path, entry in before.items():
        if "conffile" in entry.flags and path not in after:
            yield f"{path}: {_of_dropped(new.format)}"
    for path in dict.fromkeys((*after, *before)):
        was, now = before.get(path), after.get(path)
        if (unit := _UNIT.fullmatch(str(path))) and (was and was.sha256) != (now and now.sha256):
            what = "changes" if was and now else "comes" if now else "goes"
            yield f"{unit[1]}: the unit {what}"
    yield from same_version_other_code(old, new)


def _of_edited(format: Format, entry: Entry) -> str:
    match format:
        case Format.DEB:
            return "new where nobody has edited it; where somebody has, dpkg asks, or keeps the edited one"
        case Format.RPM if "noreplace" in entry.flags:
            return "new where nobody has edited it; else the edited one stays, and the new one is NAME.rpmnew"
        case Format.RPM:
            return "new; what somebody has edited becomes NAME.rpmsave"
        case _:
            raise unsupported(format)


def _of_dropped(format: Format) -> str:
    match format:
        case Format.DEB:
            return "stays on the host as an obsolete conffile, unless a script removes it"
        case Format.RPM:
            return "goes; what somebody has edited becomes NAME.rpmsave"
        case _:
            raise unsupported(format)


# Files that administrators read: units, settings, and the package's programs.
_READ = re.compile(r"/etc/.*|.*/(?:systemd/(?:system|user)|sysusers\.d|tmpfiles\.d|libexec)/.*")
_SMALL = 128 << 10
"""Maximum bytes of a file that is compared."""
_KEPT = 8 << 20
"""Maximum bytes of one package's texts."""
_LINES = 4000
"""Lines above which a diff takes too long."""
_ALL_LINES = 40_000
"""The same for all texts together."""
_LONGEST = 2000
"""Characters of a line above which a file is not meant for people."""


def _file_texts(
    old: Artifact,
    new: Artifact,
    before: Mapping[PurePosixPath, Entry],
    after: Mapping[PurePosixPath, Entry],
) -> Iterator[TextChange]:
    """Compare text files with different hashes; the packages are read again if there are any."""
    wanted = [
        path
        for path in dict.fromkeys((*after, *before))
        if _is_asked(path, before.get(path), after.get(path))
    ]
    had = _contents(old, [before[path].path for path in wanted if path in before])
    has = _contents(new, [path for path in wanted if path in after])
    lines = 0
    for path in wanted:
        was, now = _text(before.get(path), had), _text(after.get(path), has)
        if was is None or now is None:
            continue
        lines += was.count("\n") + now.count("\n")
        if lines > _ALL_LINES:
            yield TextChange(name=str(path), diff=())
        else:
            yield from _texts({str(path): was}, {str(path): now})


def _is_asked(path: PurePosixPath, old: Entry | None, new: Entry | None) -> bool:
    there = [entry for entry in (old, new) if entry]
    if any(entry.kind != "file" or entry.size > _SMALL for entry in there):
        return False
    if old and new:
        return old.sha256 != new.sha256
    return bool(_READ.fullmatch(str(path)))


def _contents(of: Artifact, paths: Iterable[PurePosixPath]) -> dict[PurePosixPath, bytearray]:
    """Contents of small files, up to a limit for all together."""
    asked = frozenset(paths)
    found: dict[PurePosixPath, bytearray] = {}
    room = _KEPT

    def take(path: PurePosixPath, size: int) -> Callable[[bytes | memoryview], object] | None:
        nonlocal room
        if path not in asked or size > min(room, _SMALL):
            return None
        room -= size
        found[path] = bytearray()
        return found[path].extend

    if asked:
        packages.read(of.file, take=take)
    return found


def _text(entry: Entry | None, contents: Mapping[PurePosixPath, bytearray]) -> str | None:
    """The text; empty if there is no such file, None if it is not a readable text."""
    if entry is None or not entry.size:
        return ""
    try:
        text = contents.get(entry.path, b"\0").decode()
    except UnicodeDecodeError:
        return None
    lines = text.split("\n")
    unread = "\0" in text or len(lines) > _LINES or max(map(len, lines)) > _LONGEST
    return None if unread else text


def _entry(old: Entry, new: Entry) -> EntryChange:
    return EntryChange(path=new.path, fields=tuple(_fields(_about(old), _about(new))))


def _about(entry: Entry) -> dict[str, str]:
    return {
        "kind": entry.kind,
        "mode": f"{entry.mode:04o}",
        "owner": entry.owner,
        "group": entry.group,
        "size": str(entry.size),
        "target": entry.target,
        "sha256": entry.sha256,
        "flags": " ".join(entry.flags),
    }
