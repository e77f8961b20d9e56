"""Directories in the place of links to directories: neither dpkg nor rpm turns one into the other.

A path that is a directory in one version and a link in the next loses its files with dpkg, in silence, and makes
rpm refuse the upgrade. So a package has directories only, and its files have several names.

Source: dpkg-maintscript-helper(1), dir_to_symlink; Fedora's packaging guidelines, "Directory Replacement".
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pkgrel.errors import ReleaseError
from pkgrel.release import hints, links
from pkgrel.release.model import Directory, Entry, File, HardLink, Symlink

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
    links.name_once(whole)
    return tuple(sorted(whole.values(), key=lambda entry: entry.path.encode()))


def _directory(path: str, entries: Mapping[str, Entry]) -> str:
    """The directory that a link leads to in the end; empty if that is none, or has the link inside."""
    target = links.follow(path, entries)
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
        end = links.follow(old, entries)
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
