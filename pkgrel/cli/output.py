"""The folder that packages are written to."""

import os
from pathlib import Path

from pkgrel.errors import PackageError


def refuse_unwritable(folder: Path) -> None:
    """PackageError if no file could be made in it; nothing is made, a build that fails leaves none.

    What is there of its path must be a directory, and the last of that writable.
    """
    for there in (folder, *folder.parents):
        if not os.path.lexists(there):
            continue
        if not there.is_dir():
            raise PackageError(
                f"{folder}: no packages can be written there: `{there}` is no directory",
                hint="name another folder with `--output`",
            )
        if not os.access(there, os.W_OK | os.X_OK):
            raise PackageError(
                f"{folder}: no packages can be written there: `{there}` is not writable",
                hint="name another folder with `--output`, or change its mode",
            )
        return
