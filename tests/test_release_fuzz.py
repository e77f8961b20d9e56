"""Damaged and forged tarballs by the thousand: read, or refused with a ReleaseError.

The seed is fixed, so a failure comes again; it leaves its input in the folder of the test and
says which round it was.
"""

import gzip
import lzma
import random
import sys
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from pkgrel import release
from pkgrel.console import is_plain
from pkgrel.errors import ReleaseError
from tests.tiny_release import file, fix_checksum, link, nothing_left, special, with_

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROUNDS = 1_000
"""Of each of the eight ways below."""

Random = random.Random

PARTS = (
    file("lib/a-1/" + "long/" * 25 + "file", b"x" * 600),
    file("lib/ünï", b"u"),
    link("lib/soft", "../bin/tiny"),
    link("lib/hard", "bin/tiny", tarfile.LNKTYPE),
    special("lib/dir", tarfile.DIRTYPE),
)


def cut(tar: bytes) -> bytes:
    """Without the padding behind the end mark, where no damage would matter."""
    used = len(tar.rstrip(b"\0"))
    return tar[: used + -used % 512 + 1024]


FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
TARS = tuple(cut(with_(*PARTS, format=format)) for format in FORMATS)
# Values that have broken readers of tar, by where the field begins and ends.
FIELDS = {
    (0, 100): (b"", b"/", b"..", b"../../x", b"\xff" * 100, b"a/" * 50, b"bin/tiny"),
    (100, 108): (b"", b"7777777\0", b"\xff" * 8, b"-1", b" 644", b"\x80" + bytes(7)),
    (124, 136): (
        b"", b"7" * 12, b"\x80" + b"\xff" * 11, b"\xff" * 12, b"-1", b"0x10", b"00000001000\0",
    ),
    (136, 148): (b"", b"7" * 12, b"\x80" + b"\xff" * 11, b"\xff" * 12, b"9"),
    (156, 157): tuple(bytes([byte]) for byte in b"\x0001234567ABDKLMNSVXgx\xff"),
    (157, 257): (b"", b"/", b"..", b"../../x", b"lib/hard", b"lib/soft", b"\xff" * 100),
    (257, 265): (b"ustar\0" + b"00", b"ustar  \0", b""),
    (345, 500): (b"", b"/", b"..", b"p" * 155, b"\xfe" * 155),
}  # fmt: skip


def flip(data: bytearray, chance: Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def truncate(data: bytearray, chance: Random) -> None:
    del data[chance.randrange(len(data)) :]


def splice(data: bytearray, chance: Random) -> None:
    """Copy, move or drop a piece, often of whole blocks."""
    unit = chance.choice((1, 512))
    count = len(data) // unit
    start, end, to = (chance.randrange(count + 1) * unit for _ in range(3))
    piece = data[min(start, end) : max(start, end)]
    if chance.random() < 0.5:
        del data[min(start, end) : max(start, end)]
    data[to:to] = piece if chance.random() < 0.7 else b""


def forge(data: bytearray, chance: Random) -> None:
    """Change fields of headers and make their checksums right."""
    headers = [at for at in range(0, len(data), 512) if data[at + 257 : at + 262] == b"ustar"]
    for at in chance.sample(headers, chance.choice((1, 1, 2, 3))):
        for field in chance.sample(list(FIELDS), chance.choice((1, 1, 2))):
            start, end = field
            size = end - start
            value = chance.choice((*FIELDS[field], chance.randbytes(size)))
            data[at + start : at + end] = value[:size].ljust(size, b"\0")
        fix_checksum(data, at)


def scramble(data: bytearray, chance: Random) -> None:
    """Change what files say: ELF headers, terms, pax records."""
    at = chance.randrange(len(data) // 512) * 512
    if data[at + 257 : at + 262] != b"ustar":
        for _ in range(chance.choice((1, 4, 40))):
            data[at + chance.randrange(128)] = chance.randrange(256)


Mutation = Callable[[bytearray, Random], None]


def plain(data: bytes) -> bytes:
    return data


def quick_gzip(data: bytes) -> bytes:
    return zlib.compress(data, level=1, wbits=31)


# How the tar is changed, how it is compressed, how that is changed.
WAYS: dict[str, tuple[Mutation | None, Callable[[bytes], bytes], Mutation | None]] = {
    "flip": (flip, plain, None),
    "truncate": (truncate, quick_gzip, None),
    "splice": (splice, plain, None),
    "forge": (forge, plain, None),
    "forge in gzip": (forge, quick_gzip, None),
    "scramble": (scramble, plain, None),
    "damaged gzip": (None, quick_gzip, flip),
    "cut and pasted gzip": (None, quick_gzip, splice),
}
SLOW_WAYS = {
    "damaged xz": (None, lzma.compress, flip),
    "damaged zstd": (None, zstd.compress, flip),
    "cut and pasted zstd": (None, zstd.compress, splice),
}


@pytest.mark.parametrize("way", WAYS | SLOW_WAYS)
def test_nothing_but_a_clear_error(way: str, tmp_path: Path) -> None:
    before, compress, after = (WAYS | SLOW_WAYS)[way]
    rounds = ROUNDS if way in WAYS else ROUNDS // 10
    chance = Random(way)
    source = tmp_path / "fuzzed"
    read = 0
    with nothing_left():
        for number in range(rounds):
            data = bytearray(chance.choice(TARS))
            if before:
                before(data, chance)
            data = bytearray(compress(bytes(data)))
            if after:
                after(data, chance)
            source.unlink(missing_ok=True)  # ext4 is slow to write over a file
            source.write_bytes(data)
            read += _read(source, f"round {number}")
    assert read < rounds  # something was refused


def _read(source: Path, where: str) -> bool:
    """Whether it was accepted; anything but a ReleaseError of one printable line fails."""
    try:
        with release.read(source) as read:
            return bool(read.entries)
    except ReleaseError as e:
        error = e
    except Exception as e:
        e.add_note(where)
        raise
    assert is_plain(str(error)), where
    assert error.hint, where
    return False


def test_the_seeds_are_good(tmp_path: Path) -> None:
    for number, data in enumerate(TARS):
        source = tmp_path / str(number)
        source.write_bytes(gzip.compress(data))
        assert _read(source, source.name)
