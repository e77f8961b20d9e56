"""Payloads: what is shared between packages, and that sharing never shows in the bytes."""

import copy
import hashlib
import io
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pkgrel.formats.deb.tar import Data
from pkgrel.formats.payload import Payload, Payloads
from pkgrel.formats.rpm.cpio import Archive
from pkgrel.package import Compression, Package
from tests.conftest import skip_unless
from tests.packages import TREE, file, sample

WORDS = " ".join(random.Random(3).choices(["gen_server", "supervisor", "logger"], k=100_000))


@pytest.fixture
def payloads() -> Iterator[Payloads]:
    with Payloads() as payloads:
        yield payloads


def packed(payload: Payload) -> bytes:
    out = io.BytesIO()
    payload.copy_to(out)
    return out.getvalue()


def alone(package: Package) -> bytes:
    """The payload as it is when nothing was packed before."""
    with Payloads() as payloads:
        return packed(payloads.pack(package, Data()))


def names(package: Package, data: bytes) -> list[str]:
    command = [package.compression, "-dc"]
    plain = subprocess.run(command, input=data, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        return ["/" + name.removeprefix("./").removeprefix(".") for name in archive.getnames()]


@pytest.mark.parametrize("compression", [*map(str, Compression)])
def test_packages_that_share_a_tree_are_what_they_would_be_alone(
    payloads: Payloads, compression: str
) -> None:
    packages = [
        sample(compression=compression, extra=(file(f"/etc/{name}", name * 50),)) for name in "abc"
    ]
    made = [payloads.pack(package, Data()) for package in packages]
    assert len({payload.files[0] for payload in made}) == 1
    for package, payload in zip(packages, made, strict=True):
        data = packed(payload)
        assert data == alone(package)
        assert names(package, data) == [str(entry.path) for entry in package.entries]


def test_an_equal_tree_is_as_good_as_the_same(payloads: Payloads) -> None:
    first = payloads.pack(sample(), Data())
    second = payloads.pack(sample(tree=copy.deepcopy(TREE)), Data())
    assert first.files[0] == second.files[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"level": 9},
        {"compression": Compression.GZIP},
        {"build_time": 1_800_000_000},
        {"tree": TREE[:-1]},
        {"tree": (*TREE[:-1], replace(TREE[-1], target="elsewhere"))},
    ],
)
def test_whatever_changes_the_bytes_is_not_shared(
    payloads: Payloads, changes: dict[str, object]
) -> None:
    first = payloads.pack(sample(), Data())
    other = replace(sample(), **changes)
    second = payloads.pack(other, Data())
    assert first.files[0] != second.files[0]
    assert packed(second) == alone(other)


def test_sizes_and_digests(payloads: Payloads) -> None:
    payload = payloads.pack(sample("rpm"), Archive())
    data = packed(payload)
    plain = subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=True).stdout
    assert payload.packed.size == len(data)
    assert payload.packed.sha256 == hashlib.sha256(data).hexdigest()
    assert payload.plain.size == len(plain)
    assert payload.plain.sha256 == hashlib.sha256(plain).hexdigest()


@pytest.mark.parametrize("compression", [*map(str, Compression)])
def test_large_files_of_one_distro_are_compressed_too(payloads: Payloads, compression: str) -> None:
    package = sample(compression=compression, extra=(file("/usr/share/demo.txt", WORDS),))
    data = packed(payloads.pack(package, Data()))
    assert len(data) < len(WORDS) / 3
    assert names(package, data)[-1] == "/usr/share/demo.txt"


def test_temporary_files_are_gone_at_the_end() -> None:
    with Payloads() as payloads:
        payload = payloads.pack(sample(), Data())
        assert all(path.exists() for path in payload.files)
    assert not payload.files[0].parent.exists()


LARGE = """
import re, sys
from pathlib import Path, PurePosixPath
from pkgrel.content import Slice
from pkgrel.formats import write_package
from pkgrel.formats.payload import Payloads
from pkgrel.package import File
from tests.packages import sample
source = Path(sys.argv[1])
content = Slice(source, 0, source.stat().st_size, "0" * 64)
tree = (File(path=PurePosixPath("/usr/lib/demo/large"), content=content),)
with Payloads() as payloads:
    print(write_package(sample(tree=tree, level=1), source.parent, payloads))
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) >> 10)
"""


def test_a_large_file_in_little_memory(tmp_path: Path) -> None:
    """How a header says more than 8 GiB is in test_deb_tar.py."""
    skip_unless(sys.platform == "linux", "reads /proc")
    size = (1 << 30) + 1
    with (tmp_path / "large").open("wb") as source:
        os.truncate(source.fileno(), size)
    command = [sys.executable, "-c", LARGE, tmp_path / "large"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    package, mebibytes = output
    assert int(mebibytes) <= 100
    command = ["dpkg-deb", "--contents", package]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f" {size} " in listing
    assert listing.splitlines()[-1].endswith("./usr/share/licenses/demo.txt")
