"""Package formats: from a Package to the bytes of a .deb or an .rpm, without their tools.

Each format is a module with `file_name` and `write`; neither takes decisions.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from pkgrel.formats import deb
from pkgrel.formats.payload import Payloads
from pkgrel.package import Format, Package


class Writer(Protocol):
    """A module that writes one format."""

    def file_name(self, package: Package) -> str:
        """The name that the format's tools expect."""

    def write(self, package: Package, out: BinaryIO, payloads: Payloads) -> None:
        """Write the package's bytes."""


WRITERS: dict[Format, Writer] = {Format.DEB: deb}


def write_package(package: Package, directory: Path, payloads: Payloads) -> Path:
    """Write a package file; it appears when it is complete or not at all."""
    writer = WRITERS[package.format]
    path = directory / writer.file_name(package)
    unfinished = directory / f".{path.name}.{os.getpid()}"
    try:
        with unfinished.open("wb") as out:
            writer.write(package, out, payloads)
        unfinished.replace(path)
    except BaseException:  # KeyboardInterrupt too
        with suppress(FileNotFoundError):
            unfinished.unlink()
        raise
    return path
