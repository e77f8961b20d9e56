"""tar headers: byte for byte those of GNU tar, and what Python's reader makes of them."""

import os
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkgrel.errors import PackageError
from pkgrel.formats.deb import tar

EPOCH = 1_700_000_000
LONG = "ü" * 70
NAMES = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\n"),
    min_size=1,
    max_size=150,
).map(lambda name: "./" + name.strip("/") + "x")


def gnu_tar(*arguments: str | Path, size: int | None = None) -> bytes:
    """The beginning of what GNU tar writes."""
    command = ["tar", "--format=gnu", "--owner=root:0", "--group=root:0", "--sort=name"]
    command += [f"--mtime=@{EPOCH}", "-b1", "-cf-", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        data = process.stdout.read(-1 if size is None else size)
        if size is not None:
            process.kill()
    return data


def test_an_archive_is_what_gnu_tar_writes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text\n")
    (tmp_path / "file").chmod(0o4755)
    (tmp_path / "hard").hardlink_to(tmp_path / "file")
    (tmp_path / LONG).mkdir(mode=0o750)
    (tmp_path / LONG / LONG).write_bytes(bytes(1000))
    (tmp_path / LONG / LONG).chmod(0o644)
    (tmp_path / "symlink").symlink_to(f"{LONG}/{LONG}")
    folder, target = f"./{LONG}/", f"{LONG}/{LONG}"
    ours = [
        tar.header(b"./", tar.DIRECTORY, mode=tmp_path.stat().st_mode & 0o7777, mtime=EPOCH),
        tar.header(b"./file", tar.FILE, mode=0o4755, mtime=EPOCH, size=5),
        b"text\n",
        tar.padding(5),
        tar.header(b"./hard", tar.HARD_LINK, mode=0o4755, mtime=EPOCH, link=b"./file"),
        tar.header(b"./symlink", tar.SYMLINK, mode=0o777, mtime=EPOCH, link=target.encode()),
        tar.header(folder.encode(), tar.DIRECTORY, mode=0o750, mtime=EPOCH),
        tar.header(f"./{target}".encode(), tar.FILE, mode=0o644, mtime=EPOCH, size=1000),
        bytes(1000),
        tar.padding(1000),
        tar.END,
    ]
    assert b"".join(ours) == gnu_tar("-C", tmp_path, ".")


@pytest.mark.parametrize("size", [8**11 - 1, 8**11, 10**12])
def test_sizes_of_8_gib_are_what_gnu_tar_writes(tmp_path: Path, size: int) -> None:
    with (tmp_path / "big").open("wb") as file:
        os.truncate(file.fileno(), size)
    (tmp_path / "big").chmod(0o644)
    ours = tar.header(b"big", tar.FILE, mode=0o644, mtime=EPOCH, size=size)
    assert ours == gnu_tar("-C", tmp_path, "big", size=512)


@given(
    name=NAMES,
    link=NAMES,
    mode=st.integers(0, 0o7777),
    mtime=st.integers(0, 2**40),
    size=st.integers(0, 2**70),
    owner=st.text("abc_-", min_size=1, max_size=31),
)
def test_python_reads_it(
    name: str, link: str, mode: int, mtime: int, size: int, owner: str
) -> None:
    def header(kind: bytes, **fields: Any) -> bytes:
        return tar.header(
            name.encode(), kind, mode=mode, mtime=mtime, owner=owner, group="root", **fields
        )

    archive = header(tar.SYMLINK, link=link.encode()) + header(tar.FILE, size=size) + tar.END
    with tarfile.open(fileobj=BytesIO(archive), encoding="utf-8") as read:
        symlink, file = read.next(), read.next()
    assert symlink
    assert file
    for member in (symlink, file):
        assert (member.name, member.mode, member.mtime) == (name, mode, mtime)
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, owner, "root")
    assert symlink.issym()
    assert symlink.linkname == link
    assert file.isreg()
    assert file.size == size


def test_owners_that_do_not_fit_are_refused() -> None:
    with pytest.raises(PackageError, match=f"`{'x' * 32}` is longer than 31 bytes"):
        tar.header(b"./x", tar.FILE, mode=0o644, mtime=EPOCH, owner="x" * 32)
