"""Reads headers and cpio archives strictly, with nothing of pkgrel's: docs/manual of rpm 4.20."""

import gzip
import lzma
import re
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SIZES = {3: 2, 4: 4, 5: 8}
FORMATS = {3: "H", 4: "I", 5: "Q"}
DECOMPRESS = {"gzip": gzip.decompress, "xz": lzma.decompress, "zstd": zstd.decompress}


def header(data: bytes, region: int) -> tuple[dict[int, tuple[int, list]], int]:
    """Tag -> type and values, and where the header ends; asserts what rpm's header.c does."""
    magic, count, size = struct.unpack_from(">8sII", data)
    assert magic == b"\x8e\xad\xe8\x01\0\0\0\0"
    assert 0 < count <= 65535
    index = [struct.unpack_from(">IIII", data, 16 + 16 * n) for n in range(count)]
    store = data[16 + 16 * count : 16 + 16 * count + size]
    assert len(store) == size <= 256 << 20
    tag, kind, offset, length = index.pop(0)
    assert (tag, kind, length) == (region, 7, 16)
    assert offset == size - 16, "the trailer is last"
    assert struct.unpack(">IIiI", store[offset:]) == (region, 7, -16 * count, 16)
    assert [entry[0] for entry in index] == sorted({entry[0] for entry in index})
    found = {}
    end = 0
    for tag, kind, offset, length in index:
        assert tag >= 100
        assert 0 < length <= ((1 << 20) - 1 if kind != 7 else size)
        padding = -end % SIZES.get(kind, 1)
        assert offset == end + padding, f"tag {tag} is not right behind the one before it"
        assert store[end:offset] == bytes(padding)
        values, end = _values(store, kind, offset, length)
        found[tag] = (kind, values)
    assert end == size - 16
    return found, 16 + 16 * count + size


def _values(store: bytes, kind: int, offset: int, count: int) -> tuple[list, int]:
    if kind == 7:
        return [store[offset : offset + count]], offset + count
    if kind in FORMATS:
        end = offset + SIZES[kind] * count
        return list(struct.unpack(f">{count}{FORMATS[kind]}", store[offset:end])), end
    assert kind in (6, 8, 9)
    assert kind != 6 or count == 1
    values = []
    for _ in range(count):
        end = store.index(b"\0", offset)
        values.append(store[offset:end].decode())
        offset = end + 1
    return values, offset


@dataclass
class Member:
    name: str | None
    index: int | None
    inode: int
    mode: int
    links: int
    mtime: int
    content: bytes


def members(archive: bytes, sizes: list[int] = ()) -> Iterator[Member]:
    """Every member but the trailer, which must be the end; `sizes` are those of stripped ones."""
    at = 0

    def take(size: int) -> bytes:
        nonlocal at
        assert at + size <= len(archive)
        at += size
        return archive[at - size : at]

    def align() -> None:
        assert take(-at % 4).strip(b"\0") == b""

    while True:
        magic = take(6)
        if magic == b"07070X":
            number = int(take(8), 16)
            align()
            yield Member(None, number, 0, 0, 0, 0, take(sizes[number]))
            align()
            continue
        assert magic == b"070701"
        digits = take(104)
        assert re.fullmatch(rb"[0-9a-f]{104}", digits)
        numbers = [int(digits[n : n + 8], 16) for n in range(0, 104, 8)]
        inode, mode, uid, gid, links, mtime, size, *device, length, check = numbers
        assert (uid, gid, device, check) == (0, 0, [0] * 4, 0)
        name = take(length)
        assert name.index(0) == length - 1
        align()
        content = take(size)
        align()
        if name == b"TRAILER!!!\0":
            assert (inode, mode, links, mtime, size) == (0, 0, 1, 0, 0)
            assert at == len(archive)
            return
        yield Member(name[:-1].decode(), None, inode, mode, links, mtime, content)


@dataclass
class Package:
    lead: bytes
    signature: dict[int, tuple[int, list]]
    main: dict[int, tuple[int, list]]
    main_bytes: bytes
    packed: bytes

    @property
    def archive(self) -> bytes:
        return DECOMPRESS[self.main[1125][1][0]](self.packed)

    def __getitem__(self, tag: int) -> list:
        return self.main[tag][1]

    @property
    def paths(self) -> list[str]:
        return [self[1118][n] + name for n, name in zip(self[1116], self[1117], strict=True)]


def package(data: bytes) -> Package:
    """A whole .rpm."""
    signature, size = header(data[96:], 62)
    start = 96 + size + -size % 8
    assert data[96 + size : start] == bytes(start - 96 - size)
    main, size = header(data[start:], 63)
    return Package(
        lead=data[:96],
        signature=signature,
        main=main,
        main_bytes=data[start : start + size],
        packed=data[start + size :],
    )
