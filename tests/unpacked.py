"""What a package puts on a disk: as it was planned, and as it is found there."""

from pathlib import Path, PurePosixPath

from pkgrel.package import Directory, File, HardLink, Package, Symlink
from tests.packages import EPOCH

Found = tuple[object, ...]
"""Kind, permission bits or link target; of a file its content and all names of its hard links."""


def planned(package: Package) -> dict[str, Found]:
    """What a file system has when the package is installed by root, its own directories included."""
    found: dict[str, Found] = {}
    sets: dict[PurePosixPath, list[str]] = {}
    entries = {entry.path: entry for entry in package.entries}
    for entry in package.entries:
        match entry:
            case Directory():
                found[str(entry.path)] = ("directory", entry.mode)
            case Symlink():
                found[str(entry.path)] = ("symlink", entry.target)
            case File(path=first) | HardLink(target=first):
                original = entries[first]
                names = sets.setdefault(first, [])
                names.append(str(entry.path))
                found[str(entry.path)] = ("file", original.mode, original.content.data, names)
    return found


def on_disk(root: Path, names: list[str]) -> dict[str, Found]:
    """The same of these paths, as they are below `root`."""
    found: dict[str, Found] = {}
    sets: dict[int, list[str]] = {}
    for name in names:
        place = Path(f"{root}{name}")
        status = place.lstat()
        if place.is_symlink():
            found[name] = ("symlink", str(place.readlink()))
        elif place.is_dir():
            found[name] = ("directory", status.st_mode & 0o7777)
        else:
            links = sets.setdefault(status.st_ino, [])
            links.append(name)
            found[name] = ("file", status.st_mode & 0o7777, place.read_bytes(), links)
            assert status.st_mtime == EPOCH
    for name in found:
        if found[name][0] == "file":
            assert Path(f"{root}{name}").stat().st_nlink == len(found[name][3])
    return found
