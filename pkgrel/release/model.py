"""What is in an Erlang release."""

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
    """A variable of the environment that the release reads while it starts."""

    name: str
    needed: bool
    """It does not start without it."""
    default: str | None = None
    """What it takes otherwise, where that is said in so many words."""
    fallback: bool = False
    """It takes something else, a default or what it finds out, where there is none."""
    text: str = ""
    """What it says when it is missing; may have several lines."""
    where: str = ""
    """File and line."""
    instead: tuple[str, ...] = ()
    """Others, of which one will do as well."""


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
    """As the kernel says it; not always the release's."""
    size: int
    """Bytes."""
    soname: str = ""
    """The name under which others ask for it as a library."""
    needed: tuple[str, ...] = ()
    """The libraries that it asks for, by soname."""
    versions: tuple[tuple[str, str], ...] = ()
    """Symbol versions that it asks for: library and version, such as `GLIBC_2.34`."""
    search: tuple[str, ...] = ()
    """Where the dynamic linker looks for them first (RUNPATH or RPATH); `$ORIGIN` as it is written."""
    interpreter: str = ""
    """The dynamic linker that a program is started with; empty for libraries and static programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An Erlang release, read whole and checked; its files' bytes stay where the entries say.

    Valid only while `release.read` is open: the contents of a compressed tarball are in a
    temporary file of it.
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
    """As the kernel says it: `x86_64`, `aarch64`."""
    libc: str
    """`glibc`; releases built with musl are refused."""
    applications: tuple[Application, ...]
    """Sorted by name."""
    native: tuple[NativeFile, ...]
    setuid: tuple[str, ...]
    """Paths of files that run as their owner or group."""
    start: tuple[str, ...]
    """Path of the release's script and its arguments that run it in the foreground."""
    writes_config: bool
    """It writes its configuration while it starts, so it needs a writable RELEASE_TMP or the like."""
    entries: tuple[Entry, ...]
    """Sorted by path."""
    newest: int
    """Newest modification time of a file, seconds since the epoch, UTC."""
    size: int
    """Bytes of all files, hard links once."""
    warnings: tuple[str, ...]
    variables: tuple[Variable, ...] = ()
    """Sorted by name; those of the runtime system and of systemd are left out."""

    def as_json(self) -> dict[str, Any]:
        """What `pkgrel inspect --json` prints; no entries."""
        data = asdict(replace(self, entries=()))
        del data["entries"]
        return data | {"files": sum(isinstance(entry, File) for entry in self.entries)}
