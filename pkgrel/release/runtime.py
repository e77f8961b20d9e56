"""The runtime system in a release: which OTP it is of, and which machines it runs on."""

import posixpath
from dataclasses import dataclass

from pkgrel.errors import ReleaseError
from pkgrel.release import elf, hints, magic
from pkgrel.release.model import File
from pkgrel.release.tree import Tree

EMULATORS = ("beam.smp", "beam")
"""The second without threads, up to OTP 20."""

_WHERE = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/libx32/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The runtime system of a release."""

    otp: str
    architecture: str
    libc: str


def inspect(tree: Tree, erts: str) -> Runtime:
    """Look at the emulator; ReleaseError if it is missing or not made for glibc on Linux."""
    emulator = _emulator(tree, erts)
    try:
        program = elf.read(emulator.content)
    except elf.Malformed as e:
        raise ReleaseError(
            f"`{emulator.path}` is no program of Linux: {e}", hint=hints.ON_LINUX
        ) from e
    return Runtime(
        otp=otp_of(erts), architecture=program.architecture, libc=_libc(emulator.path, program)
    )


def otp_of(erts: str) -> str:
    """Return the major version of Erlang/OTP that has this version of the runtime system.

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
    for start, system in magic.FOREIGN.items():
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
