"""Inputs that must be refused: each with one clear error, and nothing left behind."""

import gzip
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pkgrel.release import beam
from tests.tiny_release import (
    MUSL,
    Member,
    elf,
    file,
    files,
    fix_checksum,
    link,
    refused,
    special,
    tarball,
    with_,
)

HARD = tarfile.LNKTYPE


def without(*paths: str) -> bytes:
    return tarball(m for path, m in files().items() if path not in paths)


def changed(path: str, data: bytes) -> bytes:
    return tarball((files() | {path: file(path, data, 0o755)}).values())


def members_below(folder: str) -> list[Member]:
    return [file(folder + info.name, data, info.mode) for info, data in files().values()]


def below(folder: str) -> bytes:
    return tarball(members_below(folder))


def raw_type(kind: bytes) -> bytes:
    tar = bytearray(with_(file("odd")))
    at = tar.index(b"odd\0")
    tar[at + 156 : at + 157] = kind
    fix_checksum(tar, at)
    return bytes(tar)


def raw_field(where: slice, value: bytes) -> bytes:
    """The tiny release, one field of the first header replaced."""
    tar = bytearray(with_())
    tar[where] = value
    fix_checksum(tar)
    return bytes(tar)


def negative_label() -> bytes:
    tar = bytearray(tarball([special("label", b"V"), *files().values()]))
    tar[124:136] = b"\xff" * 10 + b"\xfe\x00"
    fix_checksum(tar)
    return bytes(tar)


def pax(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    info = tarfile.TarInfo("PaxHeaders/x")
    info.type, info.size = kind, len(records)
    return tarball([(info, records), *files().values()])


BEAM = "erts-13.1.5/bin/beam.smp"
START = "releases/start_erl.data"
REL = "releases/0.1.0/tiny.rel"

NAMES = {
    "absolute": (with_(file("/etc/passwd")), "absolute"),
    "parent": (with_(file("../evil")), "`..`"),
    "parent inside": (with_(file("lib/../../evil")), "`..`"),
    "control character": (with_(file("lib/a\x1b[2Jb")), "control characters"),
    "newline": (with_(file("lib/a\nb")), "control characters"),
    "turned around": (with_(file("lib/a\u202egnp.exe")), "control characters"),
    "not UTF-8": (with_(file("lib/caf\udce9")), "not UTF-8"),
    "NUL by pax": (pax(b"14 path=a\0bcd\n"), "control characters"),
    "name too long": (with_(file("lib/" + "n" * 256)), "too long"),
    "path too long": (with_(file("d/" * 1600 + "f")), "too long"),
    "file without a name": (pax(b"11 path=./\n"), "is not a file"),
    "nothing but dots": (with_(file(".")), "without a name"),
}

LINKS = {
    "symlink absolute": (with_(link("lib/x", "/etc/passwd")), "absolute target `/etc/passwd`"),
    "symlink up": (with_(link("lib/x", "../../etc/passwd")), "leaves the release"),
    "symlink up by another": (
        with_(link("a/up", ".."), link("a/x", "up/../../etc")),
        "leaves the release",
    ),
    "write through a symlink": (
        with_(link("lib/x", "../bin"), file("lib/x/tiny", b"evil")),
        "`lib/x/tiny` lies below `lib/x`, which is not a directory",
    ),
    "below a file": (with_(file("bin/tiny/x")), "which is not a directory"),
    "symlink to nowhere": (with_(link("x", "")), "without a name or a target"),
    "hard link out": (with_(link("x", "../../etc/passwd", HARD)), "`..`"),
    "hard link absolute": (with_(link("x", "/etc/passwd", HARD)), "absolute"),
    "hard link to nothing": (with_(link("x", "y", HARD)), "hard link to `y`"),
    "hard link to a directory": (with_(link("x", "bin", HARD)), "hard link to `bin`"),
    "hard links in a circle": (
        with_(link("x", "y", HARD), link("y", "x", HARD)),
        "is a hard link to",
    ),
}

MEMBERS = {
    "character device": (with_(special("dev/null", tarfile.CHRTYPE)), "is a device"),
    "block device": (with_(special("dev/sda", tarfile.BLKTYPE)), "is a device"),
    "pipe": (with_(special("pipe", tarfile.FIFOTYPE)), "is a named pipe"),
    "sparse": (raw_type(b"S"), "sparse"),
    "sparse by pax": (pax(b"22 GNU.sparse.major=1\n"), "sparse"),
    "several volumes": (raw_type(b"M"), "another volume"),
    "unknown type": (raw_type(b"Z"), "unknown type `b'Z'`"),
    "twice and different": (with_(file("bin/tiny", b"other")), "`bin/tiny` comes twice"),
    "file and directory": (with_(special("bin/tiny", tarfile.DIRTYPE)), "comes twice"),
    "file and symlink": (with_(link("bin/tiny", "elixir")), "comes twice"),
}

HEADERS = {
    "checksum": (with_()[:1] + b"x" + with_()[2:], "wrong checksum"),
    "checksum further on": (
        with_(file("zzz")).replace(b"zzz", b"zzy"),
        "wrong checksum",
    ),
    "negative size": (raw_field(slice(124, 136), b"\xff" * 12), "has the size -1"),
    "negative size of a label": (
        negative_label(),
        "has the size -512",
    ),
    "giant size": (raw_field(slice(124, 136), b"\x80" + b"\xff" * 11), "truncated"),
    "size is not a number": (raw_field(slice(124, 136), b"00000000009\0"), "no number"),
    "size in no base": (raw_field(slice(124, 136), b"\x81" + bytes(11)), "no number"),
    "mode is not a number": (raw_field(slice(100, 108), b"rwxr-xr\0"), "no number"),
    "time": (raw_field(slice(136, 148), b"\x80" + b"\x7f" * 11), "impossible time"),
    "pax length": (pax(b"999 path=x\n"), "pax header is malformed"),
    "pax length zero": (pax(b"0 path=x\n"), "pax header is malformed"),
    "pax without equals": (pax(b"7 path\n"), "pax header is malformed"),
    "pax size": (pax(b"11 size=x1\n"), "the size `x1`"),
    "pax time": (pax(b"14 mtime=soon\n"), "the mtime `soon`"),
    "pax for all": (pax(b"10 path=x\n", tarfile.XGLTYPE), "global pax header sets `path`"),
    "pax too big": (pax(b"9" * (2 << 20)), "extended tar header claims 2097152 bytes"),
    "pax for nothing": (
        tarball([*files().values(), (special("x", tarfile.XHDTYPE)[0], b"")]),
        "truncated",
    ),
    "headers without end": (
        tarball([(special("x", tarfile.XHDTYPE)[0], b"")] * 50),
        "more than 8 tar headers",
    ),
    "after the end": (with_() + b"more".ljust(512, b"\0"), "follows the end"),
    "another tar after the end": (with_() + with_(), "follows the end"),
    "no end": (with_().rstrip(b"\0").ljust(512 * 18, b"\0"), "truncated"),
}

CONTENTS = {
    "no release": (tarball([file("README", b"hello")]), f"there is no `{START}`"),
    "no members": (tarball([special(".", tarfile.DIRTYPE)]), f"there is no `{START}`"),
    "release too deep": (below("a/b/"), f"but `a/b/{START}`"),
    "release beside something": (
        tarball([file("README"), *members_below("tiny/")]),
        f"but `tiny/{START}`",
    ),
    "no .rel": (without(REL), "`releases/0.1.0/NAME.rel`"),
    "no runtime system": (without(BEAM), "has no runtime system"),
    "no start script": (without("bin/tiny"), "no `bin/tiny` to start"),
    "musl": (changed(BEAM, elf(MUSL)), "was built for musl"),
    "Nix": (
        changed(BEAM, elf("/nix/store/abc-glibc-2.38/lib/ld-linux-x86-64.so.2")),
        "program interpreter `/nix/store/",
    ),
    "Android": (changed(BEAM, elf("/system/bin/linker64")), "not glibc"),
    "static": (changed(BEAM, elf("")), "program interpreter `none`"),
    "macOS": (changed(BEAM, b"\xcf\xfa\xed\xfe" + bytes(100)), "was built for macOS"),
    "macOS, several machines": (changed(BEAM, b"\xca\xfe\xba\xbe" + bytes(9)), "for macOS"),
    "Windows": (
        tarball(
            [*(m for p, m in files().items() if p != BEAM), file("erts-13.1.5/bin/beam.smp.dll")]
        ),
        "was built for Windows",
    ),
    "a script for a runtime system": (changed(BEAM, b"#!/bin/sh\n"), "is not a program of Linux"),
    "cut runtime system": (changed(BEAM, elf()[:70]), "is not a program of Linux"),
    "old runtime system": (
        tarball(
            file(i.name.replace("13.1.5", "5.10.4"), d.replace(b"13.1.5", b"5.10.4"), i.mode)
            for i, d in files().values()
        ),
        "older than Erlang/OTP 17",
    ),
    "start_erl.data": (changed(START, b"13.1.5"), "instead of the two versions"),
    "start_erl.data empty": (changed(START, b""), "instead of the two versions"),
    "start_erl.data up": (changed(START, b"13.1.5 ../.."), "instead of the two versions"),
    "start_erl.data huge": (changed(START, b"x" * (5 << 20)), "has 5242880 bytes"),
    ".rel no term": (changed(REL, b"{release"), "is not an Erlang term"),
    ".rel other term": (changed(REL, b"[]."), "is not `{release,"),
    ".rel deep": (changed(REL, b"[" * 50_000), "is not an Erlang term"),
    ".rel version": (
        changed(REL, b'{release,{"tiny","0.2.0"},{erts,"13.1.5"},[]}.'),
        "has version `0.2.0` of the release",
    ),
    ".rel runtime system": (
        changed(REL, b'{release,{"tiny","0.1.0"},{erts,"14.0"},[]}.'),
        "has version `14.0` of the runtime system",
    ),
    ".rel name": (
        changed(REL, b'{release,{"../tiny","0.1.0"},{erts,"13.1.5"},[]}.'),
        "has the name",
    ),
    ".rel application": (
        changed(REL, b'{release,{"tiny","0.1.0"},{erts,"13.1.5"},[{kernel}]}.'),
        "has the application",
    ),
    "two versions": (
        with_(file("releases/0.0.9/start.boot")),
        "several versions: `0.0.9`, `0.1.0`",
    ),
    "two releases": (with_(file("releases/0.1.0/other.rel")), "several releases"),
}

TARS = NAMES | LINKS | MEMBERS | HEADERS | CONTENTS


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("case", TARS)
def test_a_hostile_tarball_is_refused(
    case: str, compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    data, says = TARS[case]
    source = tmp_path / "hostile.tar"
    source.write_bytes(compress(data))
    error = refused(source)
    assert says in str(error)
    assert error.hint


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


def test_a_module_with_more_than_a_vm_loads_is_not_read_to_the_end() -> None:
    def read(*chunks: bytes) -> beam.Module | None:
        body = b"BEAM" + b"".join(chunks)
        return beam.module(gzip.compress(b"FOR1" + struct.pack(">I", len(body)) + body, 1))

    code = chunk(b"Code", b"code")
    few, many = 100, (1 << 20) + 100
    for atoms in (few, many):
        names = chunk(b"AtU8", struct.pack(">i", atoms) + b"\x01a" * atoms)
        calls = chunk(b"ImpT", struct.pack(">IIII", 1, atoms, atoms, 0))
        module = read(code, names, calls)
        assert module
        assert module.imports == ({("a", "a", 0)} if atoms == few else set())
    assert read(chunk(b"None", b""), code)
    assert read(*[chunk(b"None", b"")] * many, code) is None
