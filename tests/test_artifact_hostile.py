"""Damaged and hostile packages: one PackageError that names the file, never anything else."""

import gzip
import hashlib
import io
import os
import random
import re
import struct
import tarfile
from pathlib import Path

import pytest

from pkgrel import artifact
from pkgrel.errors import PackageError
from tests.packages import LONG, by_dpkg_deb, by_rpmbuild

CONTROL = b"Package: x\nVersion: 1-1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: x\n"


def tar(*members: tuple[tarfile.TarInfo | str, bytes], form=tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for member, data in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            if info.isreg():
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def ar(*members: tuple[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, data in members:
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n"
        out += header.encode() + data + b"\n" * (len(data) % 2)
    return out


def made_deb(
    folder: Path, *, control: bytes | None = None, data: bytes = b"", name: str = "data.tar"
):
    file = folder / "made.deb"
    file.write_bytes(
        ar(
            ("debian-binary", b"2.0\n"),
            ("control.tar", tar(("./control", CONTROL)) if control is None else control),
            (name, data or tar(("./usr/x", b"x"))),
        )
    )
    return file


def refused(file: Path) -> str:
    with pytest.raises(PackageError) as caught:
        artifact.read(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert "\n" not in message
    return message.removeprefix(f"{file}: ")


def is_refused(file: Path) -> bool:
    """Whether there is an error; one of another kind fails the test."""
    try:
        artifact.read(file)
    except PackageError as e:
        return str(e).startswith(f"{file}: ")
    return False


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"hello, world\n", "is neither"),
        (b"\x7fELF" + bytes(100), "is neither"),
        (b"!<arch>\n", "no .deb"),
        (ar(("debian-binary", b"2.0\n")), "dpkg wants control.tar"),
        (ar(("debian-binary", b"3.0\n")), "its format is `3.0`"),
        (ar(("debian-binary", b"2.0")), "its format is `2.0`"),
        (ar(("debian-binary", b"2.0\r\n")), "its format is `2.0\\r`"),
        (ar(("libfoo.o", b"")), "no .deb"),
        (b"!<arch>\n" + b"garbage" * 20, "damaged"),
        (b"\xed\xab\xee\xdb", "truncated"),
        (b"\xed\xab\xee\xdb" + bytes(500), "wrong magic number"),
    ],
)
def test_no_package_at_all(tmp_path, data, message):
    file = tmp_path / "file"
    file.write_bytes(data)
    assert message in refused(file)


@pytest.fixture(
    scope="module", params=["deb:none", "deb:zstd", "deb:xz", "rpm:w9.gzdio", "rpm:w3.zstdio"]
)
def package(request, tmp_path_factory) -> Path:
    kind, compression = request.param.split(":")
    make = by_dpkg_deb if kind == "deb" else by_rpmbuild
    return make(tmp_path_factory.mktemp(kind), compression)


def test_a_pipe_is_no_file(tmp_path):
    file = tmp_path / "pipe.deb"
    os.mkfifo(file)
    assert "is not a regular file" in refused(file)


def test_every_refusal_says_what_to_do(package, tmp_path):
    data = bytearray(package.read_bytes())
    data[len(data) // 2] ^= 255
    file = tmp_path / "flipped"
    for damaged in (data, data[: len(data) // 2]):
        file.write_bytes(damaged)
        with pytest.raises(PackageError) as refusal:
            artifact.read(file)
        assert refusal.value.hint == "build or download it again"


def test_truncated(package, tmp_path):
    # Nothing needs the byte that pads the last member of a .deb to an even size.
    data = package.read_bytes().rstrip(b"\n")
    file = tmp_path / "truncated"
    for size in {*range(1, len(data), max(1, len(data) // 150)), len(data) - 1}:
        file.write_bytes(data[:size])
        refused(file)


def test_flipped_bits(package, tmp_path):
    """Most are found; the others change what nothing can check, such as a time in a header."""
    data = package.read_bytes()
    file = tmp_path / "flipped"
    chance = random.Random(1)
    found = 0
    for _ in range(400):
        damaged = bytearray(data)
        damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        found += is_refused(file)
    assert found > 200


@pytest.mark.parametrize("package", ["rpm:w9.gzdio", "rpm:w3.zstdio"], indirect=True)
def test_every_flip_behind_an_rpms_signature_header_is_found(package, tmp_path):
    data = package.read_bytes()
    start = data.index(b"\x8e\xad\xe8", 100)
    file = tmp_path / "flipped"
    chance = random.Random(2)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[chance.randrange(start, len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        refused(file)


def test_appended(package, tmp_path):
    file = tmp_path / "longer"
    file.write_bytes(package.read_bytes() + b"appended" * 10)
    refused(file)


def test_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        artifact.read(tmp_path / "nothing")


def linked(name: str, target: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def sparse() -> bytes:
    info = tarfile.TarInfo("./x")
    info.type = tarfile.GNUTYPE_SPARSE
    return tar((info, b""))


def giant_name() -> bytes:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 7 << 30
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(2048)


def negative_size() -> bytes:
    header = bytearray(tarfile.TarInfo("./x").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 12
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(1024)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tar(("../../etc/passwd", b"x")), "has `..` in it"),
        (tar(("./usr/../../x", b"x")), "has `..` in it"),
        (tar(("./x", b"1"), ("x", b"2")), "`/x` is in it twice"),
        (tar(linked("./x", "./nothing", tarfile.LNKTYPE)), "is not a file before it"),
        (tar(linked("./x", "../../etc/shadow", tarfile.LNKTYPE)), "has `..` in it"),
        (tar(("./" + "n" * 150, b"x"), form=tarfile.PAX_FORMAT), "pax header"),
        (sparse(), "sparse file"),
        (giant_name(), "damaged"),
        (negative_size(), "damaged"),
        (tar(("./x", b"x"))[:1024], "has no end"),
        (tar(("./x", b"x" * 5000))[:3000], "truncated"),
        (b"no tar at all" * 100, "damaged"),
        (tar(("./x", b"x")) + b"more", "something follows"),
    ],
)  # fmt: skip
def test_hostile_data(tmp_path, data, message):
    assert message in refused(made_deb(tmp_path, data=data))


def test_damaged_header_is_not_the_end(tmp_path):
    """tarfile alone would stop at the second header and call it a day."""
    data = bytearray(tar(("./a", b""), ("./b", b"")))
    data[512] ^= 1
    assert "a tar header cannot be read" in refused(made_deb(tmp_path, data=bytes(data)))


def test_absolute_names_are_relative_to_the_root(tmp_path):
    package = artifact.read(made_deb(tmp_path, data=tar(("/usr//./x", b"x"))))
    assert [str(entry.path) for entry in package.entries] == ["/usr/x"]


@pytest.mark.parametrize(
    ("control", "message"),
    [
        (tar(), "no `control`"),
        (tar(("./control", b"Version: 1\n")), "no Package, Architecture"),
        (tar(("./control", CONTROL + b"garbage\n")), "`garbage`, which is not a field"),
        (tar(("./control", CONTROL + b"X-Y: a\0b\n")), "NUL"),
        (tar(("./control", CONTROL.replace(b"1-1", b"1_1"))), "not a version"),
        (tar(("./control", CONTROL), ("./control", CONTROL)), "twice"),
        (tar(linked("./control", "/etc/passwd", tarfile.SYMTYPE)), "not a plain file"),
        (tar(("./control", CONTROL), ("./md5sums", b"nonsense\n")), "`nonsense`"),
        (
            tar(("./control", CONTROL), ("./md5sums", b"0" * 32 + b"  usr/x\n")),
            "content of `/usr/x`",
        ),
    ],
)
def test_hostile_control(tmp_path, control, message):
    assert message in refused(made_deb(tmp_path, control=control))


def test_control_bomb(tmp_path):
    bomb = gzip.compress(tar(("./control", CONTROL), ("./templates", bytes(100 << 20))))
    file = tmp_path / "bomb.deb"
    file.write_bytes(
        ar(
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", bomb),
            ("data.tar", tar(("./x", b""))),
        )
    )
    assert "far too large" in refused(file)


@pytest.mark.parametrize("size", ["-60", "-1", "9999999999", "x"])
def test_hostile_member_size(tmp_path, size):
    """A size of -60 would send ArFile round in circles."""
    file = made_deb(tmp_path)
    data = bytearray(file.read_bytes())
    data[8 + 48 : 8 + 58] = size.ljust(10).encode()
    file.write_bytes(data)
    refused(file)


def compressed(data: bytes, suffix: str) -> bytes:
    from backports import zstd

    if suffix == "xz":
        import lzma

        return lzma.compress(data)
    return zstd.compress(data) if suffix == "zst" else gzip.compress(data)


@pytest.mark.parametrize("suffix", ["xz", "zst"])
def test_second_stream_that_dpkg_would_ignore(tmp_path, suffix):
    data = tar(("./a", b"a" * 2000), ("./b", b"b"))
    half = compressed(data[:2048], suffix) + compressed(data[2048:], suffix)
    message = refused(made_deb(tmp_path, data=half, name=f"data.tar.{suffix}"))
    assert "would not be installed" in message


def test_second_gzip_stream(tmp_path):
    data = tar(("./a", b"a" * 2000), ("./b", b"b"))
    halves = gzip.compress(data[:2048]) + gzip.compress(data[2048:])
    package = artifact.read(made_deb(tmp_path, data=halves, name="data.tar.gz"))
    assert [str(entry.path) for entry in package.entries] == ["/a", "/b"]


def test_wrong_suffix(tmp_path):
    refused(made_deb(tmp_path, data=gzip.compress(tar(("./x", b""))), name="data.tar.xz"))
    assert "nobody knows" in refused(made_deb(tmp_path, name="data.tar.zip"))


@pytest.fixture(scope="module")
def rpm(tmp_path_factory) -> bytes:
    return by_rpmbuild(tmp_path_factory.mktemp("rpm"), "w9.gzdio").read_bytes()


def rebuilt(rpm: bytes, *, header=lambda raw: raw, payload=lambda cpio: cpio) -> bytes:
    """The package with another header or payload, and digests that agree with it."""
    start = rpm.index(b"\x8e\xad\xe8", 100)
    entries, size = struct.unpack_from(">II", rpm, start + 8)
    end = start + 16 + 16 * entries + size
    cpio = gzip.decompress(rpm[end:])
    changed = payload(cpio)
    packed = gzip.compress(changed)
    main = rpm[start:end]
    for old, new in ((rpm[end:], packed), (cpio, changed)):
        digests = (hashlib.sha256(data).hexdigest().encode() for data in (old, new))
        main = main.replace(*digests)
    main = header(main)
    # A signature header that says nothing but the size.
    total = len(main) + len(packed)
    signature = struct.pack(">3sB4xII4I", b"\x8e\xad\xe8", 1, 1, 4, 1000, 4, 0, 1)
    signature += struct.pack(">I", total)
    return rpm[:96] + signature + bytes(-len(signature) % 8) + main + packed


def replaced(old: bytes, new: bytes):
    def replace(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return replace


def dropped(cpio: bytes) -> bytes:
    """The archive without its last member before the trailer, which is the linked file."""
    at = [match.start() for match in re.finditer(b"070701", cpio)]
    return cpio[: at[-2]] + cpio[at[-1] :]


def test_rebuilt_is_read(rpm, tmp_path):
    file = tmp_path / "same.rpm"
    file.write_bytes(rebuilt(rpm))
    assert len(artifact.read(file).entries) == 15


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"payload": replaced(b"port = 4000", b"port = 4001")}, "content of `/etc/demo.conf`"),
        ({"payload": replaced(b"./etc/demo.conf", b"./etc/../x.conf")}, "has `..` in it"),
        ({"payload": replaced(b"./etc/demo.conf", b"./etc/memo.conf")}, "not in its header"),
        ({"payload": dropped}, "not in its payload"),
        ({"payload": lambda cpio: cpio[:2000]}, "truncated"),
        ({"payload": lambda cpio: b"x" + cpio}, "where a member should begin"),
        ({"payload": lambda cpio: cpio[:6] + b"zz" + cpio[8:]}, "wrong header"),
        ({"payload": lambda cpio: cpio[:94] + b"ffffffff" + cpio[102:]}, "wrong name"),
        ({"payload": lambda cpio: cpio + b"more"}, "something follows"),
        ({"header": replaced(b"/usr/bin/\0", b"/usr/../x\0"[:10])}, "the path `/usr/../x`"),
        ({"header": lambda raw: raw[:8] + b"\xff\xff\xff\xff" + raw[12:]}, "damaged"),
        ({"header": lambda raw: raw[:12] + b"\x7f\xff\xff\xff" + raw[16:]}, "damaged"),
        ({"header": lambda raw: raw[:44] + b"\xff\xff\xff\xff" + raw[48:]}, "damaged"),
        ({"header": lambda raw: raw[:20] + b"\0\0\0\4" + raw[24:]}, "damaged"),
        ({"header": lambda raw: raw[:36] + b"\0\0\0\x63" + raw[40:]}, "damaged"),
    ],
)  # fmt: skip
def test_hostile_rpm(rpm, tmp_path, change, message):
    file = tmp_path / "hostile.rpm"
    file.write_bytes(rebuilt(rpm, **change))
    assert message in refused(file)


def test_hostile_headers_have_no_other_error(rpm, tmp_path):
    """Digests that agree let damage through to every parser behind them."""
    file = tmp_path / "fuzzed.rpm"
    chance = random.Random(3)

    def fuzz(data: bytes) -> bytes:
        damaged = bytearray(data)
        for _ in range(3):
            damaged[chance.randrange(len(damaged))] = chance.choice((0, 1, 2, 9, 127, 255))
        return bytes(damaged)

    for _ in range(500):
        file.write_bytes(
            rebuilt(rpm, header=fuzz) if chance.random() < 0.7 else rebuilt(rpm, payload=fuzz)
        )
        is_refused(file)


def stripped(cpio: bytes) -> bytes:
    """The payload as rpm writes it when a file has 4 GiB or more: indexes instead of names."""
    reference = [
        "./etc/demo.conf", "./usr/bin/demo", "./usr/bin/demo-setuid", "./usr/lib/demo",
        "./usr/lib/demo/a-linked", "./usr/lib/demo/b-linked", "./usr/lib/demo/current",
        "./usr/lib/demo/empty", f"./usr/lib/demo/{LONG}",
        "./usr/lib/demo/random", "./usr/lib/demo/with space and ünïcode", "./usr/share/doc/demo",
        "./usr/share/doc/demo/README", "./var/lib/demo", "./var/lib/demo/state",
    ]  # fmt: skip
    out, at = b"", 0
    while True:
        numbers = [int(cpio[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        name = cpio[at + 110 : at + 110 + numbers[11] - 1].decode()
        data = at + 110 + numbers[11]
        data += -data % 4
        if name == "TRAILER!!!":
            return out + cpio[at:]
        out += b"07070X%08x" % reference.index(name) + b"\0\0"
        out += cpio[data : data + numbers[6]] + bytes(-numbers[6] % 4)
        at = data + numbers[6]
        at += -at % 4


def test_payload_of_large_files(rpm, tmp_path):
    file = tmp_path / "large.rpm"
    file.write_bytes(rebuilt(rpm, payload=stripped))
    original = tmp_path / "original.rpm"
    original.write_bytes(rpm)
    assert artifact.read(file).entries == artifact.read(original).entries


def test_errors_are_one_printable_line(tmp_path):
    name = "./\x1b]0;owned\x07\nb\udcff"
    message = refused(made_deb(tmp_path, data=tar((name, b"1"), (name, b"2"))))
    assert "/\\x1b]0;owned\\x07\\nb\\udcff` is in it twice" in message
    message.encode()


def test_times_beyond_every_calendar(tmp_path):
    info = tarfile.TarInfo("./x")
    info.mtime = 1 << 60
    assert "no calendar" in refused(made_deb(tmp_path, data=tar((info, b""))))


def test_control_with_line_ends_that_only_unicode_knows(tmp_path):
    text = CONTROL.decode().replace("Description: x", "Description: a\u2028b\x0cc")
    package = artifact.read(made_deb(tmp_path, control=tar(("./control", text.encode()))))
    assert package.metadata["Description"] == "a\u2028b\x0cc"


@pytest.mark.parametrize(
    "text", ["Version: " + "1-" * 300_000 + "!\n", "X: " + ">" * 900_000 + "\n", "X: a\n" * 300_000]
)
def test_texts_that_are_slow_to_understand(tmp_path, text):
    control = CONTROL.replace(b"Version: 1-1\n", b"") + text.encode()
    refused(made_deb(tmp_path, control=tar(("./control", control))))
