"""ar archives, read back by other people's readers."""

import io
import subprocess
from pathlib import Path

import pytest
from debian.arfile import ArFile
from hypothesis import given
from hypothesis import strategies as st

from pkgrel.errors import PackageError
from pkgrel.formats import deb as ar

NAMES = st.text("abcdefghijklmnopqrstuvwxyz.-_", min_size=1, max_size=15)


def archive(members: dict[str, bytes], mtime: int = 1_700_000_000) -> bytes:
    out = io.BytesIO(ar.MAGIC)
    out.seek(0, io.SEEK_END)
    for name, data in members.items():
        out.write(
            ar.member_header(name, len(data), mtime=mtime) + data + ar.member_padding(len(data))
        )
    return out.getvalue()


def test_a_member_byte_by_byte() -> None:
    assert archive({"debian-binary": b"2.0\n", "odd": b"x"}) == (
        b"!<arch>\n"
        #  name            mtime       user  group mode    size      end
        b"debian-binary   1700000000  0     0     100644  4         `\n2.0\n"
        b"odd             1700000000  0     0     100644  1         `\nx\n"
    )


@given(st.dictionaries(NAMES, st.binary(max_size=50), min_size=1))
def test_python_debian_reads_it(members: dict[str, bytes]) -> None:
    read = ArFile(fileobj=io.BytesIO(archive(members)))
    assert {member.name: member.read() for member in read.getmembers()} == members


def test_binutils_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(archive({"debian-binary": b"2.0\n", "odd": b"x", "empty": b"", "last": b"yz"}))
    listing = subprocess.run(["ar", "t", path], capture_output=True, text=True, check=True).stdout
    assert listing.split() == ["debian-binary", "odd", "empty", "last"]


def test_ten_digits_are_the_limit() -> None:
    assert len(ar.member_header("data.tar.xz", 10**10 - 1, mtime=0)) == 60
    with pytest.raises(
        PackageError, match=r"`data\.tar\.xz` would have 10000000000 bytes"
    ) as caught:
        ar.member_header("data.tar.xz", 10**10, mtime=0)
    assert caught.value.hint
