"""Which files of a folder are sources: all that git tracks and what is new and not ignored, those of
submodules too; without git everything but what builds leave behind. Of neither what is withheld.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pkgrel.builder import checkout, withheld
from pkgrel.builder.project import FILES
from pkgrel.errors import BuildError

BUILT_ANYWHERE = frozenset({"node_modules", ".elixir_ls", ".git", ".hg", ".svn", "erl_crash.dump"})
BUILT_BESIDE_PROJECTS = frozenset({"_build", "deps"})
"""Left out where a mix.exs or rebar.config is; elsewhere they may be sources."""


def files(folder: Path, hear: Callable[[Path], None]) -> set[str]:
    """Paths of the sources relative to the folder; BuildError if git fails.

    `hear` is told of files that stay outside because they seem to be secrets.
    """
    if checkout.top(folder) is None:
        found = _open(folder, _walk(folder), hear)
    else:
        found, nested = checkout.tracked(folder)
        new = [path for path in checkout.untracked(folder) if not _is_built(folder, path)]
        found |= _open(folder, new, hear)
        # Git names a checkout in the checkout, and does not look into it.
        nested += [path.removesuffix("/") for path in new if path.endswith("/")]
        for inner in nested:
            found |= {f"{inner}/{path}" for path in _nested(folder / inner, hear)}
    return {path for path in found if _is_packable(folder / path)}


def _open(folder: Path, paths: Iterable[str], hear: Callable[[Path], None]) -> set[str]:
    """Without what is withheld."""
    given = set(paths)
    given -= withheld.own_output(given)
    secret = set(withheld.secrets(folder, given))
    for path in sorted(secret):
        hear(folder / path)
    return given - secret


def _nested(folder: Path, hear: Callable[[Path], None]) -> set[str]:
    if not (folder / ".git").exists():
        raise BuildError(
            f"{folder}: the submodule is not checked out",
            hint="run `git submodule update --init --recursive`",
        )
    return files(folder, hear)


def _walk(folder: Path) -> Iterator[str]:
    for here, directories, names in os.walk(folder):
        relative = os.path.relpath(here, folder)
        prefix = "" if relative == "." else f"{relative}/"
        links = [name for name in directories if Path(here, name).is_symlink()]
        directories[:] = [
            name
            for name in directories
            if name not in links and not _is_built(folder, f"{prefix}{name}/")
        ]
        for name in (*names, *links):
            if not _is_built(folder, f"{prefix}{name}"):
                yield f"{prefix}{name}"


def _is_built(folder: Path, path: str) -> bool:
    """Whether a build left it there, going by the names of its directories."""
    parts = path.rstrip("/").split("/")
    for depth, name in enumerate(parts):
        if name in BUILT_ANYWHERE:
            return True
        if name in BUILT_BESIDE_PROJECTS:
            beside = folder.joinpath(*parts[:depth])
            if any((beside / file).is_file() for file in FILES):
                return True
    return False


def _is_packable(path: Path) -> bool:
    """A file or a link: git also lists what was deleted, a walk finds sockets and pipes."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)
