"""BEAM files: imported and exported functions, attributes, and the hash of a module's code.

Source: beam_lib(3), and lib/stdlib/src/beam_lib.erl for what its md5/1 counts; lib/compiler/src/beam_asm.erl and
erts/emulator/beam/beam_file.c of OTP.
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from pkgrel.release.model import File, Release

LIMIT = 8 << 20
"""Size limits in bytes: of a BEAM file, and of an uncompressed one."""
_MANY_CHUNKS, _MANY_ATOMS = 100, 1 << 20
"""More than a compiler writes (about 15), and than the VM has room for (erl(1), +t)."""
_CODE = (b"Atom", b"AtU8", b"Code", b"StrT", b"ImpT", b"ExpT", b"FunT", b"LitT", b"Meta")
"""Chunks with code, in the order of `beam_lib:md5/1`; the others tell when and from what it was compiled."""
_RELEASE_MODULE = re.compile(r"lib/[^/]+/ebin/Elixir\.((?:[A-Z]\w*\.)+Release)\.beam")


@dataclass(frozen=True, slots=True)
class Module:
    """What a hot upgrade needs to know of a module."""

    md5: bytes
    """The MD5 of the code alone, as by `beam_lib:md5/1`: equal when the same source is compiled again."""
    attributes: bytes
    """A term in Erlang's external format."""
    imports: frozenset[tuple[str, str, int]]
    exports: frozenset[tuple[str, int]]


def module(data: bytes) -> Module | None:
    """The module in a BEAM file; None if it is not one."""
    chunks = _tables(data)
    if b"Code" not in chunks:
        return None
    digest = hashlib.md5(usedforsecurity=False)
    for name in _CODE:
        chunk = chunks.get(name, b"")
        digest.update(_without_uniques(chunk) if name == b"FunT" else chunk)
    imports = _rows(data, b"ImpT")
    return Module(
        md5=digest.digest(),
        attributes=chunks.get(b"Attr", b""),
        imports=frozenset((module, name, arity) for module, arity, name in imports),
        exports=frozenset(_exports(data)),
    )


def _without_uniques(funs: bytes) -> bytes:
    """The last of six numbers of each fun is a hash of its source."""
    rows = range(4, len(funs), 24)
    return funs[:4] + b"".join(funs[at : at + 20] + bytes(4) for at in rows)


def calls(
    release: Release, modules: frozenset[str], functions: frozenset[str], *, but: str
) -> bool:
    """Whether a BEAM file outside of the application `but` calls one of them."""
    for entry in release.entries:
        left_out = entry.path.startswith(f"lib/{but}-")
        if left_out or not isinstance(entry, File) or not entry.path.endswith(".beam"):
            continue
        if entry.content.size <= LIMIT:
            data = b"".join(entry.content.chunks())
            if any(name in modules and what in functions for name, what in _imports(data)):
                return True
    return False


def migration_function(release: Release) -> str:
    """The function that `mix phx.gen.release` writes, `migrate/0` of a module `….Release`; empty if there is none."""
    for entry in release.entries:
        match = _RELEASE_MODULE.fullmatch(entry.path)
        if not match or not isinstance(entry, File) or entry.content.size > LIMIT:
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
    """First name, arity, and second name if it has one, of each row of a table."""
    try:
        chunks = _tables(data)
        names = list(_atoms(chunks.get(b"AtU8", b"")))
        table = chunks.get(kind, b"")
        for at in range(4, len(table) - 11, 12):
            first, second, third = struct.unpack_from(">III", table, at)
            if kind == b"ImpT":
                yield names[first - 1], third, names[second - 1]
            else:
                yield names[first - 1], second, ""
    except (struct.error, IndexError):
        return


def _tables(data: bytes) -> dict[bytes, bytes]:
    """The chunks by name; none if it is not a BEAM file."""
    if data[:2] == b"\x1f\x8b":
        try:
            # At most the limit for an uncompressed file: the rest of a decompression bomb stays compressed.
            data = zlib.decompressobj(wbits=31).decompress(data, LIMIT)
        except zlib.error:
            return {}
    return dict(_chunks(data))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12 if data[:4] == b"FOR1" and data[8:12] == b"BEAM" else len(data)
    for _ in range(_MANY_CHUNKS):
        if at + 8 > len(data):
            break
        size = int.from_bytes(data[at + 4 : at + 8])
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + (size + 3 & ~3)


def _atoms(chunk: bytes) -> Iterator[str]:
    """A negative count (OTP 28 and later) means that lengths are encoded as compiler terms."""
    (count,) = struct.unpack_from(">i", chunk or b"\0\0\0\0")
    at = 4
    for _ in range(min(abs(count), _MANY_ATOMS)):
        length, at = chunk[at], at + 1
        if count < 0:
            if length & 0x08:
                length, at = (length & 0xE0) << 3 | chunk[at], at + 1
            else:
                length >>= 4
        yield chunk[at : at + length].decode(errors="replace")
        at += length
