"""The sources of a project as they go into a build: clean, with local edits, the same bytes for the
same files.

With git these are the tracked files and the untracked ones that are not ignored, those of submodules
too; without it everything but what builds leave behind.
"""

import hashlib
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pkgrel.builder import scratch
from pkgrel.builder.project import FILES, Project
from pkgrel.errors import BuildError

BUILT_ANYWHERE = frozenset({"node_modules", ".elixir_ls", ".git", ".hg", ".svn", "erl_crash.dump"})
BUILT_BESIDE_PROJECTS = frozenset({"_build", "deps"})
"""Left out where a mix.exs or rebar.config is; elsewhere they may be sources."""

_SUBMODULE = "160000"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tarball of the sources; paths are relative to the project's folder."""

    file: Path
    digest: str
    """SHA-256 of it: of every name, mode and content."""
    date: int
    """Modification time of all its files, seconds since 1970."""
    dependencies: str
    """SHA-256 of what decides how dependencies are compiled: the lock and the configuration."""
    locked: bool
    """There is a mix.lock or rebar.lock."""


@contextmanager
def snapshot(project: Project, date: int | None, left_out: tuple[Path, ...]) -> Iterator[Snapshot]:
    """Pack the sources; the file goes with the `with` block.

    `date` is SOURCE_DATE_EPOCH, or None for that of the newest file; `left_out` are folders of pkgrel's own output.
    """
    with scratch.folder() as folder:
        paths = [path for path in files(project, left_out) if _is_packable(project.folder / path)]
        if date is None:
            date = max((int((project.folder / p).lstat().st_mtime) for p in paths), default=0)
        file = folder / "source.tar"
        with file.open("wb") as out:
            _pack(project.folder, paths, date, out)
        with file.open("rb") as packed:
            digest = hashlib.file_digest(packed, "sha256").hexdigest()
        yield Snapshot(
            file=file,
            digest=digest,
            date=date,
            dependencies=_dependencies(project.folder, paths),
            locked=bool({"mix.lock", "rebar.lock"}.intersection(paths)),
        )


def files(project: Project, left_out: tuple[Path, ...] = ()) -> list[str]:
    """Paths of the project's sources relative to its folder, sorted; BuildError if git fails."""
    found = _tracked(project.folder)
    if found is None:
        found = set(_walk(project.folder))
    skipped = tuple(
        f"{folder.relative_to(project.folder)}/"
        for folder in left_out
        if folder.is_relative_to(project.folder) and folder != project.folder
    )
    return sorted(path for path in found if not path.startswith(skipped))


def _tracked(folder: Path) -> set[str] | None:
    """What git knows in the folder; None if it is in no checkout, or ignored by it."""
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return None
    if _git(folder, "check-ignore", "--quiet", ".", accept=(0, 1))[0] == 0:
        return None
    staged = _git(folder, "ls-files", "-z", "--cached", "--stage")[1]
    others = _git(folder, "ls-files", "-z", "--others", "--exclude-standard")[1]
    found = {path for path in others.split("\0") if path and not _is_built(folder, path)}
    for entry in filter(None, staged.split("\0")):
        about, _, path = entry.partition("\t")
        if about.startswith(_SUBMODULE):
            found |= {f"{path}/{inner}" for inner in _submodule(folder, path)}
        else:
            found.add(path)
    return found


def _submodule(folder: Path, path: str) -> set[str]:
    inner = _tracked(folder / path) if (folder / path / ".git").exists() else None
    if inner is None:
        raise BuildError(
            f"{folder / path}: the submodule is not checked out",
            hint="run `git submodule update --init --recursive`",
        )
    return inner


def _git(folder: Path, *arguments: str, accept: tuple[int, ...] = (0,)) -> tuple[int, str]:
    command = ["git", "-C", str(folder), *arguments]
    environment = os.environ | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
    except FileNotFoundError:
        raise BuildError(
            f"{folder}: is a git checkout, and there is no git here to read it", hint="install git"
        ) from None
    if done.returncode not in accept:
        complaint = os.fsdecode(done.stderr).strip().splitlines() or ["git failed"]
        raise BuildError(f"{folder}: {complaint[0]}", hint=_git_hint(complaint))
    return done.returncode, os.fsdecode(done.stdout)


def _git_hint(complaint: list[str]) -> str:
    if "dubious ownership" in complaint[0]:
        return "say that the checkout is to be trusted: `git config --global --add safe.directory FOLDER`"
    return "see that `git status` works in this folder"


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
    except FileNotFoundError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def _pack(folder: Path, paths: list[str], date: int, out: BinaryIO) -> None:
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for directory in sorted(
            {str(parent) for path in paths for parent in PurePosixPath(path).parents}
        ):
            info = _member(directory, date)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for path in paths:
            file = folder / path
            info = _member(path, date)
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


def _dependencies(folder: Path, paths: list[str]) -> str:
    """Every lock and every configuration but runtime.exs, which only the release reads."""
    digest = hashlib.sha256()
    for path in paths:
        name = path.rpartition("/")[2]
        config = f"/{path}".rpartition("/")[0].endswith("/config") and name != "runtime.exs"
        if name in ("mix.lock", "rebar.lock", "rebar.config") or (config and name.endswith(".exs")):
            content = hashlib.sha256((folder / path).read_bytes()).hexdigest()
            digest.update(f"{path}\0{content}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()
