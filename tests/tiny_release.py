"""A release of a few files that is whole enough to be read, and tarballs of it, good and bad."""

import io
import struct
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pkgrel import release
from pkgrel.errors import ReleaseError
from pkgrel.limits import LIMITS

Member = tuple[tarfile.TarInfo, bytes]

GLIBC = "/lib64/ld-linux-x86-64.so.2"
MUSL = "/lib/ld-musl-x86_64.so.1"
TIME = 1_700_000_000


def elf(
    interpreter: str = GLIBC, *, machine: int = 62, kind: int = 3, entry: int = 0x1000
) -> bytes:
    """A little-endian ELF64 file with one program header, if there is an interpreter to name."""
    name = interpreter.encode() + b"\0" if interpreter else b""
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack(
        "<HHIQQQIHHHHHH", kind, machine, 1, entry, 64, 0, 0, 64, 56, bool(name), 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(name), len(name), 1) if name else b""
    return (ident + header + segment + name).ljust(512, b"\0")


def file(path: str, data: bytes = b"", mode: int = 0o644) -> Member:
    info = tarfile.TarInfo(path)
    info.size, info.mode, info.mtime = len(data), mode, TIME
    return info, data


def link(path: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Member:
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.mtime = kind, target, TIME
    return info, b""


def special(path: str, kind: bytes) -> Member:
    """A directory, device, pipe or whatever the type says."""
    info = tarfile.TarInfo(path)
    info.type, info.mtime, info.mode = kind, TIME, 0o755
    return info, b""


def files(beam: bytes | None = None) -> dict[str, Member]:
    """The members that a release of mix cannot do without."""
    rel = b'{release,{"tiny","0.1.0"},{erts,"13.1.5"},[{kernel,"8.5.3",permanent},{elixir,"1.14.0",load}]}.'
    members = [
        file("bin/tiny", b"#!/bin/sh\n", 0o755),
        file("erts-13.1.5/bin/beam.smp", elf() if beam is None else beam, 0o755),
        file("releases/start_erl.data", b"13.1.5 0.1.0"),
        file("releases/0.1.0/tiny.rel", rel),
        file("releases/0.1.0/start.boot", b"boot"),
        file("releases/0.1.0/sys.config", b"%% RUNTIME_CONFIG=false\n[].\n"),
        file("releases/0.1.0/vm.args", b"## none\n"),
        file("releases/0.1.0/env.sh", b"#!/bin/sh\n"),
        file("releases/0.1.0/elixir", b"#!/bin/sh\n", 0o755),
    ]
    return {info.name: (info, data) for info, data in members}


def tarball(members: Iterable[Member], format: int = tarfile.GNU_FORMAT) -> bytes:
    """An uncompressed tar of these members, in this order, names as they are."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def with_(*extra: Member, **tar: int) -> bytes:
    """A tar of the tiny release and something more."""
    return tarball([*files().values(), *extra], **tar)


def fix_checksum(block: bytearray, at: int = 0) -> None:
    """Make the header that begins at `at` valid again after a change."""
    block[at + 148 : at + 156] = b" " * 8
    block[at + 148 : at + 156] = b"%06o\0 " % sum(block[at : at + 512])


@contextmanager
def nothing_left() -> Iterator[None]:
    """Fail if the block leaves a temporary file."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory() as temporary:
        tempfile.tempdir = temporary
        try:
            yield
        finally:
            tempfile.tempdir = before
        assert list(Path(temporary).iterdir()) == []


def refused(source: Path, **limits: int) -> ReleaseError:
    """The error with which `source` is refused: one printable line that begins with its name."""
    reading = release.read(source, replace(LIMITS, **limits))
    with nothing_left(), pytest.raises(ReleaseError) as caught, reading:
        pass
    message = str(caught.value)
    assert message.startswith(f"{source}: ")
    assert message.isprintable()
    return caught.value
