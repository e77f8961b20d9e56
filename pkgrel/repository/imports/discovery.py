"""Types and checks for the indices of another tool's repository: packages, checksums, and signatures.

Compressed indices are decompressed up to a limit. Without the public key, the signer is only named, not verified.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pkgrel.compressors import zstd as libzstd
from pkgrel.distro import Format
from pkgrel.errors import RepositoryError, SigningError
from pkgrel.limits import LIMITS
from pkgrel.repository.record import Advisory
from pkgrel.signing import verify, verify_clear

STRONGEST_FIRST = ("sha512", "sha384", "sha256", "sha224", "sha1", "md5")
"""Hash functions in indices, by hashlib's names."""

_WRONG = "the repository is broken there: mend it with the tool that made it"

SUFFIXES = (".xz", ".zst", ".gz", ".bz2", "")
"""Sorted by the size of files."""
_ERRORS = (OSError, EOFError, lzma.LZMAError, libzstd.ZstdError, zlib.error)
_START = b"-----BEGIN PGP SIGNED MESSAGE-----\n"
_SIGNATURE = b"\n-----BEGIN PGP SIGNATURE-----\n"


@dataclass(frozen=True, slots=True)
class Checksum:
    """Size and hash of a file."""

    size: int | None
    """Bytes; None if unknown."""
    algorithm: str
    """One of STRONGEST_FIRST."""
    digest: str
    """In lower-case hexadecimal."""

    @classmethod
    def best(cls, size: int | None, digests: Mapping[str, str]) -> Checksum | None:
        """A checksum with the strongest of the hashes; None if none is known."""
        known = {name.lower().replace("md5sum", "md5"): text for name, text in digests.items()}
        for algorithm in STRONGEST_FIRST:
            if algorithm in known:
                return cls(size, algorithm, known[algorithm].lower())
        return None

    def check(self, name: str, data: bytes | Path) -> None:
        """RepositoryError if the content of the bytes or file differs."""
        if isinstance(data, bytes):
            size, digest = len(data), hashlib.new(self.algorithm, data).hexdigest()
        else:
            size = data.stat().st_size
            with data.open("rb") as source:
                digest = hashlib.file_digest(source, self.algorithm).hexdigest()
        if self.size not in (None, size):
            raise RepositoryError(
                f"{name}: has {size} bytes, its index says `{self.size}`", hint=_WRONG
            )
        if digest != self.digest:
            raise RepositoryError(
                f"{name}: its {self.algorithm.upper()} is not the one that its index says",
                hint=_WRONG,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPackage:
    """A package in an index."""

    format: Format
    path: str
    """Relative to the repository."""
    name: str
    version: str
    """`[epoch:]upstream[-revision]`, as in records."""
    architecture: str
    sum: Checksum
    sha256: str
    """Empty if the index has only other hashes."""
    suites: tuple[str, ...] = ()
    """Names of its apt suite: folder, codename, suite."""
    component: str = ""
    advisory: Advisory = ()
    """Its advisory, if there is one."""

    @property
    def title(self) -> str:
        """For messages."""
        return f"{self.name} {self.version} ({self.architecture})"


@dataclass(frozen=True, slots=True)
class Broken:
    """A package that cannot be imported."""

    path: str
    """The path; or the name, if the index lacks the path."""
    why: str


@dataclass(frozen=True, slots=True)
class IndexSignature:
    """The signer of an index."""

    file: str
    fingerprint: str
    """Empty if it is unsigned."""
    verified: bool


@dataclass(frozen=True, slots=True)
class Discovery:
    """The content of a repository."""

    packages: tuple[FoundPackage, ...]
    signatures: tuple[IndexSignature, ...]
    broken: tuple[Broken, ...] = ()
    """Packages with invalid data in an index."""


def size_of(text: str) -> int | None:
    """Parse a size in bytes; None if invalid."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def refuse_many(url: str, count: int) -> None:
    """RepositoryError if there are more packages than fit into memory."""
    if count > LIMITS.index_packages:
        raise RepositoryError(
            f"{url}: has more than {LIMITS.index_packages} packages",
            hint="import its parts one by one, such as with `--suite`",
        )


_MOST_STREAMS = 100
"""Maximum number of streams, since each copies the remaining data; a thread of `xz` or `pixz` writes one."""


class _Xz(io.RawIOBase):
    """Like lzma.LZMAFile, which lacks a limit for the decoder's memory."""

    def __init__(self, data: IO[bytes]) -> None:
        self._packed = data.read()

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes of all streams."""
        out = bytearray()
        data = self._packed
        for _ in range(_MOST_STREAMS):
            if not data:
                return bytes(out)
            stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=LIMITS.index_xz_memory)
            out += stream.decompress(data, size - len(out))
            if len(out) >= size:
                return bytes(out)
            if not stream.eof:
                raise EOFError("the xz stream ends too early")
            data = stream.unused_data.lstrip(b"\0")
        raise EOFError(f"it has more than {_MOST_STREAMS} xz streams")


_OPEN: Mapping[str, Callable[[IO[bytes]], Any]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.GzipFile(fileobj=data),
    ".xz": _Xz,
    ".bz2": bz2.BZ2File,
    ".zst": libzstd.ZstdFile,
}


def suffix(name: str) -> str | None:
    """The compression suffix of a file such as `primary.xml.gz`; None if unknown."""
    dotted = name.rpartition("/")[2]
    found = next((s for s in SUFFIXES if s and dotted.endswith(s)), "")
    return found if found or dotted.endswith((".xml", "Packages")) else None


def unpack(name: str, data: bytes) -> bytes:
    """Decompress a file; RepositoryError if it is damaged, too large, or of an unknown compression."""
    ending = suffix(name)
    if ending is None:
        raise RepositoryError(
            f"{name}: compressed in a way that pkgrel does not read",
            hint="let the repository offer gz, xz, bz2 or zst",
        )
    try:
        with _OPEN[ending](io.BytesIO(data)) as source:
            text: bytes = source.read(LIMITS.index_unpacked + 1)
    except _ERRORS as e:
        raise RepositoryError(
            f"{name}: damaged: {e}", hint="let the tool that made the repository write it again"
        ) from e
    if len(text) > LIMITS.index_unpacked:
        raise RepositoryError(
            f"{name}: has more than {LIMITS.index_unpacked >> 20} MiB when unpacked",
            hint="import its parts one by one, such as with `--suite`",
        )
    return text


def check_clear(
    file: str, document: bytes, public_key: bytes | None
) -> tuple[bytes, IndexSignature]:
    """The text of an InRelease and its signer; SigningError if it is not signed by the key, if given."""
    if public_key is not None:
        try:
            verified = verify_clear(document, public_key)
        except SigningError as e:
            raise SigningError(f"{file}: {e}", hint=e.hint) from e
        return verified.text, IndexSignature(file, verified.fingerprint, True)
    _, start, rest = document.replace(b"\r\n", b"\n").partition(_START)
    _, empty, body = rest.partition(b"\n\n")  # skip the hash algorithms
    text, end, signature = body.partition(_SIGNATURE)
    if not (start and empty and end):
        raise SigningError(
            f"{file}: is not signed in the clear", hint="let its tool write it again"
        )
    text = re.sub(rb"^- ", b"", text, flags=re.MULTILINE) + b"\n"
    return text, IndexSignature(file, _issuer(end.lstrip() + signature), False)


def check_detached(
    file: str, data: bytes, signature: bytes | None, public_key: bytes | None
) -> IndexSignature:
    """The signer of the file; SigningError if it is not signed by the key, if given."""
    if public_key is not None:
        try:
            return IndexSignature(file, verify(data, signature or b"", public_key), True)
        except SigningError as e:
            raise SigningError(f"{file}: {e}", hint=e.hint) from e
    return IndexSignature(file, _issuer(signature) if signature else "", False)


def _issuer(signature: bytes) -> str:
    """The fingerprint or key id in the signature; empty if it cannot be read."""
    from pysequoia.packet import PacketPile

    try:
        packets = list(PacketPile.from_bytes(signature))
    except (RuntimeError, ValueError):
        return ""
    names = (p.issuer_fingerprint or p.issuer_key_id for p in packets)
    return next((name.upper() for name in names if name), "")
