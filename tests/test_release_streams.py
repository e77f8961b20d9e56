"""Compressed tarballs: recognised by content, damaged ones refused, bombs defused."""

import bz2
import gzip
import lzma
import os
import random
import resource
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from pkgrel import release
from tests.tiny_release import file, files, nothing_left, refused, tarball, with_

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Compress = Callable[[bytes], bytes]

COMPRESSORS: dict[str, Compress] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}
each_compressor = pytest.mark.parametrize("name", COMPRESSORS)

TINY = with_(file("lib/noise", random.Random(1).randbytes(10_000)))


def names(source: Path) -> list[str]:
    with nothing_left(), release.read(source) as read:
        return [entry.path for entry in read.entries]


def written(folder: Path, data: bytes) -> Path:
    path = folder / "tiny-0.1.0.tar.gz"  # whatever is in it
    path.write_bytes(data)
    return path


@pytest.fixture
def expected(tmp_path: Path) -> list[str]:
    return names(written(tmp_path, TINY))


@each_compressor
def test_the_content_decides_what_it_is(name: str, tmp_path: Path, expected: list[str]) -> None:
    assert names(written(tmp_path, COMPRESSORS[name](TINY))) == expected


@each_compressor
def test_several_streams_are_one(name: str, tmp_path: Path, expected: list[str]) -> None:
    parts = (TINY[:5000], TINY[5000:5001], b"", TINY[5001:])
    data = b"".join(map(COMPRESSORS[name], parts))
    assert names(written(tmp_path, data)) == expected


def test_a_skippable_frame_of_zstd_is_skipped(tmp_path: Path, expected: list[str]) -> None:
    skippable = b"\x53\x2a\x4d\x18\x04\0\0\0pzst"
    data = skippable + zstd.compress(TINY) + skippable
    assert names(written(tmp_path, data)) == expected


@each_compressor
def test_zeros_at_the_end_are_padding(name: str, tmp_path: Path, expected: list[str]) -> None:
    data = COMPRESSORS[name](TINY) + bytes(100_000)
    assert names(written(tmp_path, data)) == expected


@each_compressor
@pytest.mark.parametrize("garbage", [b"x", bytes(99) + b"x", b"\0" * 99_999 + b"x"])
def test_garbage_at_the_end_is_refused(name: str, garbage: bytes, tmp_path: Path) -> None:
    error = refused(written(tmp_path, COMPRESSORS[name](TINY) + garbage))
    assert f"something that is not {name} follows" in str(error)


@each_compressor
def test_every_truncation_is_refused(name: str, tmp_path: Path) -> None:
    data = COMPRESSORS[name](TINY)
    for end in [*range(0, len(data), 97), *range(len(data) - 20, len(data))]:
        refused(written(tmp_path, data[:end]))


def test_every_truncation_of_a_plain_tar_is_refused(tmp_path: Path) -> None:
    end_mark = len(TINY.rstrip(b"\0")) // 512 * 512 + 512
    for end in range(0, end_mark, 97):
        refused(written(tmp_path, TINY[:end]))


WITH_CHECKSUM: dict[str, tuple[Compress, Callable[[bytes], int]]] = {
    "gzip": (gzip.compress, lambda data: len(data) - 8),
    # Before the index, whose size in words the footer tells, less one.
    "xz": (
        lzma.compress,
        lambda data: len(data) - 12 - 4 * (int.from_bytes(data[-8:-4], "little") + 1) - 8,
    ),
    "zstd": (
        lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
        lambda data: len(data) - 4,
    ),
}
"""How to compress, and where the checksum of the contents is then."""


@each_compressor
def test_a_wrong_checksum_is_refused(name: str, tmp_path: Path) -> None:
    compress, find = WITH_CHECKSUM[name]
    data = bytearray(compress(TINY))
    data[find(data)] ^= 1
    error = refused(written(tmp_path, bytes(data)))
    assert f"the {name} stream cannot be read" in str(error)


@each_compressor
def test_a_bomb_is_defused(name: str, tmp_path: Path) -> None:
    bomb = COMPRESSORS[name](tarball([*files().values(), file("zeros", bytes(100 << 20))]))
    error = refused(written(tmp_path, bomb))
    assert "a decompression bomb" in str(error)
    assert error.hint == "if the contents are right, give the tarball uncompressed"


@each_compressor
def test_streams_of_nothing_are_too_many(name: str, tmp_path: Path) -> None:
    compress = COMPRESSORS[name]
    some = compress(TINY[:512]) + b"".join([compress(b"")] * 500) + compress(TINY[512:])
    assert "bin/tiny" in names(written(tmp_path, some))
    # Each was a copy of the half megabyte that follows it: half a minute for 10 MB of these.
    error = refused(written(tmp_path, some + b"".join([compress(b"")] * 40_000)))
    assert "compressed streams, one behind the other, in " in str(error)


def test_there_is_a_limit_on_what_comes_out(tmp_path: Path) -> None:
    data = gzip.compress(with_(file("noise", random.Random(1).randbytes(3 << 20))))
    error = refused(written(tmp_path, data), unpacked=2 << 20)
    assert "more than 2 MiB when unpacked" in str(error)


def test_a_dictionary_of_gigabytes_is_refused(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30, "mode": lzma.MODE_FAST}]
    data = bytearray(lzma.compress(TINY, filters=[filters[0] | {"dict_size": 1 << 20}]))
    # The block header says how large the dictionary is: 18 is 2 MiB, 36 is 1 GiB.
    at = data.index(b"\x21\x01") + 2
    data[at] = 36
    data[at + 4 : at + 8] = zlib.crc32(data[12 : at + 4]).to_bytes(4, "little")
    error = refused(written(tmp_path, bytes(data)))
    assert "the xz stream cannot be read: Memory usage limit exceeded" in str(error)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"hello", "is not a tarball"),
        (bytes(10_240), "is not a tarball"),
        (bz2.compress(TINY), "is compressed with bzip2"),
        (b"PK\x03\x04" + bytes(600), "is a zip archive"),
        (b"!<arch>\ndebian-binary   ", "is an ar archive, perhaps a finished .deb"),
        (b"\xed\xab\xee\xdb" + bytes(600), "is a finished .rpm"),
        (b"\x7fELF" + bytes(600), "is a program"),
    ],
)
def test_what_is_no_tarball_is_named(data: bytes, says: str, tmp_path: Path) -> None:
    error = refused(written(tmp_path, data))
    assert str(error).endswith(f": {says}")
    assert "mix release" in (error.hint or "")


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    source = written(tmp_path, gzip.compress(TINY))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))  # Python ignores SIGXFSZ
    try:
        error = refused(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot be unpacked in " in str(error)
    assert error.hint == "set TMPDIR to a directory with more space"


def test_the_temporary_file_goes_when_the_caller_fails(tmp_path: Path) -> None:
    source = written(tmp_path, gzip.compress(TINY))
    with nothing_left(), pytest.raises(KeyboardInterrupt), release.read(source):
        raise KeyboardInterrupt


MEASURE = """
import sys
from pathlib import Path
from pkgrel import release
with release.read(Path(sys.argv[1])) as read:
    assert read.name == "tiny"
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def peak(source: Path) -> int:
    """MiB at most while `source` was read by a process of its own."""
    command = [sys.executable, "-c", MEASURE, os.fspath(source)]
    return int(subprocess.run(command, check=True, capture_output=True).stdout) // 1024


def test_memory_does_not_grow_with_the_release(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(100 << 20)
    data = with_(file("lib/noise", noise))
    for name, compress in {
        "gzip": lambda data: zlib.compress(data, level=0, wbits=31),
        "zstd": lambda data: zstd.compress(data, level=1),
        "plain": bytes,
    }.items():
        assert peak(written(tmp_path, compress(data))) < 60, name


def test_without_isal_it_is_the_same(tmp_path: Path) -> None:
    """Where it has no wheels, such as on Windows on arm64 and ppc64le: what holds of gzip holds with zlib."""
    (tmp_path / "isal.py").write_text("raise ModuleNotFoundError\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path}/base", __file__, "-k", "gzip and (decides or several or zeros or garbage or wrong)"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
