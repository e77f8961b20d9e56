"""Compressors: whatever is written must come out of the real tools, as one frame, stream or member."""

import gzip
import io
import lzma
import os
import random
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pkgrel.formats.compression import compressor, xz, zstd
from pkgrel.formats.compression import gzip as our_gzip
from pkgrel.package import Compression

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor
else:
    from backports.zstd import ZstdDecompressor

ALL = list(Compression)
# Compressible, but not to nothing.
TEXT = " ".join(random.Random(1).choices(["erlang", "elixir", "otp", "beam", "rpm"], k=1_000_000))
DATA = TEXT.encode()


def compress(which: Compression, prefix: Sequence[bytes], *tails: Sequence[bytes]) -> list[bytes]:
    """The compressed streams of a prefix with each of these tails."""
    module = compressor(which)
    begin = io.BytesIO()
    stream = module.start(begin, module.DEFAULT_LEVEL)
    for data in prefix:
        stream.write(data)
    stream.complete()
    return [begin.getvalue() + _tail(stream.fork, tail) for tail in tails]


def _tail(fork: Callable[..., object], pieces: Sequence[bytes]) -> bytes:
    out = io.BytesIO()
    tail = fork(out)
    for data in pieces:
        tail.write(data)  # type: ignore[attr-defined]
    tail.finish()  # type: ignore[attr-defined]
    return out.getvalue()


def with_tool(which: Compression, data: bytes) -> bytes:
    return subprocess.run([which, "-dc"], input=data, capture_output=True, check=True).stdout


def decompress(which: Compression, data: bytes) -> bytes:
    """Decompress exactly one frame, stream or member; nothing may be left."""
    if which is Compression.ZSTD:
        zstandard = ZstdDecompressor()
        plain = zstandard.decompress(data)
        assert zstandard.eof
        assert not zstandard.unused_data
        return plain
    if which is Compression.XZ:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        plain = decoder.decompress(data)
        assert decoder.eof
        assert not decoder.unused_data
        return plain
    inflate = zlib.decompressobj(wbits=31)
    plain = inflate.decompress(data)
    assert inflate.eof
    assert not inflate.unused_data
    return plain


@pytest.mark.parametrize("which", ALL)
def test_the_tool_reads_a_prefix_with_each_of_its_tails(which: Compression) -> None:
    tails = [b"", b"tail", DATA[:300_000], bytes(1 << 20)]
    for tail, packed in zip(
        tails, compress(which, [DATA], *([tail] for tail in tails)), strict=True
    ):
        assert with_tool(which, packed) == DATA + tail


@pytest.mark.parametrize("which", ALL)
@pytest.mark.parametrize("prefix", [b"", b"p"])
@pytest.mark.parametrize("tail", [b"", b"t"])
def test_next_to_nothing(which: Compression, prefix: bytes, tail: bytes) -> None:
    [packed] = compress(which, [prefix] if prefix else [], [tail] if tail else [])
    assert with_tool(which, packed) == prefix + tail


@pytest.mark.parametrize("which", ALL)
@pytest.mark.parametrize("limit", [zstd.BLOCK, our_gzip.PIECE, xz.BLOCK])
@pytest.mark.parametrize("difference", [-1, 0, 1])
def test_sizes_around_the_limits_of_blocks(which: Compression, limit: int, difference: int) -> None:
    data = DATA[: limit + difference]
    first, second = compress(which, [data], [b""], [data])
    assert decompress(which, first) == data
    assert decompress(which, second) == data + data


@pytest.mark.parametrize("which", ALL)
@settings(deadline=None, max_examples=60)
@given(
    prefix=st.lists(st.binary(max_size=400), max_size=8),
    tails=st.lists(st.lists(st.binary(max_size=400), max_size=4), min_size=1, max_size=3),
)
def test_anything_comes_back(
    which: Compression, prefix: list[bytes], tails: list[list[bytes]]
) -> None:
    for tail, packed in zip(tails, compress(which, prefix, *tails), strict=True):
        assert decompress(which, packed) == b"".join(prefix + tail)


@pytest.mark.parametrize("which", ALL)
def test_neither_threads_nor_the_size_of_writes_change_the_bytes(
    which: Compression, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compress(which, [DATA], [b"tail"])
    cuts = [0, *sorted(random.Random(2).choices(range(len(DATA)), k=50)), len(DATA)]
    pieces = [DATA[start:end] for start, end in pairwise(cuts)]
    for cpus in (1, 3, 64):
        monkeypatch.setattr(os, "cpu_count", lambda cpus=cpus: cpus)
        assert compress(which, pieces, [b"ta", b"il"]) == whole


def listed(tmp_path: Path, packed: bytes, *command: str) -> str:
    """What a tool says of a file; xz and zstd do not list what they read from a pipe."""
    path = tmp_path / "packed"
    path.write_bytes(packed)
    return subprocess.run([*command, path], capture_output=True, text=True, check=True).stdout


def test_xz_lists_one_stream_of_several_blocks(tmp_path: Path) -> None:
    [packed] = compress(Compression.XZ, [DATA], [b"tail"])
    lines = listed(tmp_path, packed, "xz", "--robot", "--list", "--verbose", "--verbose")
    rows = [line.split("\t") for line in lines.splitlines()]
    assert [row[1] for row in rows if row[0] == "stream"] == ["1"]
    sizes = [int(row[7]) for row in rows if row[0] == "block"]
    assert sizes == [xz.BLOCK] * (len(DATA) // xz.BLOCK) + [len(DATA) % xz.BLOCK, len(b"tail")]


def test_zstd_lists_one_frame_that_needs_no_more_than_its_window(tmp_path: Path) -> None:
    [packed] = compress(Compression.ZSTD, [DATA], [b"tail"])
    lines = listed(tmp_path, packed, "zstd", "-lv")
    assert "Frames: 1" in " ".join(lines.split())
    assert f"{1 << zstd.WINDOW_LOG} B" in lines


def test_gzip_is_compressed_as_well_as_by_gzip(tmp_path: Path) -> None:
    [packed] = compress(Compression.GZIP, [DATA], [b"tail"])
    assert len(packed) < 1.01 * len(gzip.compress(DATA, our_gzip.DEFAULT_LEVEL))


def test_headers_byte_by_byte() -> None:
    assert compress(Compression.ZSTD, [], [b"hello"]) == [
        (
            b"\x28\xb5\x2f\xfd"  # magic
            b"\0\x58"  # nothing optional, window of 1 << (10 + 0x58 >> 3)
            b"\x29\0\0hello"  # 5 << 3, raw, last
        )
    ]
    assert compress(Compression.GZIP, [], []) == [
        (
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03"  # no name, no time, Unix
            b"\x03\0"  # an empty last block
            b"\0\0\0\0\0\0\0\0"  # CRC and size
        )
    ]
    assert compress(Compression.XZ, [], []) == [
        (
            b"\xfd7zXZ\0\0\x01\x69\x22\xde\x36"  # CRC32 for checks
            b"\0\0\0\0\x1c\xdf\x44\x21"  # index of no records
            b"\x90\x42\x99\x0d\x01\0\0\0\0\x01YZ"
        )
    ]


@pytest.mark.parametrize(("which", "level"), [(which, level) for which in ALL for level in (1, 9)])
def test_levels(which: Compression, level: int) -> None:
    out = io.BytesIO()
    stream = compressor(which).start(out, level)
    stream.write(DATA[: 1 << 20])
    stream.complete()
    stream.fork(out).finish()
    assert decompress(which, out.getvalue()) == DATA[: 1 << 20]


MEMORY = """
import os, random, re, sys
from pkgrel.formats.compression import compressor
from pkgrel.package import Compression
os.cpu_count = lambda: 64
which, level, megabytes = Compression(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
source = random.Random(1)
piece = b"".join(source.choice((b"erlang", source.randbytes(9))) for _ in range(1 << 15))
with open(os.devnull, "wb") as out:
    stream = compressor(which).start(out, level)
    for number in range(megabytes * 4):
        stream.write(bytes([number & 255]) + piece)
    stream.complete()
    stream.fork(out).finish()
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) >> 10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("which", "level", "megabytes"),
    [("zstd", 4, 200), ("zstd", 9, 100), ("zstd", 19, 24), ("xz", 5, 48), ("gzip", 6, 100)],
)
def test_memory_does_not_grow(which: str, level: int, megabytes: int) -> None:
    command = [sys.executable, "-c", MEMORY, which, str(level), str(megabytes)]
    peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(peak) <= 100
