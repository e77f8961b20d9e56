"""Package formats: from a Package to the bytes of a .deb or an .rpm, without their tools.

Each format is a folder here, a `PackageFormat`, and the only place that knows what it alone has.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from pkgrel.distro import Format, unsupported
from pkgrel.formats.payload import Payloads, Work
from pkgrel.package import Package, Relation, Version

__all__ = ["PackageFormat", "Payloads", "Work", "package_format", "write_package"]


class PackageFormat(Protocol):
    """All that one format knows; implemented by a module."""

    @property
    def SCRIPTS(self) -> Mapping[str, str]:
        """Fields of MaintainerScripts and their templates."""

    @property
    def ZSH_COMPLETIONS(self) -> str:
        """The folder in /usr/share/zsh."""

    @property
    def ASKS_ABOUT_CONFFILES(self) -> bool:
        """Whether installing asks about a conffile that was there before the package."""

    @property
    def HAS_GHOSTS(self) -> bool:
        """Whether a path can belong to the package without being in it."""

    @property
    def ENABLES_BY_PRESET(self) -> bool:
        """Whether a preset of systemd's says that a unit is enabled, and scriptlets look whether it is."""

    def manager(self, installer: str) -> str:
        """The template of how `NAME upgrade` speaks to the package manager of a distro."""

    def downloaded(self, name: str, version: Version, kernel: str) -> Sequence[str]:
        """Patterns of the shell: where package managers keep what they are about to install; `kernel` as below."""

    def architecture(self, kernel: str) -> str:
        """The format's word for what the kernel calls `x86_64`; PackageError if it has none."""

    def revision(self, number: str, tag: str) -> str:
        """The revision with the tag of a distro."""

    def file_name(self, package: Package) -> str:
        """The name that the format's tools expect."""

    def program(self, name: str) -> Relation:
        """What brings a program: `jq`, `curl`, `sudo`, `aws`."""

    def requirements(self) -> Iterator[Relation]:
        """What every package's maintainer scripts need."""

    def accounts(self, user: str, group: str) -> Iterator[Relation]:
        """What a package provides that makes the accounts."""

    def refuse_relation(self, relation: Relation) -> None:
        """ConfigError for a relation that the format cannot have."""

    def start(self, work: Work, payloads: Payloads) -> None:
        """Begin to compress the tree of a package that is not planned to the end."""

    def write(self, package: Package, out: BinaryIO, payloads: Payloads) -> None:
        """Write the package's bytes."""


def package_format(format: Format) -> PackageFormat:
    """What the format knows; only what is needed is imported."""
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
    """Write a package file; it appears when it is complete or not at all."""
    format = package_format(package.format)
    path = directory / format.file_name(package)
    unfinished = directory / f".{path.name}.{os.getpid()}"
    try:
        with unfinished.open("wb") as out:
            format.write(package, out, payloads)
        unfinished.replace(path)
    except BaseException:  # KeyboardInterrupt too
        with suppress(FileNotFoundError):
            unfinished.unlink()
        raise
    return path
