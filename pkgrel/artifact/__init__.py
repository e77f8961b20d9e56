"""Reads a finished .deb or .rpm, whoever made it, independently of the code that writes them.

    artifact.read(Path("hello_1.0.0-1_amd64.deb")).entries

The file is not trusted: any defect becomes a PackageError, and memory and time are bounded by
its size.
"""

import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

from pkgrel.artifact.model import Artifact, Entry, Kind, Script, Take
from pkgrel.artifact.stream import ERRORS
from pkgrel.console import one_line
from pkgrel.errors import PackageError

__all__ = ["Artifact", "Entry", "Kind", "Script", "Take", "read", "resigned"]

# Exceptions of parsers for invalid input: malformed numbers, text that is not UTF-8, nested headers.
_NONSENSE = (*ERRORS, tarfile.TarError, struct.error, ValueError, OverflowError, RecursionError)

_AGAIN = "build or download it again"
_DEB, _RPM = b"!<arch>\n", b"\xed\xab\xee\xdb"
"""Magic numbers: of an ar archive, and of rpm's lead."""


def read(file: Path, *, unpack: bool = True, take: Take | None = None) -> Artifact:
    """Read and verify the file; PackageError, with the file's name, if it is not a valid package.

    All digests in the package (md5sums; those of header, payload and files) are verified; signatures are
    not. Without `unpack` the compressed payload of an .rpm is only verified against its digest, if it has
    one, and its files are those of the header. `take` receives the contents of files while they are unpacked.
    """
    return _named(file, lambda: _read(file, unpack=unpack, take=take))


def resigned(artifact: Artifact, file: Path) -> Artifact:
    """The artifact of an .rpm that has been signed, without unpacking it again.

    PackageError if header and payload are not those of `artifact`.
    """
    from pkgrel.artifact import rpm

    return _named(file, lambda: rpm.resigned(artifact, file))


def _named(file: Path, reading: Callable[[], Artifact]) -> Artifact:
    try:
        return reading()
    except PackageError as e:
        raise PackageError(f"{file}: {one_line(str(e))}", hint=e.hint or _AGAIN) from e
    except _NONSENSE as e:
        raise _damaged(file, str(e)) from e
    except MemoryError as e:
        raise _damaged(file, "it asks for more memory than there is") from e
    except OSError as e:
        # Errors of the system, such as a missing file, have an errno; those of ar and bz2 do not.
        if e.errno is not None:
            raise
        raise _damaged(file, str(e)) from e


def _damaged(file: Path, why: str) -> PackageError:
    return PackageError(f"{file}: damaged: {one_line(why)}", hint=_AGAIN)


def _read(file: Path, *, unpack: bool, take: Take | None) -> Artifact:
    if file.exists() and not file.is_file():
        raise PackageError(
            "is not a regular file", hint="save the package in a file, and name that"
        )
    with file.open("rb") as source:
        start = source.read(8)
    # Imported here: each has its own dependencies.
    if start == _DEB:
        from pkgrel.artifact import deb

        return deb.read(file, take)
    if start.startswith(_RPM):
        from pkgrel.artifact import rpm

        return rpm.read(file, unpack=unpack, take=take)
    raise PackageError(
        "is empty" if not start else "is neither a .deb nor an .rpm package",
        hint="name a package file, such as one that `pkgrel build` printed",
    )
