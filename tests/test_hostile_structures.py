"""Inputs forged by their structure, by the ten thousands: a result or one PkgrelError.

Each has a seed of its own, which a failure names. PKGREL_FUZZ=10 tries ten times as many.
"""

import os
import random
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import pytest

from pkgrel import artifact, config, console, plan, release
from pkgrel.config.model import Config
from pkgrel.config.package import FormatSettings
from pkgrel.distro import select
from pkgrel.errors import PkgrelError
from pkgrel.release import terms
from pkgrel.repository import imports
from pkgrel.signing import rpm as signed
from tests.hostile_packages import CONTROL, ar, cpio, part, rpm, rpm_files
from tests.tiny_release import with_

Random = random.Random
TIMES = int(os.environ.get("PKGREL_FUZZ", "1"))
SECONDS = 5
NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    15,
    16,
    63,
    255,
    4096,
    65535,
    1 << 20,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
)
TEXTS = (
    "", " ", "x", "/", "..", "../x", "/etc/x", "-1", "1" * 400, "1e9", "0x10", "\x1b[2J", "\x9b2J",
    "\u202e", "a\nb: c", "\0", "ü", "\udcff", "x" * 5000, "nan", "Infinity", "½", "٣", "1,2", "a (>= 1)", "%s{}",
)  # fmt: skip


def text(chance: Random) -> str:
    return chance.choice(TEXTS)


def raw(chance: Random) -> bytes:
    return text(chance).encode(errors="surrogateescape")


def forged_rpm(chance: Random) -> bytes:
    """Entries of the index with odd tags, types, offsets and counts; a store with odd bytes."""
    names = chance.choice((["a"], ["a", "b"], ["a", "a"], [], ["..", "a"]))
    tags = rpm_files(names, [chance.choice(NUMBERS) for _ in names])
    for tag in chance.sample(
        (1003, 1023, 1080, 1081, 1082, 1085, 1047, 1049, 1050, 1048, 5011, 5092, 5093, 1065, 1066),
        3,
    ):
        tags[tag] = chance.choice(([text(chance)], [chance.choice(NUMBERS)], chance.randbytes(9)))
    for tag in chance.sample(sorted(tags), chance.choice((0, 0, 1, 2))):
        tags[tag] = chance.choice(
            ([], [text(chance)] * 2, text(chance), [chance.choice(NUMBERS)] * 3)
        )
    clean = {t: _encodable(v) for t, v in tags.items()}
    payload = b"".join(cpio(f"./x/{name}", chance.choice((0, 0, 1, 4))) for name in names)
    made = bytearray(rpm(clean, payload + cpio("TRAILER!!!") + bytes(chance.choice((0, 4)))))
    for _ in range(chance.choice((0, 0, 1, 2))):
        at = 96 + 32 + 16 + chance.randrange(40) * 4  # intros and indices
        if at + 4 <= len(made):
            struct.pack_into(">I", made, at, chance.choice(NUMBERS))
    for _ in range(chance.choice((0, 1, 3))):
        made[chance.randrange(96, len(made))] = chance.randrange(256)
    return bytes(made)


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    return [_encodable(v) for v in value] if isinstance(value, list) else value


FIELDS = (
    "Package",
    "Version",
    "Architecture",
    "Depends",
    "Installed-Size",
    "Description",
    "X-Odd",
    "Multi-Arch",
)


def forged_deb(chance: Random) -> bytes:
    """Odd fields, md5sums, conffiles, members of ar and of tar."""
    control = CONTROL
    for _ in range(chance.choice((0, 1, 2))):
        control += chance.choice(FIELDS).encode() + b": " + raw(chance) + b"\n"
    files = part("./control", control)
    for name in ("md5sums", "conffiles", "postinst"):
        if chance.random() < 0.5:
            line = chance.choice(
                (
                    b"d41d8cd98f00b204e9800998ecf8427e  usr/x\n",
                    b"/usr/x\n",
                    b"#!/bin/sh\n",
                    raw(chance),
                )
            )
            files += part("./" + name, line * chance.choice((1, 2)))
    data = bytearray(
        part("./usr/x", b"x") + part("./usr/l", b"", chance.choice((b"1", b"2", b"5", b"L", b"x")))
    )
    for _ in range(chance.choice((0, 1, 2))):
        at = chance.choice((0, 1024)) + chance.choice((0, 100, 124, 136, 156, 157, 257, 265, 345))
        value = raw(chance)[:12]
        data[at : at + len(value)] = value
        start = at // 1024 * 1024
        data[start + 148 : start + 156] = b" " * 8
        data[start + 148 : start + 156] = b"%06o\0 " % sum(data[start : start + 512])
    members = {
        "debian-binary": b"2.0\n",
        "control.tar": files + bytes(1024),
        "data.tar": bytes(data) + bytes(1024),
    }
    made = bytearray(ar(members))
    for _ in range(chance.choice((0, 0, 1))):
        at = 8 + chance.choice((0, 16, 48, 58))
        value = raw(chance)[:10]
        made[at : at + len(value)] = value
    return bytes(made)


TOKENS = (
    "{",
    "}",
    "[",
    "]",
    ",",
    ".",
    "release",
    '"x"',
    "'a b'",
    '"\\x{110000}"',
    '"\\^"',
    "1",
    "16#",
    "<<",
    ">>",
    "#",
    "|",
    "%",
    "\0",
    "-",
    "1.0e999",
    "99#1",
    "$",
)


def forged_terms(chance: Random) -> str:
    return "".join(chance.choice(TOKENS) for _ in range(chance.randrange(60)))


RELEASE = """Origin: {0}
Suite: {1}
Codename: bookworm
Architectures: amd64
Components: main
SHA256:
 {2} {3} main/binary-amd64/Packages
"""
STANZA = """Package: {0}
Version: {1}
Architecture: {2}
Filename: {3}
Size: {4}
SHA256: {5}
"""
PRIMARY = """<?xml version="1.0" encoding="{0}"?><metadata xmlns="http://linux.duke.edu/metadata/common">
<package type="rpm"><name>{1}</name><arch>{2}</arch><version epoch="{3}" ver="{4}" rel="1"/>
<checksum type="{5}">{6}</checksum><size package="{7}"/><location href="{8}"/></package></metadata>"""
REPOMD = """<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="{0}"><checksum type="{1}">{2}</checksum>
<location href="{3}"/><size>{4}</size></data></repomd>"""


def one(chance: Random, usual: str) -> str:
    """What is usual, or now and then something else."""
    return usual if chance.random() < 0.85 else text(chance)


def look(chance: Random, folder: Path) -> None:
    """An apt and a yum repository whose fields are odd."""
    import hashlib

    apt = folder / "dists/bookworm"
    data = STANZA.format(
        *(one(chance, u) for u in ("x", "1", "amd64", "pool/x.deb", "7", "a" * 64))
    )
    raw_data = data.encode(errors="surrogateescape")
    digest = hashlib.sha256(raw_data).hexdigest()
    usual = ("O", "stable", digest, str(len(raw_data)))
    (apt / "main/binary-amd64/Packages").write_bytes(raw_data)
    release = RELEASE.format(*(one(chance, u) for u in usual))
    (apt / "Release").write_bytes(release.encode(errors="surrogateescape"))
    usual = ("UTF-8", "x", "x86_64", "0", "1", "sha256", "a" * 64, "7", "x.rpm")
    primary = PRIMARY.format(*(one(chance, u) for u in usual)).encode(errors="surrogateescape")
    (folder / "repodata/primary.xml").write_bytes(primary)
    usual = (
        "primary",
        "sha256",
        hashlib.sha256(primary).hexdigest(),
        "repodata/primary.xml",
        str(len(primary)),
    )
    repomd = REPOMD.format(*(one(chance, u) for u in usual)).encode(errors="surrogateescape")
    (folder / "repodata/repomd.xml").write_bytes(repomd)
    imports.discover(imports.open_tree(str(folder)))


def tried(kind: str, count: int, attempt: Callable[[Random], object]) -> None:
    """Every input ends in time, with a result or with one error that no terminal obeys."""
    refused = 0
    for number in range(count * TIMES):
        seed = f"{kind} {number}"
        began = time.process_time()
        try:
            attempt(Random(seed))
        except (PkgrelError, terms.Malformed) as e:
            refused += 1
            hint = getattr(e, "hint", "")
            shown = console.visible(console.brief(f"{e}\n{hint}"))
        except Exception as e:
            raise AssertionError(f"seed {seed!r}") from e
        else:
            shown = ""
        assert all(c.isprintable() or c in "\n\t" for c in shown), (seed, ascii(shown))
        assert len(shown) < 5000, (seed, len(shown))
        assert time.process_time() - began < SECONDS, seed
    assert refused > 0, "nothing was refused"


@pytest.mark.parametrize("forge", [forged_rpm, forged_deb])
def test_packages(forge: Callable[[Random], bytes], tmp_path: Path) -> None:
    file = tmp_path / "forged"

    def attempt(chance: Random) -> None:
        file.unlink(missing_ok=True)
        file.write_bytes(forge(chance))
        artifact.read(file)

    tried(forge.__name__, 6_000, attempt)


def test_packages_that_are_signed(tmp_path: Path) -> None:
    import io

    def attempt(chance: Random) -> None:
        source = io.BytesIO(forged_rpm(chance))
        signed.check(signed.read(source), source)

    tried("signed", 3_000, attempt)


def test_terms() -> None:
    tried("terms", 5_000, lambda chance: terms.parse_term(forged_terms(chance)))


def test_repositories(tmp_path: Path) -> None:
    (tmp_path / "dists/bookworm/main/binary-amd64").mkdir(parents=True)
    (tmp_path / "repodata").mkdir()
    tried("repositories", 1_500, lambda chance: look(chance, tmp_path))


ODD = (
    '""', '" "', '"/"', '".."', '"a\\nb"', '"\\u001b[2J"', '"1s"', '"٣"', '"{{ x }}"', '"{{"', '"%s"', '"/x/../y"',
    f'"{"x" * 5000}"', "0", "1", "-1", "99", "9223372036854775807", "1.5", "inf", "nan", "true", "false", "[]", '[""]',
    "[1]", "[[]]", "{}", '{ "" = "" }', '{ a = "b" }', "{ a = 1 }", "[{}]", "1979-05-27", "07:32:00",
)  # fmt: skip


def keys(of: type, path: str) -> Iterator[tuple[str, str]]:
    """Every key of the tables, with its table."""
    hints = get_type_hints(of)
    for field in fields(of):
        name, wanted = field.name.replace("_", "-"), hints[field.name]
        inner = get_args(wanted)[0] if get_origin(wanted) is tuple else wanted
        if is_dataclass(inner):
            inside = f"{path}.{name}".removeprefix(".")
            yield from keys(inner, f"[{inside}]" if inner is not wanted else inside)
        elif path:
            yield path, name


KEYS = (
    *keys(Config, ""),
    *((format, key) for format in ("deb", "rpm") for _, key in keys(FormatSettings, "x")),
)


def test_settings(tmp_path: Path) -> None:
    """Each key with what is odd, and whatever is refused is named."""
    source, file = tmp_path / "tiny.tar", tmp_path / "pkgrel.toml"
    source.write_bytes(with_())
    rows = select(["bookworm", "el9"])

    def attempt(chance: Random) -> None:
        table, key = chance.choice(KEYS)
        needed = 'maintainer = "A <a@b.c>"' if key != "maintainer" else ""
        head = "" if table == "package" else f"[package]\n{needed}\n"
        file.write_text(
            f"{head}[{table}]\n{needed if not head else ''}\n{key} = {chance.choice(ODD)}\n"
        )
        try:
            plan.packages(read, config.load(file), rows, plan.Options())
        except PkgrelError as e:
            said = f"{e} {e.hint}"
            assert key in said or table.strip("[]") in said, said
            raise

    with release.read(source) as read:
        tried("settings", 1_000, attempt)


@pytest.mark.parametrize(
    ("table", "line", "named"),
    [
        ("package", "compression-level = 99", "package.compression-level"),
        ("package", "compression-level = -1", "package.compression-level"),
        ("package", "epoch = -1", "package.epoch"),
        ("package", 'recommends = [""]', "package.recommends"),
        ("service.directories", 'configuration-mode = ""', "configuration-mode"),
        ("service", r'description = "x\u009b2J"', "service.description"),
        ("service", r'description = "x\u202ey"', "service.description"),
    ],
)
def test_what_was_a_traceback_names_its_key(
    table: str, line: str, named: str, tmp_path: Path
) -> None:
    source, file = tmp_path / "tiny.tar", tmp_path / "pkgrel.toml"
    source.write_bytes(with_())
    head = '[package]\nmaintainer = "A <a@b.c>"\n'
    file.write_text(head + ("" if table == "package" else f"[{table}]\n") + line + "\n")
    with release.read(source) as read, pytest.raises(PkgrelError, match=named):
        plan.packages(read, config.load(file), select(["bookworm"]), plan.Options())
