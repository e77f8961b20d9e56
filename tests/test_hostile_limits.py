"""Inputs that cost more than they weigh: each ends in one clear error within 5 s and 300 MB."""

import gzip
import hashlib
import io
import lzma
import os
import random
import struct
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pkgrel import release
from pkgrel.content import Slice
from pkgrel.errors import ReleaseError, RepositoryError
from pkgrel.limits import Limits
from pkgrel.release import elf
from pkgrel.repository import imports
from tests import repositories
from tests.hostile_packages import CONTROL, ar, cpio, deb, header, part, rpm, rpm_files
from tests.tiny_release import file, files, link, tarball, with_

SECONDS, BYTES = 5, 300 << 20
NEEDED, STRTAB, STRSZ, RUNPATH, VERNEED, VERNEEDNUM = 1, 5, 10, 29, 0x6FFFFFFE, 0x6FFFFFFF


# The peak of the process itself: getrusage() has that of its parent as well, from before exec().
RUN = """
import atexit, sys
def peak():
    print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0], file=sys.stderr)
atexit.register(peak)
from pkgrel.cli import main
main(prog_name="pkgrel")
"""


LOOK = """
import atexit, sys, time
def peak():
    status = open("/proc/self/status").read()
    print(time.process_time(), status.split("VmHWM:")[1].split()[0])
atexit.register(peak)
from pkgrel.repository import imports
imports.discover(imports.open_tree(sys.argv[1]))
"""


def bounded(*words: object) -> tuple[int, str]:
    """Exit status and output of pkgrel, which has to be done within the limits."""
    child = subprocess.Popen(
        [sys.executable, "-c", RUN, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert child.stdout
    with child.stdout as pipe:
        output, peak = pipe.read().decode().removesuffix("\n").rsplit("\n", 1)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert usage.ru_utime + usage.ru_stime < SECONDS
    assert int(peak) << 10 < BYTES
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


def test_a_chain_of_symlinks_is_checked_in_linear_time(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for number in range(20_000):
            member = tarfile.TarInfo(f"./usr/l{number}")
            member.type, member.linkname = tarfile.SYMTYPE, f"l{number + 1}"
            archive.addfile(member)
    (tmp_path / "x.deb").write_bytes(deb(part("./control", CONTROL), out.getvalue()))
    code, output = bounded("check", tmp_path / "x.deb")
    assert code == 1
    assert "19,960 warnings" in output


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


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (Limits(text=10, terms=10), "has .* bytes; 10 are plenty"),
        (Limits(elf_interpreter=4), "an interpreter's name of .* bytes"),
        (Limits(elf_segments=0), "program headers"),
    ],
)
def test_limits_that_a_program_gives_count(limits: Limits, says: str, tmp_path: Path) -> None:
    source = tmp_path / "release.tar"
    source.write_bytes(with_())
    with pytest.raises(ReleaseError, match=says), release.read(source, limits):
        pass


SUM = b"d41d8cd98f00b204e9800998ecf8427e  a\n"
# Made when their test runs: some are large.
DEBS: dict[str, Callable[[], tuple[bytes, bytes]]] = {
    "pax header of digits": lambda: (part("./control", CONTROL), part("x", b"1" * 900_000, b"x")),
    "pax header of digits in control": lambda: (part("x", b"1" * 900_000, b"x"), b""),
    "global pax header": lambda: (part("./control", CONTROL), part("x", b"1" * 900_000, b"g")),
    "pax behind a long name": lambda: (
        part("./control", CONTROL),
        part("x", b"n" * 200 + b"\0", b"L") + part("x", b"1" * 900_000, b"x"),
    ),
    "long names without end": lambda: (
        part("./control", CONTROL),
        part("x", b"n\0", b"L") * 3000,
    ),
    "long name": lambda: (
        part("./control", CONTROL),
        part("x", b"n" * 900_000 + b"\0", b"L"),
    ),
    "names of gigabytes": lambda: (
        part("./control", CONTROL),
        (part("x", b"n/" * 2000 + b"\0", b"L") + header("x", kind=b"5")) * 10_000,
    ),
    "md5sums": lambda: (part("./control", CONTROL) + part("./md5sums", SUM * 400_000), b""),
    "conffiles": lambda: (
        part("./control", CONTROL) + part("./conffiles", b"/a\n" * 1_000_000),
        b"",
    ),
    "directories": lambda: (
        part("./control", CONTROL),
        header("./d/", kind=b"5") * 125_000,
    ),
    "control": lambda: (part("./control", CONTROL + b"X: " + b"y" * (8 << 20)), b""),
    "control files": lambda: (
        part("./control", CONTROL) + b"".join(part(f"./c{i}", b"") for i in range(100)),
        b"",
    ),
    "zeros": lambda: (part("./control", CONTROL), header("x", 80 << 20) + bytes(80 << 20)),
    "zeros in control": lambda: (part("./control", CONTROL) + bytes(80 << 20), b""),
}


@pytest.mark.parametrize("case", DEBS)
def test_a_deb_costs_no_more_than_it_may(case: str, tmp_path: Path) -> None:
    package = tmp_path / "x.deb"
    package.write_bytes(deb(*DEBS[case]()))
    status, output = bounded("show", package)
    assert status == 1
    assert output.startswith(f"error: {package}: ")


def test_a_dictionary_of_half_a_gigabyte_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "x.deb"
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 256 << 20}]
    data = lzma.compress(part("./x", b"x") + bytes(1024), filters=filters)
    control = part("./control", CONTROL) + bytes(1024)
    members = {"debian-binary": b"2.0\n", "control.tar": control, "data.tar.xz": data}
    package.write_bytes(ar(members))
    status, output = bounded("show", package)
    assert status == 1
    assert "Memory usage limit" in output


def numbered(count: int) -> list[str]:
    return [f"{number:06}" for number in range(count)]


MANY = 100_000
ONE = cpio("./x/a") + cpio("TRAILER!!!")
RPMS: dict[str, Callable[[], bytes]] = {
    "a tail for each string": lambda: rpm({tag: [""] for tag in range(1200, 1690)} | {1700: "z" * (31 << 20)}, b""),
    "values": lambda: rpm({1117: [""] * 131_072}, b""),
    "one folder of all": lambda: rpm(rpm_files(numbered(MANY), [0] * MANY, "/y" * 1900 + "/"), b""),
    "zeros": lambda: rpm(
        rpm_files(["a"], [3 << 30]), gzip.compress(cpio("./x/a", 3 << 30) + bytes(80 << 20), 6)
    ),
    "members without end": lambda: rpm(
        rpm_files(["d"], [0], mode=0o40755), gzip.compress(cpio("./x/d") * 400_000, 6)
    ),
    "changelog": lambda: rpm(
        rpm_files(["a"], [0])
        | {1080: [0] * MANY, 1081: ["a"] * MANY, 1082: ["\n" * 200] * MANY},
        gzip.compress(ONE),
    ),
    "script": lambda: rpm(rpm_files(["a"], [0]) | {1023: "\n" * (30 << 20)}, gzip.compress(ONE)),
}  # fmt: skip


@pytest.mark.parametrize("case", RPMS)
def test_an_rpm_costs_no_more_than_it_may(case: str, tmp_path: Path) -> None:
    package = tmp_path / "x.rpm"
    package.write_bytes(RPMS[case]())
    status, output = bounded("show", package)
    assert status == 1
    assert output.startswith(f"error: {package}: ")


def test_a_header_of_100_000_files_is_read(tmp_path: Path) -> None:
    package = tmp_path / "x.rpm"
    payload = b"".join(map(cpio, (f"./x/{name}" for name in numbered(MANY))))
    payload = gzip.compress(payload + cpio("TRAILER!!!"), 1)
    package.write_bytes(rpm(rpm_files(numbered(MANY), [0] * MANY), payload))
    status, _ = bounded("show", package)
    assert status == 0


def test_values_that_overlap_are_not_signed(tmp_path: Path) -> None:
    """Each of 500 tags is all of the data."""
    package = tmp_path / "x.rpm"
    data = b"z" * (31 << 20)
    rows = b"".join(struct.pack(">IIII", tag, 7, 0, len(data)) for tag in range(1000, 1500))
    raw = b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", 500, len(data)) + rows + data
    package.write_bytes(rpm({}, b"", raw))
    secret = tmp_path / "key.asc"
    secret.write_text(repositories.key())
    status, output = bounded("sign", package, "--signing-key", secret)
    assert status == 1
    assert f"error: {package}: damaged: tag 1001 of its header is wrong" in output


def repomd(primary: bytes, name: str) -> bytes:
    return (
        f'<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary"><checksum'
        f' type="sha256">{hashlib.sha256(primary).hexdigest()}</checksum><location href="{name}"/>'
        "</data></repomd>"
    ).encode()


REPOMDS = {
    "unknown encoding": b'<?xml version="1.0" encoding="klingon"?><repomd/>',
    "entities": b'<!DOCTYPE a [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><a>&c;</a>',
    "deep": b"<a>" * 200_000,
    "many": b"<a>" + b"<b/>" * 100_000 + b"</a>",
    "empty": b"",
    "bomb": lzma.compress(bytes(128 << 20), preset=0),
}


@pytest.mark.parametrize("case", REPOMDS)
def test_an_index_costs_no_more_than_it_may(case: str, tmp_path: Path) -> None:
    document = REPOMDS[case]
    repodata = tmp_path / "repodata"
    repodata.mkdir()
    if document.startswith(b"\xfd7zXZ"):
        (repodata / "primary.xml.xz").write_bytes(document)
        document = repomd(document, "repodata/primary.xml.xz")
    (repodata / "repomd.xml").write_bytes(document)
    tracemalloc.start()
    try:
        with pytest.raises(RepositoryError):
            imports.discover(imports.open_tree(str(tmp_path)))
        assert tracemalloc.get_traced_memory()[1] < BYTES
    finally:
        tracemalloc.stop()


STANZA = "Package: x\nVersion: 1\nArchitecture: a\nFilename: {}\nSize: 7\nMD5Sum: {}\n{}\n"
PACKAGES: dict[str, Callable[[], str]] = {
    "wide characters": lambda: "".join(
        STANZA.format(i, "a" * 32, f"X: \U0001f600{'x' * 1600}\n") for i in range(36_000)
    ),
    "packages": lambda: "".join(STANZA.format(i, "a" * 32, "") for i in range(300_000)),
    "paragraphs": lambda: "a\n\n" * 20_000_000,
    "one paragraph": lambda: "P: a\n" + " x\n" * 20_000_000,
    "zeros": lambda: "\0" * (100 << 20),
}


@pytest.mark.parametrize("case", PACKAGES)
def test_packages_of_64_mib_are_read_one_by_one(case: str, tmp_path: Path) -> None:
    folder = tmp_path / "dists/bookworm/main/binary-amd64"
    folder.mkdir(parents=True)
    packed = gzip.compress(PACKAGES[case]().encode(), 1)
    (folder / "Packages.gz").write_bytes(packed)
    digest = hashlib.sha256(packed).hexdigest()
    (tmp_path / "dists/bookworm/Release").write_text(
        f"Codename: bookworm\nSHA256:\n {digest} {len(packed)} main/binary-amd64/Packages.gz\n"
    )
    done = subprocess.run([sys.executable, "-c", LOOK, tmp_path], capture_output=True, text=True)
    seconds, peak = done.stdout.split()[-2:]
    assert done.returncode == (0 if case == "wide characters" else 1), done.stderr
    assert "RepositoryError" in done.stderr or case == "wide characters"
    assert float(seconds) < SECONDS
    assert int(peak) << 10 < BYTES


class Endless(BaseHTTPRequestHandler):
    """Bytes for ever, or redirections for ever."""

    def do_GET(self) -> None:
        if self.path.startswith("/around"):
            self.send_response(302)
            self.send_header("Location", f"/around/{self.path.count('/')}{self.path}")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(b"Origin: x\n" * 100_000)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("path", ["endless", "around"])
def test_a_server_that_never_ends_is_left(path: str, tmp_path: Path) -> None:
    secret = tmp_path / "key.asc"
    secret.write_text(repositories.key())
    own = str(tmp_path / "own")
    assert bounded("repo", "init", own, "--signing-key", secret, "--origin", "x")[0] == 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/{path}"
            status, output = bounded("repo", "import", url, "--to", own, "--signing-key", secret)
        finally:
            server.shutdown()
            thread.join()
    assert status == 1
    assert output.startswith("error: http://127.0.0.1:")


def test_an_index_without_end_in_a_directory_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "repodata").mkdir()
    with (tmp_path / "repodata/repomd.xml").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RepositoryError, match=r"repomd.xml: has more than 32 MiB"):
        imports.discover(imports.open_tree(str(tmp_path)))


def test_names_of_others_do_not_reach_the_terminal_as_commands(tmp_path: Path) -> None:
    name = "lib\x1b]0;owned\x07\x9b2J\u202e.so"
    library = shared([(NEEDED, 1), (RUNPATH, 1)], b"\0" + name.encode() + b"\0")
    source = tmp_path / "release.tar"
    source.write_bytes(with_(file("lib/evil-1/priv/x.so", library)))
    status, output = bounded("inspect", source)
    assert status == 0
    assert r"lib\x1b]0;owned\x07\x9b2J\u202e.so" in output


VALUES = (0, 1, 2, 11, 16, 255, 4096, 65535, (1 << 24) + 1, (1 << 32) - 1, 1 << 63, (1 << 64) - 1)
TAGS = (0, NEEDED, STRTAB, STRSZ, 14, 15, RUNPATH, VERNEED, VERNEEDNUM)


def forged(rng: random.Random) -> bytes:
    """A shared object whose tags, counts, offsets and names are odd."""
    tags = [(rng.choice(TAGS), rng.choice(VALUES)) for _ in range(rng.randrange(12))]
    need = (1, *(rng.choice(VALUES[:9]) for _ in range(4)))
    more = struct.pack("<HHIII", need[0], need[1] & 0xFFFF, *need[2:]) * 3
    more += struct.pack("<IHHII", 0, 0, 2, rng.choice((0, 11, 99999)), rng.choice((0, 16)))
    names = rng.choice(
        (b"\0libc.so.6\0GLIBC_2.2.5\0", b":" * 300 + b"\0", b"x" * 5000 + b"\0", b"")
    )
    made = bytearray(shared(tags, names, more))
    for _ in range(rng.randrange(4)):
        kind = struct.Struct("<" + rng.choice("BHIQ"))
        value = rng.choice(VALUES) & ((1 << 8 * kind.size) - 1)
        kind.pack_into(made, rng.randrange(len(made) - kind.size), value)
    return bytes(made)


def test_forged_machine_code_is_read_or_refused(tmp_path: Path) -> None:
    code = tmp_path / "x.so"
    for seed in range(3_000):
        data = forged(random.Random(seed))
        code.write_bytes(data)
        began = time.process_time()
        try:
            elf.read(Slice(code, 0, len(data), b""))
        except elf.Malformed:
            pass
        except Exception as e:
            raise AssertionError(f"seed {seed}") from e
        assert time.process_time() - began < SECONDS, seed
