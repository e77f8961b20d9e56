"""Package formats: writes a Package as a .deb or an .rpm, without dpkg or rpm.

Each format is a folder here that implements `PackageFormat`. What is specific to a format is in its folder only.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from pkgrel.distro import Format, unsupported
from pkgrel.errors import PackageError
from pkgrel.formats.payload import Payloads, Work
from pkgrel.package import Package, Relation, Version

__all__ = ["PackageFormat", "Payloads", "Work", "package_format", "write_package"]


class PackageFormat(Protocol):
    """What each format must answer; implemented by a module."""

    @property
    def SCRIPTS(self) -> Mapping[str, str]:
        """The template of each field of MaintainerScripts."""

    @property
    def ZSH_COMPLETIONS(self) -> str:
        """The folder in /usr/share/zsh for completions."""

    @property
    def ASKS_ABOUT_CONFFILES(self) -> bool:
        """Whether an installation asks about a conffile that exists before the package."""

    @property
    def HAS_GHOSTS(self) -> bool:
        """Whether a package can own a path that it does not contain (%ghost)."""

    @property
    def ENABLES_BY_PRESET(self) -> bool:
        """Whether units are enabled by a systemd preset, which scriptlets apply."""

    def manager(self, installer: str) -> str:
        """The template with which `NAME upgrade` calls the distro's package manager."""

    def downloaded(self, name: str, version: Version, kernel: str) -> Sequence[str]:
        """Glob patterns of the package managers' download caches; `kernel` as in `architecture`."""

    def architecture(self, kernel: str) -> str:
        """The format's name of an architecture, given the kernel's (`x86_64`); PackageError if it has none."""

    def revision(self, number: str, tag: str) -> str:
        """The revision with the distro's tag."""

    def file_name(self, package: Package) -> str:
        """The file name that the format's tools expect."""

    def program(self, name: str) -> Relation:
        """The relation on a program: `jq`, `curl`, `sudo`, `aws`."""

    def requirements(self) -> Iterator[Relation]:
        """Relations that the maintainer scripts of every package need."""

    def accounts(self, user: str, group: str) -> Iterator[Relation]:
        """Provides of a package that creates the accounts."""

    def refuse_relation(self, relation: Relation) -> None:
        """ConfigError for a relation that the format cannot express."""

    def start(self, work: Work, payloads: Payloads) -> None:
        """Start to compress the tree, in a thread, while the rest of the package is planned."""

    def write(self, package: Package, out: BinaryIO, payloads: Payloads) -> None:
        """Write the package's bytes."""


def package_format(format: Format) -> PackageFormat:
    """The module of a format; only that one is imported."""
    match format:
        case Format.DEB:
            from pkgrel.formats import deb

            return deb
        case Format.RPM:
            from pkgrel.formats import rpm

            return rpm
        case _:
            raise unsupported(format)


def write_package(package: Package, directory: Path, payloads: Payloads) -> Path:
    """Write a package file, which appears only when it is complete."""
    format = package_format(package.format)
    path = directory / format.file_name(package)
    unfinished = directory / f".{path.name}.{os.getpid()}"
    try:
        with unfinished.open("wb") as out:
            format.write(package, out, payloads)
        unfinished.replace(path)
    except BaseException as e:  # KeyboardInterrupt too
        with suppress(FileNotFoundError):
            unfinished.unlink()
        if isinstance(e, OSError) and e.filename is None:  # of a write
            raise PackageError(
                f"{path}: cannot be written: {e.strerror}",
                hint="make room there, or name another folder with `--output`",
            ) from e
        raise
    return path
