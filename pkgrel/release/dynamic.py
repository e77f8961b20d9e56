"""What an ELF file tells the dynamic linker: the libraries and symbol versions that it needs.

Source: System V ABI, chapter 5, "Dynamic Section"; Linux Standard Base Core, "Symbol Versioning";
<elf.h> for the numbers.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pkgrel.limits import LIMITS
from pkgrel.release.region import Malformed, Region, Segments

PT_LOAD = 1
PT_DYNAMIC = 2

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


class Names:
    """The table of names, of which a file may ask for so many."""

    def __init__(self, strings: bytes) -> None:
        self._strings = strings
        self._left = LIMITS.elf_names
        self._count = LIMITS.elf_entries

    def __getitem__(self, offset: int) -> str:
        """The name at an offset; Malformed if it is outside, or one too many."""
        end = self._strings.find(b"\0", offset, offset + self._left + 1)
        if not 0 <= offset < len(self._strings) or (
            end < 0 and b"\0" not in self._strings[offset:]
        ):
            raise Malformed(f"a name at {offset} is outside of the names")
        self._left -= end - offset
        self._count -= 1
        if end < 0 or self._count < 0:
            raise Malformed(
                f"it asks for more than {LIMITS.elf_names} characters or {LIMITS.elf_entries} names"
            )
        return self._strings[offset:end].decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Dynamic:
    """The parts of a dynamic section that name something."""

    soname: str = ""
    needed: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    search: tuple[str, ...] = ()


def read(region: Region, segments: Segments, endian: str, entry: struct.Struct) -> Dynamic:
    """Read the dynamic section; an empty one for a static program, Malformed if it lies."""
    found = [(offset, size) for kind, offset, _address, size in segments if kind == PT_DYNAMIC]
    if not found or not found[0][1]:
        return Dynamic()
    tags = list(_tags(region, *found[0], entry))
    values = dict(tags)
    if DT_STRTAB not in values:
        return Dynamic()
    size = values.get(DT_STRSZ, 0)
    if size > LIMITS.elf_strings:
        raise Malformed(f"names of {size} bytes")
    names = Names(region.at(_offset(segments, values[DT_STRTAB]), size))
    return Dynamic(
        soname=names[values[DT_SONAME]] if DT_SONAME in values else "",
        needed=tuple(names[value] for tag, value in tags if tag == DT_NEEDED),
        versions=tuple(_versions(region, segments, values, names, endian)),
        search=tuple(_search(values, names)),
    )


def _tags(
    region: Region, offset: int, size: int, entry: struct.Struct
) -> Iterator[tuple[int, int]]:
    count = size // entry.size
    if count > LIMITS.elf_entries:
        raise Malformed(f"a dynamic section of {count} entries")
    for tag, value in entry.iter_unpack(region.at(offset, count * entry.size)):
        if tag == 0:
            return
        yield tag, value


def _search(values: dict[int, int], names: Names) -> list[str]:
    """The directories of RUNPATH; of RPATH where there is none, as ld.so(8) looks at them."""
    found = values.get(DT_RUNPATH, values.get(DT_RPATH))
    directories = [] if found is None else names[found].split(":")
    if len(directories) > LIMITS.elf_directories:
        raise Malformed(f"a RUNPATH of {len(directories)} directories")
    return directories


def _versions(
    region: Region, segments: Segments, values: dict[int, int], names: Names, endian: str
) -> Iterator[tuple[str, str]]:
    if DT_VERNEED not in values:
        return
    need, aux = struct.Struct(endian + VERNEED), struct.Struct(endian + VERNAUX)
    at = _offset(segments, values[DT_VERNEED])
    for _ in range(_bounded(values.get(DT_VERNEEDNUM, 0))):
        _version, count, file, first, following = need.unpack(region.at(at, need.size))
        library = names[file]
        entry = at + first
        for _ in range(_bounded(count)):
            _hash, _flags, _other, name, after = aux.unpack(region.at(entry, aux.size))
            yield library, names[name]
            entry += after
        at += following


def _offset(segments: Segments, address: int) -> int:
    """Where in the file an address of the loaded program is."""
    for kind, offset, start, size in segments:
        if kind == PT_LOAD and start <= address < start + size:
            return offset + address - start
    raise Malformed(f"the address {address:#x} is outside of the file")


def _bounded(count: int) -> int:
    if count > LIMITS.elf_entries:
        raise Malformed(f"a table of {count} symbol versions")
    return count
