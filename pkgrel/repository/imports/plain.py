"""Compressed indices, by their suffixes, unpacked no further than is sensible."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import IO, Any

from pkgrel.compressors import zstd as libzstd
from pkgrel.errors import RepositoryError

_LIMIT = 4 << 30
"""Bytes; the largest distro's filelists have a quarter of it."""

_OPEN: Mapping[str, Callable[[IO[bytes]], Any]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.GzipFile(fileobj=data),
    ".xz": lzma.LZMAFile,
    ".bz2": bz2.BZ2File,
    ".zst": libzstd.ZstdFile,
}
SUFFIXES = (".xz", ".zst", ".gz", ".bz2", "")
"""The smallest first."""
_ERRORS = (OSError, EOFError, lzma.LZMAError, libzstd.ZstdError, zlib.error)


def suffix(name: str) -> str | None:
    """The compressor's suffix of a file like `primary.xml.gz`; None if we do not know it."""
    dotted = name.rpartition("/")[2]
    found = next((s for s in SUFFIXES if s and dotted.endswith(s)), "")
    return found if found or dotted.endswith((".xml", "Packages")) else None


def plain(name: str, data: bytes) -> bytes:
    """What is in the file; RepositoryError if it is damaged, or compressed by something unknown."""
    ending = suffix(name)
    if ending is None:
        raise RepositoryError(
            f"{name}: compressed in a way that pkgrel does not read",
            hint="let the repository offer gz, xz, bz2 or zst",
        )
    try:
        with _OPEN[ending](io.BytesIO(data)) as source:
            text: bytes = source.read(_LIMIT + 1)
    except _ERRORS as e:
        raise RepositoryError(
            f"{name}: damaged: {e}", hint="let the tool that made the repository write it again"
        ) from e
    if len(text) > _LIMIT:
        raise RepositoryError(f"{name}: has more than {_LIMIT >> 30} GiB")
    return text
