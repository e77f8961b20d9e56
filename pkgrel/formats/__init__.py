"""Package formats: from a Package to the bytes of a .deb or an .rpm, without their tools.

Each format is a module with `file_name` and `write`; neither takes decisions.
"""

import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Protocol

from pkgrel.formats.payload import Payloads, Work
from pkgrel.package import Format, Package

__all__ = ["Payloads", "Work", "Writer", "write_package", "writer"]


class Writer(Protocol):
    """A module that writes one format."""

    def file_name(self, package: Package) -> str:
        """The name that the format's tools expect."""

    def start(self, work: Work, payloads: Payloads) -> None:
        """Begin to compress the tree of a package that is not planned to the end."""

    def write(self, package: Package, out: BinaryIO, payloads: Payloads) -> None:
        """Write the package's bytes."""


def writer(format: Format) -> Writer:
    """Find a format's module; only the one that is needed is imported."""
    module: Writer = import_module(f"{__name__}.{format.value}")
    return module


def write_package(package: Package, directory: Path, payloads: Payloads) -> Path:
    """Write a package file; it appears when it is complete or not at all."""
    format = writer(package.format)
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
