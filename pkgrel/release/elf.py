"""What an ELF file is for and what it needs: machine, kind, program interpreter, libraries.

Sources: System V ABI, chapters 4 and 5 (gabi 4.1); elf(5); <elf.h> for the numbers. Offsets and
sizes come from the file and are not to be trusted: every read stays inside it.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from pkgrel.content import Slice
from pkgrel.limits import LIMITS
from pkgrel.release import dynamic, magic
from pkgrel.release.region import Malformed, Region, Segments

__all__ = ["Elf", "Malformed", "Type", "read"]

IDENT = struct.Struct("4s B B 10x")  # magic class data
PT_INTERP = 3
OBJECT = 64
"""Bytes that Python needs for a string besides its characters."""

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
    """The structures of one class."""

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
    """As uname(2) says it; `machine 94` for one without a name here."""
    type: int
    """A Type, or a number that elf(5) does not know."""
    entry: int
    """Address where a program begins; 0 for none."""
    interpreter: str
    """The dynamic linker that the kernel starts; empty for libraries and static programs."""
    soname: str
    """The name under which others ask for it; empty for programs and most NIFs."""
    needed: tuple[str, ...]
    """The libraries that it asks for."""
    versions: tuple[tuple[str, str], ...]
    """Symbol versions that it asks for: the library and the version, such as GLIBC_2.34."""
    search: tuple[str, ...]
    """Where the dynamic linker looks for them first: RUNPATH, or RPATH where there is none."""

    @property
    def names(self) -> int:
        """Bytes that all names need in memory, about."""
        texts = (*self.needed, *self.search, *(text for pair in self.versions for text in pair))
        return sum(len(text) + OBJECT for text in texts)


def read(content: Slice) -> Elf:
    """Read the headers of an ELF file; Malformed if it is none."""
    with content.file.open("rb") as file:
        region = Region(file, content)
        start, bits, order = IDENT.unpack(region.at(0, IDENT.size))
        if start != magic.ELF or bits not in LAYOUTS or order not in (1, 2):
            raise Malformed("no ELF header")
        layout = LAYOUTS[bits]
        endian = "<" if order == 1 else ">"
        header = struct.Struct(endian + layout.header)
        fields = header.unpack(region.at(IDENT.size, header.size))
        kind, machine, _version, entry, offset, entry_size, count = fields
        segments = _segments(
            region, struct.Struct(endian + layout.segment), offset, entry_size, count
        )
        _refuse_cut(segments, content.size)
        linked = dynamic.read(region, segments, endian, struct.Struct(endian + layout.dynamic))
        return Elf(
            architecture=MACHINES.get((machine, bits, order), f"machine {machine}"),
            type=kind,
            entry=entry,
            interpreter=_interpreter(region, segments),
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
    if entry_size < segment.size or count > LIMITS.elf_segments:
        raise Malformed(f"{count} program headers of {entry_size} bytes")
    table = region.at(offset, entry_size * count)
    return [segment.unpack_from(table, entry_size * i) for i in range(count)]


def _refuse_cut(segments: Segments, size: int) -> None:
    """A file that ends too early has a table of segments that looks well."""
    for kind, offset, _address, length in segments:
        if kind == dynamic.PT_LOAD and offset + length > size:
            raise Malformed(f"it has {size} bytes and should have {offset + length} at least")


def _interpreter(region: Region, segments: Segments) -> str:
    for kind, offset, _address, size in segments:
        if kind == PT_INTERP:
            if size > LIMITS.elf_interpreter:
                raise Malformed(f"an interpreter's name of {size} bytes")
            return region.at(offset, size).partition(b"\0")[0].decode(errors="replace")
    return ""
