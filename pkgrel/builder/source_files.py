"""Which files are the sources of a project.

Of a folder all that git tracks and what is new and not ignored, those of submodules too; without git
everything but what builds leave behind. Of neither what goes into no build unless `include` names it: keys,
passwords, and what pkgrel itself has made there, packages and repositories. What is committed is a source.

Of the folders around it what mix.exs names: dependencies by path, files that it reads. mix.exs is a program,
so it is not understood but searched for texts such as `"../shared"`: what they name goes in if it is a
project or a file, but no hidden file and no key: a stranger's mix.exs could name `"../../.ssh/id_ed25519"`.
`include` of [build] names what cannot be found that way.
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


_PASSWORDS = re.compile(
    r"\.env(\..+)?|\.netrc|\.pgpass|\.git-credentials|\.vault[-_]?pass\w*|id_(rsa|dsa|ecdsa|ed25519)(_sk)?"
    r"|credentials(\.json)?"
)
"""Names of files that are for passwords and keys."""
_EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist")
_HEAD = ".pkgrel/head.json"
"""What every repository has; see `repository.layout`."""
_PACKAGES = (".deb", ".rpm")
_ARMORED = re.compile(rb"-----BEGIN (?:PGP PRIVATE KEY BLOCK|[A-Z ]*PRIVATE KEY)-----")
_BINARY_KEY = bytes([0x94, 0x95, 0x96, 0x97, 0xC5])
"""How a secret key of OpenPGP begins (RFC 9580, 4.2): packet 5, in the old and the new format."""
_KEY_SUFFIXES = (".gpg", ".pgp", ".key")
_LOOKED_AT = 4096


def packages_and_repositories(paths: Iterable[str]) -> set[str]:
    """Packages, and all files of repositories."""
    known = set(paths)
    roots = tuple(path.removesuffix(_HEAD) for path in known if path.endswith(f"/{_HEAD}"))
    return {path for path in known if path.endswith(_PACKAGES) or path.startswith(roots)}


def secrets(folder: Path, paths: Iterable[str]) -> Iterator[str]:
    """Those that are for secrets by name, or have a key in them."""
    for path in paths:
        name = PurePosixPath(path).name
        if name not in _EXAMPLES and (_PASSWORDS.fullmatch(name) or is_key(folder / path)):
            yield path


def is_key(file: Path) -> bool:
    """Whether it holds a secret key; not for what cannot be read."""
    try:
        if not file.is_file():  # a pipe would be waited for
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
    secret = path.is_file() and any(secrets(path.parent, [path.name]))
    return not hidden and not secret


def _is_wanted(path: Path) -> bool:
    # Path.is_file() fails for what cannot be a path, and the text may be anything.
    return any(map(os.path.isfile, (path, *(path / name for name in FILES))))
