"""Reads an Erlang release from a tarball or a directory, safely, and finds out what is in it.

An unpacked release is read without what the tools leave out of tarballs: `tmp`, with the pipes, logs and resolved
configuration of a release that has run (Mix.Tasks.Release, `make_tar`), and the tarball itself, which relx writes
into the directory and Distillery beside the boot files.

with release.read(Path("hello-1.0.0.tar.gz")) as hello:
    print(hello.kind, hello.version)
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from pkgrel.console import one_line
from pkgrel.content import CHUNK
from pkgrel.errors import ReleaseError
from pkgrel.limits import LIMITS, Limits
from pkgrel.release import findings, hints, kinds, native, stream, tarball, tree, variables
from pkgrel.release.kinds import identify
from pkgrel.release.model import Directory, File, HardLink, Release, Symlink
from pkgrel.release.stream import recognise
from pkgrel.release.tarball import BLOCK, is_header
from pkgrel.release.tree import LANDMARK, Found, Tree, decode, describe, relative

_OTHERS = {
    b"BZh": "compressed with bzip2",
    b"PK\x03\x04": "a zip archive",
    b"\x04\x22\x4d\x18": "compressed with lz4",
    b"LZIP": "compressed with lzip",
    b"\x1f\x9d": "compressed with compress",
    b"!<arch>\n": "an ar archive, perhaps a finished .deb",
    b"\xed\xab\xee\xdb": "a finished .rpm",
    b"\x7fELF": "a program",
}


@contextmanager
def opened(source: Path, limits: Limits) -> Iterator[tree.Tree]:
    """Read all entries; the contents stay readable until the end of the `with` block."""
    with ExitStack() as stack:
        try:
            if source.is_dir():
                found = tree.build(_members(source, limits), limits)
            elif source.is_file():
                found = _tarball(stack.enter_context(source.open("rb")), source, stack, limits)
            else:
                what = "is neither a file nor a directory" if source.exists() else "does not exist"
                raise ReleaseError(f"{what}", hint=hints.SOURCE)
        except PermissionError as e:
            raise ReleaseError(f"cannot be read: {e.strerror}", hint=hints.PERMISSION) from e
        yield found


def _tarball(file: BinaryIO, source: Path, stack: ExitStack, limits: Limits) -> tree.Tree:
    start = file.read(BLOCK)
    file.seek(0)
    if compressor := recognise(start):
        spool = stack.enter_context(stream.spool_file())
        with stream.spooled(file, compressor, spool, limits) as unpacked:
            return tree.build(tarball.members(unpacked, spool, limits), limits)
    if is_header(start):
        with stream.plain(file) as unpacked:
            return tree.build(tarball.members(unpacked, source, limits), limits)
    raise ReleaseError(_no_tarball(start), hint=hints.SOURCE)


def _no_tarball(start: bytes) -> str:
    if not start:
        return "is empty"
    what = next((what for magic, what in _OTHERS.items() if start.startswith(magic)), None)
    return f"is {what}" if what else "is not a tarball"


LEFT_OUT = re.compile(r"tmp|[^/]+\.tar\.gz|releases/[^/]+/[^/]+\.tar\.gz")
PROJECTS = {
    "mix.exs": f"{hints.MIX} and give `_build/prod/rel/NAME`",
    "rebar.config": "run `rebar3 as prod tar` and give the tarball in `_build/prod/rel/NAME`",
}

Inodes = dict[tuple[int, int], str]


def _members(root: Path, limits: Limits) -> Iterator[Found]:
    """Yield everything below `root`, sorted by name; the contents are slices of the files."""
    _refuse_other(root)
    linked: Inodes = {}
    waiting = [root]
    while waiting:
        directory = waiting.pop()
        try:
            listing = sorted(os.scandir(directory), key=lambda item: os.fsencode(item.name))
        except OSError as e:
            raise _unreadable(directory, e) from e
        for item in listing:
            path = relative(decode(os.fsencode(os.path.relpath(item.path, root))), limits)
            if LEFT_OUT.fullmatch(path):
                continue
            found = _member(Path(item.path), path, linked)
            if isinstance(found.entry, Directory):
                waiting.append(Path(item.path))
            yield found


def _refuse_other(root: Path) -> None:
    """ReleaseError for a directory that is not a release, before it is read: it may be large."""
    if any(root.glob(LANDMARK)) or any(root.glob(f"*/{LANDMARK}")):
        return
    for project, hint in PROJECTS.items():
        if (root / project).is_file():
            raise ReleaseError(f"is a project (`{project}`), not a release", hint=hint)
    files = " and no ".join(f"`{name}`" for name in (LANDMARK, *PROJECTS))
    raise ReleaseError(
        f"is neither an Erlang release nor a project: there is no {files}", hint=hints.FOLDER
    )


def _member(file: Path, path: str, linked: Inodes) -> Found:
    try:
        status = file.lstat()
        mode = stat.S_IMODE(status.st_mode)
        mtime = max(0, int(status.st_mtime))
        if stat.S_ISDIR(status.st_mode):
            return Found(Directory(path, mode), mtime)
        if stat.S_ISLNK(status.st_mode):
            return Found(Symlink(path, decode(os.fsencode(file.readlink()))), mtime)
        if stat.S_ISREG(status.st_mode):
            first = linked.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                return Found(HardLink(path, first), mtime)
            with file.open("rb", buffering=0) as source:
                content, magic = describe(iter(lambda: source.read(CHUNK), b""), file, 0)
            return Found(File(path, mode, content), mtime, magic)
    except OSError as e:
        raise _unreadable(file, e) from e
    raise ReleaseError(f"`{path}` is a device, a socket or a named pipe", hint=hints.LEAVE_OUT)


def _unreadable(path: Path, error: OSError) -> ReleaseError:
    return ReleaseError(f"`{path}` cannot be read: {error.strerror}", hint=hints.PERMISSION)


__all__ = ["read"]


@contextmanager
def read(source: Path, limits: Limits = LIMITS, *, title: str = "") -> Iterator[Release]:
    """Read the release in `source`; ReleaseError, with its path or `title`, if there is none.

    The contents of a compressed tarball are in a temporary file, which is removed at the end of the `with` block.
    """
    with ExitStack() as stack:
        try:
            release = understand(stack.enter_context(opened(source.absolute(), limits)))
        except ReleaseError as e:
            raise ReleaseError(one_line(f"{title or source}: {e}"), hint=e.hint) from e
        yield release


def understand(tree: Tree) -> Release:
    """Find out the kind of the release and what is in it."""
    identity = identify(tree)
    built = native.inspect_runtime(tree, identity.erts)
    kind = kinds.detect(tree, identity)
    code = tuple(native.native_files(tree))
    asked = variables.read(tree, kind, identity.name, identity.version)
    return Release(
        kind=kind,
        name=identity.name,
        version=identity.version,
        erts=identity.erts,
        otp=built.otp,
        elixir=next((a.version for a in identity.applications if a.name == "elixir"), None),
        architecture=built.architecture,
        libc=built.libc,
        applications=identity.applications,
        native=code,
        setuid=native.setuid_files(tree),
        start=kinds.start(tree, kind, identity),
        writes_config=kinds.writes_config(tree, kind, identity.version),
        entries=tuple(tree.entries.values()),
        newest=tree.newest,
        size=sum(file.content.size for file in tree.files()),
        warnings=(
            *findings.warnings(tree, code, built.architecture),
            *native.library_findings(code, tree.entries),
            *asked.warnings,
        ),
        variables=asked.variables,
    )
