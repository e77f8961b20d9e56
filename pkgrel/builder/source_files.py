"""Selects the source files of a project.

In a git checkout these are all tracked files, and new ones that are not ignored, also in submodules; without git all
files except the output of builds. Files with keys or passwords, and packages and repositories made by pkgrel, are left
out unless they are committed or `include` names them.

From outside of the project come path dependencies and files that mix.exs names. mix.exs is searched for strings such as
`"../shared"`; what they name is added if it is a project or a file, but never hidden files or keys: an untrusted
mix.exs could name `"../../.ssh/id_ed25519"`. `include` of [build] names what is not found that way.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from pkgrel.builder import checkout
from pkgrel.builder.project import FILES, Project
from pkgrel.errors import BuildError

BUILT_ANYWHERE = frozenset({"node_modules", ".elixir_ls", ".git", ".hg", ".svn", "erl_crash.dump"})
BUILT_BESIDE_PROJECTS = frozenset({"_build", "deps"})
"""Left out beside a mix.exs or rebar.config; elsewhere they may be sources."""


def files(folder: Path, hear: Callable[[Path], None]) -> set[str]:
    """Paths of the sources relative to the folder; BuildError if git fails.

    `hear` is called with files that are left out because they seem to be secrets.
    """
    if checkout.top(folder) is None:
        found = _open(folder, _walk(folder), hear)
    else:
        found, nested = checkout.tracked(folder)
        new = [path for path in checkout.untracked(folder) if not _is_built(folder, path)]
        found |= _open(folder, new, hear)
        # For a nested checkout git lists only the folder.
        nested += [path.removesuffix("/") for path in new if path.endswith("/")]
        for inner in nested:
            found |= {f"{inner}/{path}" for path in _nested(folder / inner, hear)}
    return {path for path in found if _is_packable(folder / path)}


def _open(folder: Path, paths: Iterable[str], hear: Callable[[Path], None]) -> set[str]:
    """The files without withheld ones."""
    given = set(paths)
    given -= packages_and_repositories(given)
    secret = set(secrets(folder, given))
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
    """Whether it is output of a build, judging by the names of its directories."""
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
    """Whether it is a file or a link: git also lists deleted files, and a walk finds sockets and pipes."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


_PASSWORDS = re.compile(
    r"\.env(\..+)?|\.netrc|\.pgpass|\.git-credentials|\.vault[-_]?pass\w*|id_(rsa|dsa|ecdsa|ed25519)(_sk)?"
    r"|credentials(\.json)?"
)
"""Names of files that are for passwords and keys."""
_EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist")
_HEAD = ".pkgrel/head.json"
"""A file of every repository; see `repository.layout`."""
_PACKAGES = (".deb", ".rpm")
_ARMORED = re.compile(rb"-----BEGIN (?:PGP PRIVATE KEY BLOCK|[A-Z ]*PRIVATE KEY)-----")
_BINARY_KEY = bytes([0x94, 0x95, 0x96, 0x97, 0xC5])
"""How a secret key of OpenPGP begins (RFC 9580, 4.2): packet 5, in the old and the new format."""
_KEY_SUFFIXES = (".gpg", ".pgp", ".key")
_LOOKED_AT = 4096


def packages_and_repositories(paths: Iterable[str]) -> set[str]:
    """Whether it is a package, or a file of a repository."""
    known = set(paths)
    roots = tuple(path.removesuffix(_HEAD) for path in known if path.endswith(f"/{_HEAD}"))
    return {path for path in known if path.endswith(_PACKAGES) or path.startswith(roots)}


def secrets(folder: Path, paths: Iterable[str]) -> Iterator[str]:
    """Files with names for secrets, or that contain a key."""
    for path in paths:
        name = PurePosixPath(path).name
        if name not in _EXAMPLES and (_PASSWORDS.fullmatch(name) or is_key(folder / path)):
            yield path


def is_key(file: Path) -> bool:
    """Whether the file contains a secret key; False if it cannot be read."""
    try:
        if not file.is_file():  # reading from a pipe would block
            return False
        with file.open("rb") as content:
            begin = content.read(_LOOKED_AT)
    except OSError:
        return False
    binary = file.suffix in _KEY_SUFFIXES and begin[:1] in [bytes([b]) for b in _BINARY_KEY]
    return binary or bool(_ARMORED.search(begin))


_ABOVE = re.compile(r"\"(\.\.(?:/[^\"#\n]*)?)\"")


def with_path_dependencies(
    project: Project, include: Iterable[Path], files: Callable[[Path], set[str]]
) -> dict[Path, set[str]]:
    """Files by folder: of the project, of what it names, and of what that names in turn.

    `files` lists a folder; paths are absolute, and the folder of a file is its parent. BuildError if something
    to include does not exist.
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
    """Paths outside of the project that the mix.exs and rebar.config in a folder name."""
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
    secret = path.is_file() and any(secrets(path.parent, [path.name]))
    return not hidden and not secret


def _is_wanted(path: Path) -> bool:
    # Path.is_file() raises for an invalid path, and the string may be anything.
    return any(map(os.path.isfile, (path, *(path / name for name in FILES))))
