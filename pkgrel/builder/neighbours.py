"""What a project needs of the folders around its own: dependencies by path, files that mix.exs reads.

mix.exs is a program, so it is not understood but searched for texts such as `"../shared"`: what they
name goes in if it is a project or a file, but no hidden file and no key: a stranger's mix.exs could name
`"../../.ssh/id_ed25519"`. `include` of [build] names what cannot be found that way.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pkgrel.builder import withheld
from pkgrel.builder.project import FILES, Project
from pkgrel.errors import BuildError

_ABOVE = re.compile(r"\"(\.\.(?:/[^\"#\n]*)?)\"")


def find(
    project: Project, include: Iterable[Path], files: Callable[[Path], set[str]]
) -> dict[Path, set[str]]:
    """Files by folder, the project's own and those of what it names, and what that names in turn.

    `files` lists a folder; paths are absolute, a file's folder is that which it is in. BuildError
    for something to include that is not there.
    """
    found: dict[Path, set[str]] = {}
    seen: set[Path] = set()
    wanted = [project.folder, *_included(include)]
    while wanted:
        path = wanted.pop()
        if path in seen:
            continue
        seen.add(path)
        if path.is_file():
            found.setdefault(path.parent, set()).add(path.name)
        else:
            listed = files(path)
            found.setdefault(path, set()).update(listed)
            wanted += _named(path, listed, project.folder)
    return found


def _included(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise BuildError(
                f"build.include: `{path}` is not there",
                hint="give the path of a folder or of a file, relative to pkgrel.toml",
            )
        yield Path(os.path.normpath(path))


def _named(folder: Path, files: set[str], own: Path) -> Iterator[Path]:
    """What the mix.exs and rebar.config in a folder name outside of the project's own."""
    for file in sorted(files):
        if file.rpartition("/")[2] not in FILES or not (folder / file).is_file():
            continue
        text = (folder / file).read_text(encoding="utf-8", errors="replace")
        for name in _ABOVE.findall(text):
            path = Path(os.path.normpath((folder / file).parent / name))
            if not path.is_relative_to(own) and _is_wanted(path) and _is_open(path, name):
                yield path


def _is_open(path: Path, name: str) -> bool:
    hidden = any(part.startswith(".") and part != ".." for part in Path(name).parts)
    secret = path.is_file() and any(withheld.secrets(path.parent, [path.name]))
    return not hidden and not secret


def _is_wanted(path: Path) -> bool:
    # Path.is_file() fails for what cannot be a path, and the text may be anything.
    return any(map(os.path.isfile, (path, *(path / name for name in FILES))))
