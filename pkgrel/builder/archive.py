"""The tarball of the sources: the same bytes for the same files."""

import os
import tarfile
from pathlib import Path, PurePosixPath

from pkgrel.errors import BuildError


def add(tar: tarfile.TarFile, folder: Path, paths: list[str], date: int, below: str = ".") -> None:
    """Add files and links of a folder, with their directories, below a directory of the tarball.

    BuildError for one that cannot be read.
    """
    names = [(folder / path, PurePosixPath(below, path)) for path in paths]
    for directory in sorted({str(parent) for _, name in names for parent in name.parents}):
        info = _member(directory, date)
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(info)
    for file, name in names:
        info = _member(str(name), date)
        try:
            if file.is_symlink():
                info.type, info.mode = tarfile.SYMTYPE, 0o777
                info.linkname = str(file.readlink())
                tar.addfile(info)
                continue
            with file.open("rb") as content:
                status = os.fstat(content.fileno())
                # Only what git would keep of the mode: umasks differ.
                info.mode = 0o755 if status.st_mode & 0o100 else 0o644
                info.size = status.st_size
                tar.addfile(info, content)
        except OSError as e:
            raise BuildError(f"{file}: {e.strerror or 'changes while it is read'}") from e


def _member(path: str, date: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.mtime = date
    info.uid = info.gid = owner()
    return info


def owner(*, agent: bool = False) -> int:
    """The user id that a build runs as: the caller's, but not root's.

    Unless root has an SSH agent: that answers only the user who started it.
    """
    user: int = getattr(os, "getuid", lambda: 0)()
    return user if user or agent else 1000
