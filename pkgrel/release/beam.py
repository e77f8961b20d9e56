"""Which functions of other modules a release calls, and which it has: the tables of its BEAM files.

Source: beam_lib(3); lib/compiler/src/beam_asm.erl and erts/emulator/beam/beam_file.c of OTP.
"""

import re
import struct
import zlib
from collections.abc import Iterator

from pkgrel.release.model import File, Release

_LIMIT = 8 << 20
"""Bytes of a BEAM file, and of what a compressed one becomes."""
_RELEASE_MODULE = re.compile(r"lib/[^/]+/ebin/Elixir\.((?:[A-Z]\w*\.)+Release)\.beam")


def calls(
    release: Release, modules: frozenset[str], functions: frozenset[str], *, but: str
) -> bool:
    """Whether a BEAM file outside of the application `but` calls one of them."""
    for entry in release.entries:
        left_out = entry.path.startswith(f"lib/{but}-")
        if left_out or not isinstance(entry, File) or not entry.path.endswith(".beam"):
            continue
        if entry.content.size <= _LIMIT:
            data = b"".join(entry.content.chunks())
            if any(name in modules and what in functions for name, what in _imports(data)):
                return True
    return False


def migration_function(release: Release) -> str:
    """What `mix phx.gen.release` writes: `migrate/0` of a module `….Release`; empty if there is none."""
    for entry in release.entries:
        match = _RELEASE_MODULE.fullmatch(entry.path)
        if not match or not isinstance(entry, File) or entry.content.size > _LIMIT:
            continue
        if ("migrate", 0) in _exports(b"".join(entry.content.chunks())):
            return f"{match[1]}.migrate"
    return ""


def _exports(data: bytes) -> Iterator[tuple[str, int]]:
    """Function and arity of each; nothing of a file that is none."""
    return ((name, arity) for name, arity, _ in _rows(data, b"ExpT"))


def _imports(data: bytes) -> Iterator[tuple[str, str]]:
    """Module and function of each; nothing of a file that is none."""
    return ((module, name) for module, _, name in _rows(data, b"ImpT"))


def _rows(data: bytes, kind: bytes) -> Iterator[tuple[str, int, str]]:
    """First name, second number, and that number as a name, of each row of a table."""
    try:
        if data[:2] == b"\x1f\x8b":
            # No more than a file that is not compressed may have: the rest of a bomb stays packed.
            data = zlib.decompressobj(wbits=31).decompress(data, _LIMIT)
        chunks = dict(_chunks(data))
        names = list(_atoms(chunks.get(b"AtU8", b"")))
        table = chunks.get(kind, b"")
        for at in range(4, len(table) - 11, 12):
            first, second, _ = struct.unpack_from(">III", table, at)
            named = names[second - 1] if kind == b"ImpT" else ""
            yield names[first - 1], second, named
    except (zlib.error, struct.error, IndexError):
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
