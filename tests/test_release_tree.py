"""Odd but legal: whatever tars of the world write, the tree is the same and complete."""

import hashlib
import itertools
import os
import random
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pkgrel import release
from pkgrel.release.model import Directory, File, HardLink, Release, Symlink
from tests.conftest import skip_unless
from tests.tiny_release import (
    TIME,
    Member,
    file,
    files,
    fix_checksum,
    link,
    nothing_left,
    refused,
    special,
    tarball,
    with_,
)

HARD = tarfile.LNKTYPE
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


@contextmanager
def reading(data: bytes, folder: Path) -> Iterator[Release]:
    source = folder / "tiny.tar"
    source.write_bytes(data)
    with nothing_left(), release.read(source) as read:
        yield read


def entries(data: bytes, folder: Path) -> dict[str, object]:
    """Path -> type and what matters of it, but not where the bytes are."""
    with reading(data, folder) as read:
        assert sorted(e.path for e in read.entries) == [e.path for e in read.entries]
        return {entry.path: facts(entry) for entry in read.entries}


def facts(entry: object) -> object:
    match entry:
        case File(mode=mode, content=content):
            data = b"".join(content.chunks())
            assert hashlib.md5(data).hexdigest() == content.md5
            assert hashlib.sha256(data).hexdigest() == content.sha256
            return mode, data
        case Directory(mode=mode):
            return mode
        case HardLink(target=target):
            return "hard", target
        case Symlink(target=target):
            return target
    raise AssertionError(entry)


def test_parents_are_listed_though_the_tarball_has_none(tmp_path: Path) -> None:
    found = entries(with_(), tmp_path)
    assert list(found)[:4] == ["bin", "bin/tiny", "erts-13.1.5", "erts-13.1.5/bin"]
    assert found["releases/0.1.0"] == 0o755


def test_modes_of_directories_are_kept(tmp_path: Path) -> None:
    info, _ = special("bin/", tarfile.DIRTYPE)
    info.mode = 0o700
    assert entries(with_((info, b"")), tmp_path)["bin"] == 0o700


def test_the_order_of_members_does_not_matter(tmp_path: Path) -> None:
    members = [*files().values(), file("a"), link("b", "a"), special("z", tarfile.DIRTYPE)]
    found = entries(tarball(members), tmp_path)
    for seed in range(5):
        random.Random(seed).shuffle(members)
        assert entries(tarball(members), tmp_path) == found


@pytest.mark.parametrize("prefix", ["./", "tiny/", "./tiny/", "tiny-0.1.0//"])
def test_one_directory_around_everything_is_ignored(prefix: str, tmp_path: Path) -> None:
    def moved(member: Member) -> Member:
        info, data = member
        return file(prefix + info.name, data, info.mode)

    inside = [moved(m) for m in files().values()]
    hard = link(f"{prefix}bin/second", f"{prefix}bin/tiny", HARD)
    soft = link(f"{prefix}bin/third", "tiny")
    top = special(prefix, tarfile.DIRTYPE)
    wanted = with_(link("bin/second", "bin/tiny", HARD), link("bin/third", "tiny"))
    assert entries(tarball([top, *inside, hard, soft]), tmp_path) == entries(wanted, tmp_path)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "name",
    [
        "lib/with space/and 'quotes' \"too\"",
        "lib/ünï/日本語/🎈",
        "lib/" + "/".join("d" * 40 for _ in range(5)),
        "lib/back\\slash",
        "lib/-dash",
        "lib/..dots..",
    ],
)
def test_names_are_kept(name: str, format: int, tmp_path: Path) -> None:
    assert entries(with_(file(name, b"x"), format=format), tmp_path)[name] == (0o644, b"x")


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_targets_are_kept(format: int, tmp_path: Path) -> None:
    name = "lib/" + "n" * 255
    deep = "/".join("d" * 250 for _ in range(4))
    data = with_(file(name), file(deep), link("l", deep), link("h", name, HARD), format=format)
    found = entries(data, tmp_path)
    assert found["l"] == deep
    assert found["h"] == (0o644, b"")  # the first of both names is the file
    assert found[name] == ("hard", "h")


def test_a_member_that_comes_twice_is_one(tmp_path: Path) -> None:
    once = [file("note.txt", b"overlay"), link("l", "note.txt"), special("d", tarfile.DIRTYPE)]
    assert entries(with_(*once, *once), tmp_path) == entries(with_(*once), tmp_path)


def test_of_two_modes_the_later_wins(tmp_path: Path) -> None:
    data = with_(file("x", b"1", 0o600), file("x", b"1", 0o640))
    assert entries(data, tmp_path)["x"] == (0o640, b"1")


def test_empty_files_and_directories_are_kept(tmp_path: Path) -> None:
    found = entries(with_(file("empty"), special("dir", tarfile.DIRTYPE)), tmp_path)
    assert found["empty"] == (0o644, b"")
    assert found["dir"] == 0o755


def test_symlinks_inside_are_kept(tmp_path: Path) -> None:
    targets = {
        "lib/up": "../bin/tiny",
        "lib/a/b/c/root": "../../../..",
        "lib/self": ".",
        "lib/current": "a/../a/b",
        "lib/by": "current/c",
        "lib/gone": "nothing",
    }
    found = entries(with_(*(link(p, t) for p, t in targets.items())), tmp_path)
    assert {path: found[path] for path in targets} == targets


def test_the_first_name_of_a_linked_file_is_the_file(tmp_path: Path) -> None:
    data = with_(
        file("m", b"linked", 0o755),
        link("z", "m", HARD),
        link("a", "z", HARD),
        link("soft", "m"),
        link("hardsoft", "soft", HARD),
        link("m", "m", HARD),  # as GNU tar writes a second mention
    )
    found = entries(data, tmp_path)
    assert found["a"] == (0o755, b"linked")
    assert found["m"] == found["z"] == ("hard", "a")
    assert found["hardsoft"] == "m"


def test_a_linked_program_is_still_native(tmp_path: Path) -> None:
    data = with_(link("a", "erts-13.1.5/bin/beam.smp", HARD))
    with reading(data, tmp_path) as read:
        assert [n.path for n in read.native] == ["a"]
        assert read.otp == "25"


def test_setuid_programs_are_kept_and_listed(tmp_path: Path) -> None:
    data = with_(file("lib/epam/priv/epam", b"x", 0o4750), file("lib/x", b"x", 0o2755))
    with reading(data, tmp_path) as read:
        assert read.setuid == ("lib/epam/priv/epam", "lib/x")
        assert any("`lib/epam/priv/epam` runs as its owner" in w for w in read.warnings)
        modes = {e.path: e.mode for e in read.entries if isinstance(e, File)}
        assert modes["lib/epam/priv/epam"] == 0o4750


def test_old_tars_are_read(tmp_path: Path) -> None:
    """Version 7: no magic, NUL as the type of files, directories by their slash."""
    data = bytearray(with_(file("dir/"), file("dir/x", b"old")))
    for at in range(0, len(data), 512):
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 156] = 0
            data[at + 257 : at + 512] = bytes(255)
            fix_checksum(data, at)
    found = entries(bytes(data), tmp_path)
    assert found["dir"] == 0o644
    assert found["dir/x"] == (0o644, b"old")


def test_checksums_of_signed_bytes_are_right_too(tmp_path: Path) -> None:
    data = bytearray(with_(file("lib/ü")))
    at = data.index("lib/ü".encode())
    block = bytearray(data[at : at + 512])
    block[148:156] = b" " * 8
    data[at + 148 : at + 156] = b"%06o\0 " % sum(b - 256 if b > 127 else b for b in block)
    assert "lib/ü" in entries(bytes(data), tmp_path)


def test_the_gnu_header_has_no_prefix(tmp_path: Path) -> None:
    """Where ustar has the prefix, GNU tar has the times of access and change (--incremental)."""
    data = bytearray(with_(file("lib/x")))
    at = data.index(b"lib/x\0")
    data[at + 345 : at + 357] = b"14600000000\0"
    fix_checksum(data, at)
    assert "lib/x" in entries(bytes(data), tmp_path)


def test_headers_of_other_tars_are_ignored(tmp_path: Path) -> None:
    """git archive's global comment, bsdtar's and Go's attributes, GNU tar's label."""
    info, _ = file("lib/x", b"1")
    info.pax_headers = {
        "LIBARCHIVE.xattr.user.a": "Yg==",
        "SCHILY.xattr.user.a": "b\nc",
        "atime": "1.5",
    }
    global_header = special("pax_global_header", tarfile.XGLTYPE)[0]
    comment = b"20 comment=deadbeef\n"
    global_header.size = len(comment)
    members = [
        special("label", b"V"),
        (global_header, comment),
        *files().values(),
        (info, b"1"),
    ]
    found = entries(tarball(members, tarfile.PAX_FORMAT), tmp_path)
    assert found["lib/x"] == (0o644, b"1")
    assert "label" not in found


def test_the_newest_file_tells_the_time(tmp_path: Path) -> None:
    info, data = file("lib/x", b"1")
    info.mtime = TIME + 9.75
    old, _ = file("lib/y")
    old.mtime = -5
    directory, _ = special("later", tarfile.DIRTYPE)
    directory.mtime = TIME + 99
    members = [(info, data), (old, b""), (directory, b"")]
    with reading(with_(*members, format=tarfile.PAX_FORMAT), tmp_path) as read:
        assert read.newest == TIME + 9


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "tiny.tar"
    source.write_bytes(with_(*(file(f"lib/{i}") for i in range(50))))
    assert "more than 60 files and directories" in str(refused(source, entries=60))
    source.write_bytes(with_(file("/".join("d" * 60))))
    assert "more than 60 files and directories" in str(refused(source, entries=60))


LARGE = (4 << 30) + 1


def test_files_over_4_gib_are_read_from_a_plain_tar(tmp_path: Path) -> None:
    """Sparse on this disk, so it costs no space; the size is in base-256 as if it were 8 GiB."""
    info = tarfile.TarInfo("lib/large")
    source = tmp_path / "tiny.tar"
    with source.open("wb") as out:
        out.write(with_().rstrip(b"\0").ljust(17 * 512 + 512, b"\0"))
        header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        header[124:136] = b"\x80" + LARGE.to_bytes(11, "big")
        fix_checksum(header)
        out.write(header)
        out.seek(LARGE + -LARGE % 512 + 1023, os.SEEK_CUR)
        out.write(b"\0")
    with nothing_left(), release.read(source) as read:
        (large,) = (e for e in read.entries if e.path == "lib/large")
        assert isinstance(large, File)
        assert large.content.size == LARGE
        assert large.content.file == source
        assert any("`lib/large` has 4096 MiB" in w for w in read.warnings)


GNU_TAR = (
    ["--format=gnu"],
    ["--format=posix"],
    ["--format=ustar"],
    ["--format=v7"],
    ["--format=oldgnu"],
    ["--format=posix", "--xattrs"],
    ["--format=gnu", "--incremental"],
    ["--blocking-factor=1"],
    ["--label=tiny", "--format=gnu"],
)


@pytest.mark.parametrize("options", GNU_TAR, ids=" ".join)
def test_gnu_tar_of_a_directory_is_the_directory(options: list[str], tmp_path: Path) -> None:
    skip_unless(shutil.which("tar"), "GNU tar is not installed")
    root = tmp_path / "tiny"
    unpack(root)
    plain = [o for o in options if o != "--incremental"]
    command = ["tar", *plain, "-C", root, "-cf", tmp_path / "t.tar", "."]
    subprocess.run(command, check=True)
    found = entries((tmp_path / "t.tar").read_bytes(), tmp_path)
    with release.read(root) as read:
        assert found == {entry.path: facts(entry) for entry in read.entries}


def unpack(root: Path) -> None:
    """Write the tiny release, some links and an odd name as a directory."""
    for info, data in files().values():
        path = root / info.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(info.mode)
    (root / "bin/second").hardlink_to(root / "bin/tiny")
    (root / "bin/third").symlink_to("tiny")
    (root / "lib/ünï").mkdir(parents=True)
    (root / "lib/ünï/empty file").touch()


def test_random_trees_survive_every_format(tmp_path: Path) -> None:
    for seed, format in itertools.product(range(10), FORMATS):
        chance = random.Random(seed)
        extra = [
            file(
                f"lib/{i}/" + "x" * chance.randrange(1, 90),
                chance.randbytes(chance.choice([0, 1, 511, 512, 513, 300_000])),
            )
            for i in range(8)
        ]
        found = entries(with_(*extra, format=format), tmp_path)
        for info, data in extra:
            assert found[info.name] == (0o644, data)
