"""ELF files: type, machine, and the libraries and symbol versions that they need.

Sources: System V ABI, chapters 4 and 5 (gabi 4.1); Linux Standard Base Core, "Symbol Versioning"; elf(5);
<elf.h> for the numbers. Offsets and sizes in the file are not trusted: every read stays within it, and memory is
bounded by Limits.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO

from pkgrel.content import Slice
from pkgrel.limits import LIMITS, Limits

MAGIC_SIZE = 4
ELF = b"\x7fELF"
FOREIGN = {
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xce\xfa\xed\xfe": "macOS",
    b"\xca\xfe\xba\xbe": "macOS",
    b"MZ": "Windows",
}
"""Magic numbers of programs for other systems."""

IDENT = struct.Struct("4s B B 10x")  # magic class data
PT_LOAD = 1
PT_DYNAMIC = 2
PT_INTERP = 3

DT_NEEDED = 1
DT_STRTAB = 5
DT_STRSZ = 10
DT_SONAME = 14
DT_RPATH = 15
DT_RUNPATH = 29
DT_VERNEED = 0x6FFFFFFE
DT_VERNEEDNUM = 0x6FFFFFFF

VERNEED = "H H I I I"  # version count file aux next
VERNAUX = "I H H I I"  # hash flags other name next

OBJECT = 64
"""Memory that Python needs for a string, in bytes, besides its characters."""

# uname(2)'s names by e_machine, class and byte order; 1 and 2 are 32 and 64 bits, little and big.
MACHINES = {
    (3, 1, 1): "i686",
    (20, 1, 2): "ppc",
    (21, 2, 1): "ppc64le",
    (21, 2, 2): "ppc64",
    (22, 2, 2): "s390x",
    (40, 1, 1): "armv7l",
    (62, 2, 1): "x86_64",
    (183, 2, 1): "aarch64",
    (243, 2, 1): "riscv64",
    (258, 2, 1): "loongarch64",
}


class Type(IntEnum):
    """e_type."""

    RELOCATABLE = 1
    EXECUTABLE = 2
    SHARED = 3
    """A shared object, or a position-independent program."""
    CORE = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """The structures of a class (32 or 64 bits)."""

    #                 type machine version entry phoff … phentsize phnum
    header: str
    #                 type offset vaddr filesz
    segment: str
    #                 tag value
    dynamic: str


LAYOUTS = {
    1: Layout(header="H H I I I 4x 4x 2x H H 6x", segment="I I I 4x I 12x", dynamic="I I"),
    2: Layout(header="H H I Q Q 8x 4x 2x H H 6x", segment="I 4x Q Q 8x Q 16x", dynamic="Q Q"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Elf:
    """An ELF file."""

    architecture: str
    """The name by uname(2); `machine 94` for a number without a name here."""
    type: int
    """A Type, or a number that elf(5) does not know."""
    entry: int
    """The entry point; 0 for none."""
    interpreter: str
    """The dynamic linker; empty for libraries and static programs."""
    soname: str
    """Its soname; empty for programs and most NIFs."""
    needed: tuple[str, ...]
    """Sonames of the libraries that it needs."""
    versions: tuple[tuple[str, str], ...]
    """Symbol versions that it needs: library and version, such as GLIBC_2.34."""
    search: tuple[str, ...]
    """Directories that the dynamic linker searches first: RUNPATH, or RPATH without one."""

    @property
    def names(self) -> int:
        """Approximate memory for all names, in bytes."""
        texts = (*self.needed, *self.search, *(text for pair in self.versions for text in pair))
        return sum(len(text) + OBJECT for text in texts)


def foreign(start: bytes) -> str:
    """The system, other than Linux, for which a file beginning with `start` was made; empty for none."""
    return next((system for begin, system in FOREIGN.items() if start.startswith(begin)), "")


def is_program(start: bytes) -> bool:
    """Whether a file beginning with `start` is machine code, for any system."""
    return start.startswith((ELF, *FOREIGN))


Segments = list[tuple[int, int, int, int]]
"""An ELF file's program headers: type, offset in the file, address in memory, size in the file."""


class Malformed(Exception):
    """It has the magic number of an ELF file, but is not a valid one."""


class Region:
    """Random access to a Slice."""

    def __init__(self, file: BinaryIO, content: Slice) -> None:
        self._file = file
        self._content = content

    def at(self, offset: int, size: int) -> bytes:
        """Read exactly `size` bytes from `offset` on; Malformed if they are not there."""
        if not 0 <= offset <= self._content.size - size:
            raise Malformed(f"{size} bytes at {offset} are outside of the file")
        self._file.seek(self._content.offset + offset)
        return self._file.read(size)


def read(content: Slice, limits: Limits = LIMITS) -> Elf:
    """Read the headers of an ELF file; Malformed if it is invalid or exceeds the limits."""
    with content.file.open("rb") as file:
        region = Region(file, content)
        start, bits, order = IDENT.unpack(region.at(0, IDENT.size))
        if start != ELF or bits not in LAYOUTS or order not in (1, 2):
            raise Malformed("no ELF header")
        layout = LAYOUTS[bits]
        endian = "<" if order == 1 else ">"
        header = struct.Struct(endian + layout.header)
        fields = header.unpack(region.at(IDENT.size, header.size))
        kind, machine, _version, entry, offset, entry_size, count = fields
        if count > limits.elf_segments:
            raise Malformed(f"{count} program headers")
        segment = struct.Struct(endian + layout.segment)
        segments = _segments(region, segment, offset, entry_size, count)
        _refuse_cut(segments, content.size)
        linked = _dynamic(region, segments, endian, layout, limits)
        return Elf(
            architecture=MACHINES.get((machine, bits, order), f"machine {machine}"),
            type=kind,
            entry=entry,
            interpreter=_interpreter(region, segments, limits),
            soname=linked.soname,
            needed=linked.needed,
            versions=linked.versions,
            search=linked.search,
        )


def _segments(
    region: Region, segment: struct.Struct, offset: int, entry_size: int, count: int
) -> Segments:
    if count == 0:
        return []
    if entry_size < segment.size:
        raise Malformed(f"{count} program headers of {entry_size} bytes")
    table = region.at(offset, entry_size * count)
    return [segment.unpack_from(table, entry_size * i) for i in range(count)]


def _refuse_cut(segments: Segments, size: int) -> None:
    """Malformed for a truncated file, whose table of segments may be intact."""
    for kind, offset, _address, length in segments:
        if kind == PT_LOAD and offset + length > size:
            raise Malformed(f"it has {size} bytes and should have {offset + length} at least")


def _interpreter(region: Region, segments: Segments, limits: Limits) -> str:
    for kind, offset, _address, size in segments:
        if kind == PT_INTERP:
            if size > limits.elf_interpreter:
                raise Malformed(f"an interpreter's name of {size} bytes")
            return region.at(offset, size).partition(b"\0")[0].decode(errors="replace")
    return ""


class Names:
    """The string table, with a limit on the names that are read from it."""

    def __init__(self, strings: bytes, limits: Limits) -> None:
        self._strings = strings
        self._left = limits.elf_names
        self._count = limits.elf_entries
        self.limits = limits

    def __getitem__(self, offset: int) -> str:
        """The name at an offset; Malformed if it is out of range, or exceeds the limit."""
        end = self._strings.find(b"\0", offset, offset + self._left + 1)
        if not 0 <= offset < len(self._strings) or (
            end < 0 and b"\0" not in self._strings[offset:]
        ):
            raise Malformed(f"a name at {offset} is outside of the names")
        self._left -= end - offset
        self._count -= 1
        if end < 0 or self._count < 0:
            raise Malformed(
                f"it asks for more than {self.limits.elf_names} characters or"
                f" {self.limits.elf_entries} names"
            )
        return self._strings[offset:end].decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Dynamic:
    """The entries of a dynamic section that name something."""

    soname: str = ""
    needed: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    search: tuple[str, ...] = ()


def _dynamic(
    region: Region, segments: Segments, endian: str, layout: Layout, limits: Limits
) -> Dynamic:
    """Read the dynamic section; empty for a static program, Malformed if it is invalid."""
    found = [(offset, size) for kind, offset, _address, size in segments if kind == PT_DYNAMIC]
    if not found or not found[0][1]:
        return Dynamic()
    tags = list(_tags(region, *found[0], struct.Struct(endian + layout.dynamic), limits))
    values = dict(tags)
    if DT_STRTAB not in values:
        return Dynamic()
    size = values.get(DT_STRSZ, 0)
    if size > limits.elf_strings:
        raise Malformed(f"names of {size} bytes")
    names = Names(region.at(_offset(segments, values[DT_STRTAB]), size), limits)
    return Dynamic(
        soname=names[values[DT_SONAME]] if DT_SONAME in values else "",
        needed=tuple(names[value] for tag, value in tags if tag == DT_NEEDED),
        versions=tuple(_versions(region, segments, values, names, endian)),
        search=tuple(_search(values, names)),
    )


def _tags(
    region: Region, offset: int, size: int, entry: struct.Struct, limits: Limits
) -> Iterator[tuple[int, int]]:
    count = size // entry.size
    if count > limits.elf_entries:
        raise Malformed(f"a dynamic section of {count} entries")
    for tag, value in entry.iter_unpack(region.at(offset, count * entry.size)):
        if tag == 0:
            return
        yield tag, value


def _search(values: dict[int, int], names: Names) -> list[str]:
    """The directories of RUNPATH, or of RPATH without one, as in ld.so(8)."""
    found = values.get(DT_RUNPATH, values.get(DT_RPATH))
    directories = [] if found is None else names[found].split(":")
    if len(directories) > names.limits.elf_directories:
        raise Malformed(f"a RUNPATH of {len(directories)} directories")
    return directories


def _versions(
    region: Region, segments: Segments, values: dict[int, int], names: Names, endian: str
) -> Iterator[tuple[str, str]]:
    if DT_VERNEED not in values:
        return
    need, aux = struct.Struct(endian + VERNEED), struct.Struct(endian + VERNAUX)
    at = _offset(segments, values[DT_VERNEED])
    for _ in range(_bounded(values.get(DT_VERNEEDNUM, 0), names.limits)):
        _version, count, file, first, following = need.unpack(region.at(at, need.size))
        library = names[file]
        entry = at + first
        for _ in range(_bounded(count, names.limits)):
            _hash, _flags, _other, name, after = aux.unpack(region.at(entry, aux.size))
            yield library, names[name]
            entry += after
        at += following


def _offset(segments: Segments, address: int) -> int:
    """The file offset of a virtual address."""
    for kind, offset, start, size in segments:
        if kind == PT_LOAD and start <= address < start + size:
            return offset + address - start
    raise Malformed(f"the address {address:#x} is outside of the file")


def _bounded(count: int, limits: Limits) -> int:
    if count > limits.elf_entries:
        raise Malformed(f"a table of {count} symbol versions")
    return count
