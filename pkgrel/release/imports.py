"""Which functions of other modules a release calls: the import tables of its BEAM files.

Source: beam_lib(3); lib/compiler/src/beam_asm.erl and erts/emulator/beam/beam_file.c of OTP.
"""

import gzip
import struct
import zlib
from collections.abc import Iterator

from pkgrel.release.model import File, Release

_LIMIT = 8 << 20


def calls(
    release: Release, modules: frozenset[str], functions: frozenset[str], *, but: str
) -> bool:
    """Whether a BEAM file outside of the application `but` calls one of them."""
    for entry in release.entries:
        own = entry.path.startswith(f"lib/{but}-")
        if own or not isinstance(entry, File) or not entry.path.endswith(".beam"):
            continue
        if entry.content.size <= _LIMIT:
            data = b"".join(entry.content.chunks())
            if any(name in modules and what in functions for name, what in _imports(data)):
                return True
    return False


def _imports(data: bytes) -> Iterator[tuple[str, str]]:
    """Module and function of each; nothing of a file that is none."""
    try:
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        chunks = dict(_chunks(data))
        names = list(_atoms(chunks.get(b"AtU8", b"")))
        table = chunks.get(b"ImpT", b"")
        for at in range(4, len(table) - 11, 12):
            module, function, _ = struct.unpack_from(">III", table, at)
            yield names[module - 1], names[function - 1]
    except (OSError, EOFError, zlib.error, struct.error, IndexError):
        return


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12 if data[:4] == b"FOR1" and data[8:12] == b"BEAM" else len(data)
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8])
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + (size + 3 & ~3)


def _atoms(chunk: bytes) -> Iterator[str]:
    """A negative count, since OTP 28, says that lengths are tagged as the compiler's terms are."""
    (count,) = struct.unpack_from(">i", chunk or b"\0\0\0\0")
    at = 4
    for _ in range(abs(count)):
        length, at = chunk[at], at + 1
        if count < 0:
            if length & 0x08:
                length, at = (length & 0xE0) << 3 | chunk[at], at + 1
            else:
                length >>= 4
        yield chunk[at : at + length].decode(errors="replace")
        at += length
