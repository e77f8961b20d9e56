"""Inputs that cost more than they weigh: each ends in one clear error within 5 s and 300 MB."""

import os
import struct
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from pkgrel import release
from pkgrel.errors import ReleaseError
from pkgrel.limits import Limits
from tests.tiny_release import file, files, link, tarball, with_

SECONDS, BYTES = 5, 300 << 20
NEEDED, STRTAB, STRSZ, RUNPATH, VERNEED, VERNEEDNUM = 1, 5, 10, 29, 0x6FFFFFFE, 0x6FFFFFFF


def bounded(*words: object) -> tuple[int, str]:
    """Exit status and output of pkgrel, which has to be done within the limits."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pkgrel", *map(str, words)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert child.stdout
    output = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stdout.close()
    assert usage.ru_utime + usage.ru_stime < SECONDS, time.monotonic() - began
    assert usage.ru_maxrss << 10 < BYTES
    assert "Traceback" not in output
    assert all(c.isprintable() or c in "\n\t" for c in output), ascii(output)
    return child.returncode, output


def shared(tags: list[tuple[int, int]], strings: bytes, more: bytes = b"") -> bytes:
    """A shared object for x86-64; the value of VERNEED is where `more` is."""
    start = 64 + 2 * 56
    count = len(tags) + 3
    at = start + 16 * count
    behind = at + len(strings) + -(at + len(strings)) % 8
    dynamic = [(STRTAB, at), (STRSZ, len(strings)), *tags]
    rows = [(t, behind if t == VERNEED else v) for t, v in dynamic] + [(0, 0)]
    total = behind + len(more)
    header = b"\x7fELF\2\1\1" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    header += struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, total, total, 4096)
    header += struct.pack("<IIQQQQQQ", 2, 5, start, start, 0, 16 * count, 16 * count, 8)
    body = header + b"".join(struct.pack("<QQ", *row) for row in rows) + strings
    return body.ljust(behind, b"\0") + more


def versions() -> bytes:
    """Each of 4,096 entries has 65,535 versions, all of them the same 32 bytes."""
    more = struct.pack("<HHIII", 1, 65535, 1, 16, 0) + struct.pack("<IHHII", 0, 0, 2, 11, 0)
    strings = b"\0libc.so.6\0GLIBC_2.2.5\0"
    return shared([(VERNEED, 0), (VERNEEDNUM, 4096)], strings, more)


LONG = b"A" * ((16 << 20) - 1) + b"\0"
ELFS = {
    "versions without end": versions,
    "versions by thousands": lambda: versions().replace(
        struct.pack("<HHI", 1, 65535, 1), struct.pack("<HHI", 1, 4000, 1)
    ),
    "one name 4,000 times": lambda: shared([(NEEDED, 0)] * 4000, LONG),
    "colons": lambda: shared([(RUNPATH, 0)], LONG.replace(b"A", b":")),
    "few colons": lambda: shared([(RUNPATH, 0)], b":" * 60_000 + b"\0"),
}


@pytest.mark.parametrize("case", ELFS)
def test_machine_code_asks_for_no_more_names_than_there_can_be(case: str, tmp_path: Path) -> None:
    source = tmp_path / "release.tar"
    source.write_bytes(with_(file("lib/evil-1/priv/x.so", ELFS[case]())))
    status, output = bounded("inspect", source)
    assert status == 1
    assert "`lib/evil-1/priv/x.so` begins like machine code and is damaged" in output


def test_links_with_long_targets_are_too_much(tmp_path: Path) -> None:
    long = "/".join(["a"] * 511)
    source = tmp_path / "release.tar"
    source.write_bytes(with_(*(link(f"lib/s{i}", long) for i in range(20_000))))
    status, output = bounded("inspect", source)
    assert status == 1
    assert "the targets of its symlinks have 20420000 characters" in output


def test_a_chain_of_hard_links_is_read_in_linear_time(tmp_path: Path) -> None:
    chain = (link(f"lib/h{i}", f"lib/h{i - 1}", tarfile.LNKTYPE) for i in range(1, 20_000))
    source = tmp_path / "release.tar"
    source.write_bytes(with_(file("lib/h0", b"x"), *chain))
    assert bounded("inspect", source)[0] == 0


@pytest.mark.parametrize("data", [b" " * (4 << 20), b'"' + b"x" * (4 << 20) + b'".'])
def test_a_rel_file_of_megabytes_is_none(data: bytes, tmp_path: Path) -> None:
    source = tmp_path / "release.tar"
    path = "releases/0.1.0/tiny.rel"
    source.write_bytes(tarball((files() | {path: file(path, data)}).values()))
    status, output = bounded("inspect", source)
    assert status == 1
    assert f"`{path}` has {len(data)} bytes" in output


def test_limits_that_a_program_gives_count(tmp_path: Path) -> None:
    source = tmp_path / "release.tar"
    source.write_bytes(with_())
    with (
        pytest.raises(ReleaseError, match="bytes, which is no"),
        release.read(source, Limits(text=10, terms=10)),
    ):
        pass
