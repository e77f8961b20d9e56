"""Packs the sources of a project for a build, with local edits, reproducibly.

Their layout is that of the git checkout, so that mix.exs finds `../shared`, and `git describe` gives the same result
as here.
"""

import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from pkgrel import scratch
from pkgrel.builder import checkout, source_files
from pkgrel.builder.project import Project
from pkgrel.errors import BuildError

_NAMED = 3
"""The most broken links that are named."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tarball of the sources."""

    file: Path
    digest: str
    """SHA-256 of all names, modes and contents, and of the state in git."""
    date: int
    """Modification time of all its files, seconds since 1970."""
    dependencies: str
    """SHA-256 of what affects the compilation of dependencies: lock file and configuration."""
    locked: bool
    """There is a mix.lock or rebar.lock."""
    project: str = "."
    """The project's folder in it."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sources:
    """Files of a project, and of folders outside of it."""

    root: Path
    """The folder that contains them all."""
    paths: list[str]
    """Relative to it, sorted."""
    project: str
    """The project's folder, likewise."""
    checkout: Path | None
    """Where the project's git checkout begins."""
    withheld: tuple[str, ...] = ()
    """Files that seem to be secrets and are not in `paths`; likewise relative."""

    def __contains__(self, file: Path) -> bool:
        return str(file.relative_to(self.root)) in self.paths


@contextmanager
def snapshot(
    project: Project,
    date: int | None,
    left_out: tuple[Path, ...] = (),
    include: Iterable[Path] = (),
) -> Iterator[Snapshot]:
    """Pack the sources; the file is removed at the end of the `with` block.

    `date` is SOURCE_DATE_EPOCH, or None for the newest file's mtime; `left_out` are output folders of pkgrel;
    `include` are additional files and folders.
    """
    with scratch.folder() as folder:
        found = find_sources(project, left_out, include)
        if date is None:
            times = (int((found.root / path).lstat().st_mtime) for path in found.paths)
            date = max(times, default=0)
        file = folder / "source.tar"
        with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as tar:
            add(tar, found.root, found.paths, date)
        with file.open("rb") as packed:
            digest = hashlib.file_digest(packed, "sha256")
        if found.checkout:
            digest.update(_add_history(found.checkout, found.root, folder, file, date))
        locked = any(project.folder / name in found for name in ("mix.lock", "rebar.lock"))
        yield Snapshot(
            file=file,
            digest=digest.hexdigest(),
            date=date,
            dependencies=_dependencies(found),
            locked=locked,
            project=found.project,
            warnings=(*_ignored_lock(project, locked), *_withheld(found), *_broken_links(found)),
        )


def find_sources(
    project: Project, left_out: tuple[Path, ...] = (), include: Iterable[Path] = ()
) -> Sources:
    """The files that go in; BuildError if git fails."""
    top = checkout.top(project.folder)
    withheld: list[Path] = []
    found = source_files.with_path_dependencies(
        project, include, partial(source_files.files, hear=withheld.append)
    )
    root = Path(os.path.commonpath([top or project.folder, *found]))
    skipped = tuple(f"{folder}/" for folder in left_out if folder != project.folder)
    paths = {
        str(path.relative_to(root))
        for folder, names in found.items()
        for path in (folder / name for name in names)
        if not str(path).startswith(skipped)
    }
    secret = {str(path.relative_to(root)) for path in withheld} - paths
    return Sources(
        root, sorted(paths), str(project.folder.relative_to(root)), top, tuple(sorted(secret))
    )


def _add_history(top: Path, root: Path, folder: Path, file: Path, date: int) -> bytes:
    """Add the repository to the tarball; returns a text that identifies it, since its bytes vary."""
    says = checkout.write_history(top, folder / "history/.git")
    if says:
        made = folder / "history"
        names = sorted(str(p.relative_to(made)) for p in made.rglob("*") if p.is_file())
        with tarfile.open(file, "a", format=tarfile.PAX_FORMAT) as tar:
            add(tar, made, names, date, below=str(top.relative_to(root)))
    return os.fsencode(says)


def _dependencies(found: Sources) -> str:
    """All lock files and configuration except runtime.exs, which only the release reads."""
    digest = hashlib.sha256()
    for path in found.paths:
        name = path.rpartition("/")[2]
        config = f"/{path}".rpartition("/")[0].endswith("/config") and name != "runtime.exs"
        if name in ("mix.lock", "rebar.lock", "rebar.config") or (config and name.endswith(".exs")):
            content = hashlib.sha256((found.root / path).read_bytes()).hexdigest()
            digest.update(f"{path}\0{content}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _ignored_lock(project: Project, locked: bool) -> Iterator[str]:
    if not locked and (project.folder / "mix.lock").is_file():
        yield "mix.lock is ignored by git: the versions of dependencies are those of today"


def _withheld(found: Sources) -> Iterator[str]:
    if found.withheld:
        names = ", ".join(f"`{path}`" for path in found.withheld[:_NAMED])
        more = len(found.withheld) - _NAMED
        yield (
            f"{names}{f' and {more} more' if more > 0 else ''} may be secret and stay outside of the build; "
            "`include` of [build] takes in what it needs"
        )


def _broken_links(found: Sources) -> tuple[str, ...]:
    """Links to existing files that are not sources."""
    packed = {str(found.root / path) for path in found.paths}
    folders = {str(parent) for path in packed for parent in Path(path).parents}
    broken = []
    for path in found.paths:
        link = found.root / path
        if link.is_symlink() and link.exists():
            target = str(Path(os.path.normpath(link.parent / link.readlink())))
            if target not in packed and target not in folders:
                broken.append(f"`{path}` links to `{link.readlink()}`, which is not a source")
    more = len(broken) - _NAMED
    return (*broken[:_NAMED], *([f"and {more} more links"] if more > 0 else []))


def add(tar: tarfile.TarFile, folder: Path, paths: list[str], date: int, below: str = ".") -> None:
    """Add files and links of a folder, with their parent directories, below a directory of the tarball.

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
                # Only the executable bit, as in git, since umasks differ.
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
    """The user id that a build runs as: the caller's, unless that is root.

    Root with an SSH agent is kept, since the agent answers only the user who started it.
    """
    user: int = getattr(os, "getuid", lambda: 0)()
    return user if user or agent else 1000
