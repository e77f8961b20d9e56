"""Hard links and symlinks that stay inside the release."""

import posixpath
from collections.abc import Mapping
from dataclasses import replace

from pkgrel.errors import ReleaseError
from pkgrel.release import hints
from pkgrel.release.model import Entry, File, HardLink, Symlink

_MAX_HOPS = 40
"""What Linux follows (path_resolution(7))."""


def follow(path: str, entries: Mapping[str, Entry]) -> str:
    """Return the path that `path` stands for, if the last component is a link."""
    for _ in range(_MAX_HOPS):
        match entries.get(path):
            case HardLink(target=target):
                path = target
            case Symlink(target=target):
                path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            case _:
                break
    return path


def name_once(entries: dict[str, Entry]) -> None:
    """Make the first name of each linked file the File, and the others hard links to it."""
    names: dict[str, list[str]] = {}
    for path, entry in entries.items():
        if not isinstance(entry, HardLink):
            continue
        match entries.get(target := _end(path, entries)):
            case File():
                names.setdefault(target, [target]).append(path)
            case Symlink() as symlink:
                entries[path] = replace(symlink, path=path)
            case _:
                raise ReleaseError(
                    f"`{path}` is a hard link to `{entry.target}`, which is no file of the release",
                    hint=hints.ANEW,
                )
    for target, group in names.items():
        file = entries[target]
        first, *others = sorted(group)
        entries[first] = replace(file, path=first)
        entries.update((path, HardLink(path, first)) for path in others)


def _end(path: str, entries: Mapping[str, Entry]) -> str:
    """Follow hard links only; a circle ends where it began."""
    seen = set()
    while isinstance(entry := entries.get(path), HardLink) and path not in seen:
        seen.add(path)
        path = entry.target
    return path


def refuse_escapes(entries: Mapping[str, Entry]) -> None:
    """Raise ReleaseError for a symlink that leads out of the release.

    Every parent of an entry is a real directory here, so a target is safe if it climbs no higher
    than the root, and climbs only where it has not come through another symlink: that one is
    safe for the same reason.
    """
    for entry in entries.values():
        if isinstance(entry, Symlink):
            _refuse_escape(entry, entries)


def _refuse_escape(link: Symlink, entries: Mapping[str, Entry]) -> None:
    if link.target.startswith("/"):
        raise ReleaseError(
            f"the symlink `{link.path}` has the absolute target `{link.target}`",
            hint="make the release with copies of the files; relx: `{dev_mode, false}`",
        )
    here = link.path.split("/")[:-1]
    behind_link = False
    for part in link.target.split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            here.append(part)
            behind_link |= isinstance(entries.get("/".join(here)), Symlink)
        elif here and not behind_link:
            here.pop()
        else:
            raise ReleaseError(
                f"the symlink `{link.path}` leaves the release: its target is `{link.target}`",
                hint="replace the link with a copy of the file",
            )
