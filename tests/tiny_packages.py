"""Packages of one small file, made quickly and without any tool."""

from pathlib import Path, PurePosixPath

from pkgrel.content import Inline
from pkgrel.formats import deb, rpm
from pkgrel.formats.payload import Payloads
from pkgrel.package import Compression, Directory, File, Format, Package, Version


def package(
    folder: Path,
    name: str = "hello",
    version: str = "1.0.0",
    revision: str = "1~debian12",
    architecture: str = "x86_64",
    text: str = "hello\n",
) -> Path:
    """A .deb, or an .rpm if the revision is one of an rpm distro's: `1.el9`; the file's path."""
    format = Format.DEB if "~" in revision else Format.RPM
    made = Package(
        format=format,
        distro="",
        name=name,
        version=Version(upstream=version, revision=revision),
        architecture=architecture,
        summary="A tiny package",
        description="It has one file.",
        license="Apache-2.0",
        maintainer="Test <test@example.org>",
        tree=(
            Directory(path=PurePosixPath("/opt"), shared=True),
            File(path=PurePosixPath(f"/opt/{name}.txt"), content=Inline(text.encode())),
        ),
        extra=(),
        build_time=1_700_000_000,
        compression=Compression.GZIP,
    )
    module = deb if format is Format.DEB else rpm
    path = folder / module.file_name(made)
    with path.open("wb") as out, Payloads() as payloads:
        module.write(made, out, payloads)
    return path
