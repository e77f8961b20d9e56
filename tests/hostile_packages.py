"""Packages byte by byte, whatever they say of themselves."""

import gzip
import struct
import tarfile
from collections.abc import Mapping, Sequence

CONTROL = b"Package: x\nVersion: 1-1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: x\n"


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Of one member of a tar archive."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.USTAR_FORMAT)


def part(name: str, data: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A member of a tar archive."""
    return header(name, len(data), kind) + data + bytes(-len(data) % 512)


def ar(members: Mapping[str, bytes]) -> bytes:
    """An ar archive."""
    out = b"!<arch>\n"
    for name, content in members.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        out += content + b"\n" * (len(content) % 2)
    return out


def deb(control: bytes, data: bytes) -> bytes:
    """A .deb of two tar archives."""
    return ar(
        {
            "debian-binary": b"2.0\n",
            "control.tar.gz": gzip.compress(control + bytes(1024), 6),
            "data.tar.gz": gzip.compress(data + bytes(1024), 6),
        }
    )


LEAD = struct.pack(">4sBBHH66sHH16x", b"\xed\xab\xee\xdb", 3, 0, 0, 1, b"x-1-1", 1, 5)
NAMES = {1000: "x", 1001: "1", 1002: "1", 1021: "linux", 1022: "x86_64"}
Value = str | Sequence[str] | Sequence[int] | bytes


_INT16 = (1030, 1033)
"""FILEMODES and FILERDEVS."""


def rpm_header(tags: Mapping[int, Value], region: int) -> bytes:
    """A header as rpm writes it."""
    index, store = [], bytearray()
    for tag, value in sorted(tags.items()):
        if isinstance(value, bytes):
            kind, count, data = 7, len(value), value
        elif isinstance(value, str):
            kind, count, data = 6, 1, value.encode() + b"\0"
        elif value and isinstance(value[0], int) and tag in _INT16:
            store += bytes(-len(store) % 2)
            short = (number & 0xFFFF for number in value)
            kind, count, data = 3, len(value), struct.pack(f">{len(value)}H", *short)
        elif value and isinstance(value[0], int):
            store += bytes(-len(store) % 4)
            kind, count, data = 4, len(value), struct.pack(f">{len(value)}I", *value)
        else:
            kind, count, data = 8, len(value), "".join(f"{v}\0" for v in value).encode()
        index.append((tag, kind, len(store), count))
        store += data
    index.insert(0, (region, 7, len(store), 16))
    store += struct.pack(">IIiI", region, 7, -16 * len(index), 16)
    intro = b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", len(index), len(store))
    return intro + b"".join(struct.pack(">IIII", *row) for row in index) + store


def rpm(tags: Mapping[int, Value], payload: bytes, main: bytes = b"") -> bytes:
    """An .rpm without digests."""
    signature = rpm_header({}, 62)
    main = main or rpm_header({**NAMES, **tags}, 63)
    return LEAD + signature + bytes(-len(signature) % 8) + main + payload


def cpio(name: str, size: int = 0) -> bytes:
    """The header of one member of a payload."""
    raw = name.encode() + b"\0"
    numbers = [0] * 13
    numbers[6], numbers[11] = size, len(raw)
    made = b"070701" + b"".join(b"%08x" % number for number in numbers) + raw
    return made + bytes(-len(made) % 4)


def rpm_files(
    names: Sequence[str], sizes: Sequence[int], folder: str = "/x/", mode: int = 0o100644
) -> dict[int, Value]:
    """The tags of files in one folder."""
    count = len(names)
    return {
        1028: sizes,
        1030: [mode] * count,
        1034: [0] * count,
        1035: [""] * count,
        1036: [""] * count,
        1037: [0] * count,
        1039: ["root"] * count,
        1040: ["root"] * count,
        1116: [0] * count,
        1117: names,
        1118: [folder],
        1125: "gzip",
    }
