"""Native code of a release: the runtime system, shared objects and programs, and how they find libraries.

A RUNPATH does not apply to what a library's dependencies need in turn, and an RPATH does so only if the file with it
was loaded first.

Source: ld.so(8), "dynamic string tokens"; otp_versions.table in OTP's repository.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pkgrel.errors import ReleaseError
from pkgrel.release import elf, hints
from pkgrel.release.model import Entry, File, NativeFile, Role
from pkgrel.release.tree import Tree, link_ends

_EXECUTABLE = 0o111
_SET_ID = 0o6000
_LIBRARY = re.compile(r"\.so(\.\d+)*$")


def native_files(tree: Tree) -> Iterator[NativeFile]:
    """Yield the ELF files that can be run or loaded, sorted by path; not object files."""
    total = 0
    for file in tree.files():
        if tree.programs.get(file.content) != elf.ELF:
            continue
        try:
            header = elf.read(file.content, tree.limits)
        except elf.Malformed as e:
            if not _is_code(file):
                continue  # such as test data of an ELF parser
            raise ReleaseError(
                f"`{file.path}` begins like machine code and is damaged: {e}", hint=hints.AGAIN
            ) from e
        total += header.names
        if total > tree.limits.elf_total:
            raise ReleaseError(
                f"its machine code asks for names of more than {tree.limits.elf_total} bytes",
                hint=hints.AGAIN,
            )
        if header.type in (elf.Type.EXECUTABLE, elf.Type.SHARED):
            yield NativeFile(
                path=file.path,
                role=_role(file, header),
                architecture=header.architecture,
                size=file.content.size,
                soname=header.soname,
                needed=header.needed,
                versions=header.versions,
                search=header.search,
                interpreter=header.interpreter,
            )


def _is_code(file: File) -> bool:
    """Whether the file is meant to be run or loaded, judging by its path and its mode."""
    name = file.path.rpartition("/")[2]
    executable = file.mode & _EXECUTABLE
    return bool(executable or file.path.startswith("erts-") or _LIBRARY.search(name))


def _role(file: File, header: elf.Elf) -> Role:
    if file.path.startswith("erts-"):
        return Role.ERTS
    name = file.path.rpartition("/")[2]
    if header.type == elf.Type.EXECUTABLE or header.interpreter:
        return Role.PORT
    # A static position-independent program differs from a library only in its name and its mode.
    if header.entry and file.mode & _EXECUTABLE and ".so" not in name:
        return Role.PORT
    return Role.NIF


def setuid_files(tree: Tree) -> tuple[str, ...]:
    """Return the paths of the files that run as their owner or group."""
    return tuple(file.path for file in tree.files() if file.mode & _SET_ID)


_ORIGIN = re.compile(r"\$(ORIGIN|\{ORIGIN\})")
_TOKEN = re.compile(r"\$(LIB|PLATFORM|\{LIB\}|\{PLATFORM\})")
_SYSTEM = re.compile(r"(/usr|/usr/local)?/lib(64|/[a-z0-9_]+-linux-gnu[a-z0-9]*)?/?")
"""Directories that the dynamic linker searches anyway, or where an administrator installs libraries."""


def library_names(native: Iterable[NativeFile], entries: Iterable[Entry]) -> frozenset[str]:
    """All sonames and file names by which files of the release can be loaded as libraries."""
    files = tuple(native)
    paths = {file.path for file in files}
    tree = {entry.path: entry for entry in entries}
    aliases = (path for path, end in link_ends(tree).items() if end in paths)
    named = {posixpath.basename(path) for path in (*paths, *aliases)}
    return frozenset(named | {file.soname for file in files if file.soname})


def library_findings(native: Iterable[NativeFile], entries: Mapping[str, Entry]) -> Iterator[str]:
    """Yield a warning for each file with another search path, and for each library that it would not find."""
    files = tuple(native)
    brought = library_names(files, entries.values())
    places: dict[str, set[str]] = {soname: set() for soname in brought}
    for path in entries:
        folder, _, name = path.rpartition("/")
        if name in places:
            places[name].add(folder or ".")
    for file in files:
        if odd := [directory for directory in file.search if _is_outside(file, directory)]:
            names = ", ".join(f"`{directory or '.'}`" for directory in odd)
            yield (
                f"`{file.path}` first looks for libraries in {names} (RUNPATH), which the release does"
                " not have: link it with `-rpath '$ORIGIN'` or without a path"
            )
        folders = {_inside(file, directory) for directory in file.search}
        for soname in file.needed:
            if soname in brought and folders.isdisjoint(places[soname]):
                yield (
                    f"`{file.path}` needs `{soname}` of the release, and no RUNPATH leads there:"
                    " it loads only if LD_LIBRARY_PATH does, or if the library is already loaded"
                )


def _is_outside(file: NativeFile, directory: str) -> bool:
    """Whether the directory is one of the build machine, or relative to the working directory."""
    return _inside(file, directory) is None and not _SYSTEM.fullmatch(directory)


def _inside(file: NativeFile, directory: str) -> str | None:
    """The directory relative to the release; None if it is outside."""
    if not (origin := _ORIGIN.match(directory)) or _TOKEN.search(directory):
        return None
    here = posixpath.dirname(file.path)
    path = posixpath.normpath(f"{here}/{directory[origin.end() :]}".lstrip("/"))
    return None if path.startswith("..") else path


EMULATORS = ("beam.smp", "beam")
"""The emulators; the second is the one without threads, up to OTP 20."""
_WHERE = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/libx32/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The runtime system of a release."""

    otp: str
    architecture: str
    libc: str


def inspect_runtime(tree: Tree, erts: str) -> Runtime:
    """Examine the emulator; ReleaseError if it is missing, or not for glibc on Linux."""
    emulator = _emulator(tree, erts)
    try:
        program = elf.read(emulator.content, tree.limits)
    except elf.Malformed as e:
        raise ReleaseError(
            f"`{emulator.path}` is not a program of Linux: {e}", hint=hints.ON_LINUX
        ) from e
    return Runtime(
        otp=otp_of(erts), architecture=program.architecture, libc=_libc(emulator.path, program)
    )


def otp_of(erts: str) -> str:
    """Return the major version of Erlang/OTP with this version of the runtime system.

    Source: the table of versions in OTP's repository, otp_versions.table.
    """
    numbers = [int(part) if part.isdecimal() else 0 for part in erts.split(".")[:2]]
    major, minor = (*numbers, 0)[:2]
    if major > 10:
        return str(major + 12)
    if major == 10:
        return "22" if minor >= 4 else "21"
    if major >= 6:
        return str(major + 11)
    raise ReleaseError(
        f"its runtime system {erts} is older than Erlang/OTP 17", hint="build it with a newer OTP"
    )


def _emulator(tree: Tree, erts: str) -> File:
    folder = f"erts-{erts}/bin"
    for name in EMULATORS:
        if emulator := tree.file(f"{folder}/{name}"):
            _refuse_foreign(tree, emulator)
            return emulator
    if any(path.startswith(folder) and path.endswith((".exe", ".dll")) for path in tree.entries):
        raise ReleaseError("was built for Windows", hint=hints.ON_LINUX)
    others = sorted(path for path in tree.entries if path.startswith("erts-") and "/" not in path)
    but = f", but `{others[0]}`" if others else ""
    raise ReleaseError(
        f"has no runtime system: there is no `{folder}/{EMULATORS[0]}`{but}",
        hint="build it with the runtime system inside: `include_erts: true` in mix.exs,"
        " `{include_erts, true}` in rebar.config",
    )


def _refuse_foreign(tree: Tree, emulator: File) -> None:
    begins = tree.programs.get(emulator.content, b"")
    for start, system in elf.FOREIGN.items():
        if begins.startswith(start):
            raise ReleaseError(
                f"was built for {system}: so says `{emulator.path}`", hint=hints.ON_LINUX
            )


def _libc(path: str, program: elf.Elf) -> str:
    interpreter = program.interpreter
    folder, name = posixpath.split(interpreter)
    if name.startswith("ld-musl-"):
        raise ReleaseError(
            f"was built for musl: `{path}` wants `{interpreter}`, which these distros do not have",
            hint="build the release with glibc: in an image of the distro, not in one of Alpine",
        )
    if not name.startswith(("ld-linux", "ld64.so", "ld.so")) or f"{folder}/" not in _WHERE:
        raise ReleaseError(
            f"`{path}` wants the program interpreter `{interpreter or 'none'}`, which is not glibc's",
            hint=hints.ON_LINUX,
        )
    return "glibc"
