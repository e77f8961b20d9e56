"""Hard links and symlinks: they stay inside the release, and a package has none that lead to directories.

A path that is a directory in one version and a link in the next loses its files with dpkg, in silence, and makes
rpm refuse the upgrade. So a package has directories only, and its files have several names.

Source: dpkg-maintscript-helper(1), dir_to_symlink; Fedora's packaging guidelines, "Directory Replacement".
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pkgrel.errors import ReleaseError
from pkgrel.limits import Limits
from pkgrel.release import hints
from pkgrel.release.model import Directory, Entry, File, HardLink, Symlink

_MAX_HOPS = 40
"""What Linux follows (path_resolution(7))."""


def follow(path: str, entries: Mapping[str, Entry]) -> str:
    """Return the path that `path` stands for, if the last component is a link."""
    for _ in range(_MAX_HOPS):
        match entries.get(path):
            case HardLink(target=target):
                path = target
            case Symlink(target=target):
                path = _beside(path, target)
            case _:
                break
    return path


def ends(entries: Mapping[str, Entry]) -> dict[str, str | None]:
    """Return where each link ends, None if that is nothing of the release, in linear time."""
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
    """Make the first name of each linked file the File, and the others hard links to it."""
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
    """Follow hard links only; a circle ends where it began. `known` has the ends of earlier ones."""
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
    """Raise ReleaseError for a symlink that leads out of the release.

    Every parent of an entry is a real directory here, so a target is safe if it climbs no higher
    than the root, and climbs only where it has not come through another symlink: that one is
    safe for the same reason.
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
            # Only before a `..` it matters where the path has come through.
            behind_link |= climbs and isinstance(entries.get("/".join(here)), Symlink)
        elif here and not behind_link:
            here.pop()
        else:
            raise ReleaseError(
                f"the symlink `{link.path}` leaves the release: its target is `{link.target}`",
                hint="replace the link with a copy of the file",
            )


MOST = 500_000
"""Entries; links in directories that links lead to multiply."""


def without_directory_links(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The same, sorted by path, with what each link to a directory leads to; not one that has no end."""
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
    """The directory that a link leads to in the end; empty if that is none, or has the link inside."""
    target = follow(path, entries)
    inside = f"{path}/".startswith(f"{target}/")
    return target if isinstance(entries.get(target), Directory) and not inside else ""


def _mode(entry: Entry) -> int:
    return entry.mode if isinstance(entry, Directory) else 0o755


def _copied(
    path: str, target: str, entries: Mapping[str, Entry], through: tuple[str, ...] = ()
) -> Iterator[Entry]:
    """What is below `target`, below `path`; nothing of links that lead back to where they are in."""
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
