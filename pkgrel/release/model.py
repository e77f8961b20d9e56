"""The model of an Erlang release: its entries, applications, variables and native code."""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from pkgrel.content import Slice


class Kind(StrEnum):
    """The tools that make releases; each has its own commands and environment."""

    MIX = "mix"
    DISTILLERY = "distillery"
    RELX = "relx"
    RELX_EXTENDED = "relx-extended"
    SYSTOOLS = "systools"


@dataclass(frozen=True, slots=True)
class File:
    """A regular file; `path` is relative to the release, `mode` has no file type bits."""

    path: str
    mode: int
    content: Slice


@dataclass(frozen=True, slots=True)
class HardLink:
    """Another name of the File at `target`, which sorts before `path`."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link that stays inside the release."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory; every parent of another entry is listed."""

    path: str
    mode: int


Entry = File | HardLink | Symlink | Directory


@dataclass(frozen=True, slots=True)
class Application:
    """An OTP application of the release."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """An environment variable that the release reads while it starts."""

    name: str
    needed: bool
    """The release does not start without it."""
    default: str | None = None
    """The default, if it is a literal."""
    fallback: bool = False
    """There is a default, which may be computed."""
    text: str = ""
    """The message when it is missing; may have several lines."""
    where: str = ""
    """File and line."""
    instead: tuple[str, ...] = ()
    """Alternatives: any one of them suffices."""


class Role(StrEnum):
    """What an ELF file is for."""

    ERTS = "erts"
    NIF = "nif"
    """A shared object that the VM loads: a NIF or a driver."""
    PORT = "port"
    """A program that the VM starts."""


@dataclass(frozen=True, slots=True)
class NativeFile:
    """A file of machine code."""

    path: str
    role: Role
    architecture: str
    """As named by the kernel; may differ from the release's."""
    size: int
    """In bytes."""
    soname: str = ""
    """Its soname, if it has one."""
    needed: tuple[str, ...] = ()
    """Sonames of the libraries that it needs."""
    versions: tuple[tuple[str, str], ...] = ()
    """Symbol versions that it needs: library and version, such as `GLIBC_2.34`."""
    search: tuple[str, ...] = ()
    """Directories that the dynamic linker searches first (RUNPATH or RPATH); `$ORIGIN` is not expanded."""
    interpreter: str = ""
    """The dynamic linker of a program; empty for libraries and static programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An Erlang release, completely read and checked; the contents of files stay where the entries refer to.

    Valid only within `release.read`: the contents of a compressed tarball are in its temporary file.
    """

    kind: Kind
    name: str
    version: str
    erts: str
    """Version of the runtime system, such as `13.1.5`."""
    otp: str
    """Major version of Erlang/OTP, such as `25`."""
    elixir: str | None
    architecture: str
    """As named by the kernel: `x86_64`, `aarch64`."""
    libc: str
    """`glibc`; releases built with musl are refused."""
    applications: tuple[Application, ...]
    """Sorted by name."""
    native: tuple[NativeFile, ...]
    setuid: tuple[str, ...]
    """Paths of files that run as their owner or group."""
    start: tuple[str, ...]
    """The start script's path and the arguments that run the release in the foreground."""
    writes_config: bool
    """It writes its configuration at every start, so it needs a writable RELEASE_TMP or the like."""
    entries: tuple[Entry, ...]
    """Sorted by path."""
    newest: int
    """Newest modification time of a file, seconds since the epoch, UTC."""
    size: int
    """The size of all files in bytes, hard links once."""
    warnings: tuple[str, ...]
    variables: tuple[Variable, ...] = ()
    """Sorted by name, without those of the runtime system and of systemd."""

    def as_json(self) -> dict[str, Any]:
        """What `pkgrel inspect --json` prints; no entries."""
        data = asdict(replace(self, entries=()))
        del data["entries"]
        return data | {"files": sum(isinstance(entry, File) for entry in self.entries)}
