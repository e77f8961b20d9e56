"""Control files, as dpkg reads them and as apt reads what an index says of them.

The real tools are the judges: of 1,500 forged control files dpkg-deb and pkgrel refuse the same ones, and one
Packages with all the others is read by the apt of every suite, without a warning.
"""

import io
import os
import random
import re
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pkgrel import artifact, distro
from pkgrel.artifact.readers import unreadable
from pkgrel.errors import PackageError
from pkgrel.repository.apt.packages import make_record
from tests import suite_root
from tests.tools import need

VALID = {
    "Package": "hello",
    "Version": "1.0-1~debian12",
    "Architecture": "amd64",
    "Maintainer": "H <h@example.org>",
    "Description": "x\n a",
}

NAMES = ["a", "libc6", "x+y", "a.b", "A", "ab_c", "0ad", "-a", "a/b", "ä", "", "a b", "a:any", "a:"]
NAMES += ["a:i386", "a:x_y", "a@b", "${misc:Depends}", ".a"]
VERSIONS = ["1", "1.0", "1.0-1", "1:2.0", "0:1", "+1:2", "-1:2", "2147483647:1", "2147483648:1"]
VERSIONS += ["99999999999999999999:1", "v1", "~1", "1.0-", "1.0-1-2", "1-~", "1:", ":1", "1:1:1"]
VERSIONS += [
    "1.0_1",
    "1.0 1",
    "",
    "f2df73a",
    "1.0+git~1",
    "1/2",
    "ä1",
    "1.0\t",
    "1-1:1",
    "-1",
    "1é",
]
OPERATORS = [
    "<<",
    "<=",
    "=",
    ">=",
    ">>",
    "<",
    ">",
    "",
    "==",
    "<>",
    "><",
    "=<",
    "!=",
    "=>",
    "<<<",
    "~",
]
BLANKS = ["", "", " ", " ", "  ", "\t", "\n ", "\n\t", "\v"]
FIELDS = ["Pre-Depends", "Depends", "Recommends", "Suggests", "Enhances", "Breaks", "Conflicts"]
FIELDS += ["Replaces", "Provides", "Built-Using", "Optional", "depends", "X-Depends"]
OTHERS = {
    "Multi-Arch": ["no", "same", "foreign", "allowed", "banana", "Same", "nope", "same x", ""],
    "Essential": ["yes", "no", "true", "YES", "yes!", ""],
    "Priority": ["optional", "extra", "optionally", "Important", "optional x", "mine", ""],
    "Architecture": ["all", "amd64", "i386"],
    "Status": ["install ok installed", ""],
    "Config-Version": ["1.0"],
    "Triggers-Pending": ["x"],
    "Conffiles": ["\n /etc/x 0123", "\n /etc/x", " /etc/x 0123", "x", "\n /etc/x  y obsolete", ""],
    "Filename": ["pool/x.deb", "a b", ""],
    "Size": ["12", "1 2", "x"],
    "Installed-Size": ["12", "x", "-1", ""],
    "Important": ["yes", "on", "maybe", "yes\n x"],
    "Protected": ["yes", "maybe"],
    "Tag": ["x::y, z::w", "\n x"],
    "Phased-Update-Percentage": ["5", "x"],
    "SHA256": ["0" * 64, "x"],
    "Package-Type": ["deb", "x"],
    "X": ["short"],
    "X-Any": ["", "a", "\n a", "a\n b\n .\n c", "a\n\n b", "a\n \n b", "a\n\vb", "a\r", "a\x1a\n"],
    "-X": ["a"],
    "X Y": ["a"],
    "Ä": ["a"],
    "package": ["again"],
    "Homepage": ["https://example.org", "\t https://example.org \t"],
    "Description": [
        "x\n one\x0btwo",
        "x\n one\x85two",
        "x\n one\u2028two",
        "x\n one\x0ctwo\n .\n three",
        "x\n\tone",
        "x\n\x0bone",
        "\n only",
        "x\n one\r\n two\r",
        "x\x1b[31m",
        "",
        "x\n \n y",
        "x\none",
    ],
}
ENDS = ["\n", "\n", "\n", "\n", "\n", "", "\n\n", "\nX", "\n\ufeff", "\né", "\n\nPackage: b\nVersion: 1\n", "\n# x\n", "\n ", "\r\n", "\x1a", "\n\x1a"]  # fmt: skip


def forged(chance: random.Random) -> bytes:
    """A control file with one or two odd things in it."""
    found = list(VALID.items())
    for _ in range(chance.choice((1, 1, 2))):
        match chance.randrange(5):
            case 0 | 1:
                name = chance.choice(FIELDS)
                field = (name, relations(chance, name))
            case 2:
                field = ("Version", chance.choice(VERSIONS))
            case 3:
                field = ("Package", chance.choice(NAMES))
            case _:
                name = chance.choice(list(OTHERS))
                field = (name, chance.choice(OTHERS[name]))
        if field[0] in VALID and chance.random() < 0.95:
            found = [field if item[0] == field[0] else item for item in found]
        else:
            found.insert(chance.randrange(len(found)), field)
    lines = [f"{name}{chance.choice(('', '', '', ' '))}:{' ' * (chance.random() < 0.9)}{value}" for name, value in found]  # fmt: skip
    start = chance.choice(("", "", "", "", "\n", "\n\n", " "))
    text = start + "\n".join(lines) + chance.choice(ENDS)
    return text.encode("latin-1" if chance.random() < 0.05 else "utf-8", errors="replace")


def relations(chance: random.Random, field: str) -> str:
    operators = ["=", "", "=="] if field == "Provides" else OPERATORS
    text = ""
    for number in range(chance.choice((1, 1, 2, 3))):
        if number:
            text += chance.choice((",", ", ", ", ", " | ", "|", ",,", " ", ",\n "))
        text += chance.choice(NAMES[:8] if chance.random() < 0.8 else NAMES)
        if chance.random() < 0.6:
            operator = chance.choice(operators[:7] if chance.random() < 0.8 else operators)
            version = chance.choice(VERSIONS[:8] if chance.random() < 0.8 else VERSIONS)
            b = [chance.choice(BLANKS) for _ in range(5)]
            text += f"{b[0]}({b[1]}{operator}{b[2]}{version}{b[3]}){b[4]}"
    return text + chance.choice(("", "", "", "", ",", " ", "|", ")"))


def deb(file: Path, control: bytes) -> Path:
    """A .deb with no files and this control file."""
    members = [("debian-binary", b"2.0\n"), ("control.tar", tar(control)), ("data.tar", tar(None))]
    with file.open("wb") as out:
        out.write(b"!<arch>\n")
        for name, data in members:
            out.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
            out.write(data + b"\n" * (len(data) % 2))
    return file


def tar(control: bytes | None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        if control is not None:
            member = tarfile.TarInfo("./control")
            member.size = len(control)
            archive.addfile(member, io.BytesIO(control))
    return out.getvalue()


def read(file: Path) -> artifact.Artifact | None:
    try:
        return artifact.read(file)
    except PackageError:
        return None


def taken_by_dpkg(file: Path) -> bool:
    done = subprocess.run(["dpkg-deb", "--show", file], capture_output=True)
    return done.returncode == 0


COUNT, OF_EACH_SUITE = 1500, 80


@pytest.fixture(scope="module")
def forged_files(tmp_path_factory) -> list[Path]:
    chance = random.Random(os.environ.get("PKGREL_SEED", "control"))
    controls = sorted({forged(chance) for _ in range(COUNT + 100)})
    chance.shuffle(controls)
    folder = tmp_path_factory.mktemp("forged")
    return [deb(folder / f"{number}.deb", text) for number, text in enumerate(controls[:COUNT])]


@pytest.fixture(scope="module")
def ours(forged_files) -> list[artifact.Artifact | None]:
    return [read(file) for file in forged_files]


def test_dpkg_refuses_the_same(forged_files, ours) -> None:
    need("dpkg-deb")
    with ThreadPoolExecutor(2) as pool:
        by_dpkg = list(pool.map(taken_by_dpkg, forged_files))
    for file, dpkg, own in zip(forged_files, by_dpkg, ours, strict=True):
        assert dpkg is bool(own), file.read_bytes()
    assert sum(by_dpkg) > 250


@pytest.mark.parametrize(
    ("suite", "distro_id"),
    [
        ("bullseye", "debian11"),
        ("bookworm", "debian12"),
        ("trixie", "debian13"),
        ("sid", "debian14"),
    ],
)
def test_each_dpkg_takes_what_is_published_and_each_apt_reads_it(
    suite, distro_id, ours, tmp_path
) -> None:
    [row] = distro.select([distro_id])
    taken = [own for own in ours if own and not unreadable(own, row)]
    assert len(taken) > 220
    for own in taken[:OF_EACH_SUITE]:
        (tmp_path / own.file.name).hardlink_to(own.file)
    paragraphs = [make_record(own, f"pool/{own.file.name}", 0).index[0] for own in taken]
    (tmp_path / "Packages").write_text(
        "\n".join(
            # Names of their own: what is there twice, apt has once.
            re.sub("^Package: .*", rf"\g<0>.{number}", text, flags=re.M)
            + f"Filename: ./{number}.deb\n"
            for number, text in enumerate(paragraphs)
        )
    )
    said = suite_root.ok(suite, READ, tmp_path)
    assert said.split() == ["read", str(len(taken))], said


READ = """
for file in /srv/*.deb; do
    dpkg-deb --show "$file" >/dev/null 2>&1 || echo "$file refused"
done
mkdir -p /tmp/etc/preferences.d
echo "deb [trusted=yes] file:/srv ./" >/tmp/etc/sources.list
apt() {
    tool=$1
    shift
    "$tool" -o Dir::Etc=/tmp/etc -o APT::Architecture=amd64 -o APT::Sandbox::User=root "$@" 2>/tmp/said
    grep '^[EW]:' /tmp/said >&2 || true
}
apt apt-get update >/dev/null
apt apt-cache gencaches >/dev/null
apt apt-cache dumpavail >/tmp/known
echo read "$(grep -c '^SHA256:' /tmp/known)"
"""


def test_what_is_provided_is_one_version(tmp_path: Path) -> None:
    """The newer dpkg refuses what the older only warns of, and what apt passes over."""
    control = "".join(f"{n}: {v}\n" for n, v in {**VALID, "Provides": "x (>= 1)"}.items())
    with pytest.raises(PackageError, match="no version but by `=`"):
        artifact.read(deb(tmp_path / "x.deb", control.encode()))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("Depends", "dpkg (>=1), base-files (>1)"),
        ("Depends", "a(>1)|b(<2)"),
        ("Suggests", "a ( = 1 )\n , b"),
        ("Provides", "x (=1)"),
    ],
)
def test_apt_is_given_what_every_apt_reads(tmp_path: Path, field: str, text: str) -> None:
    """apt 2.6 stops at an operator without a blank at a field's end, and so does all of the machine."""
    control = "".join(f"{n}: {v}\n" for n, v in {**VALID, field: text}.items())
    made = artifact.read(deb(tmp_path / "x.deb", control.encode()))
    (line,) = [x for x in make_record(made, "x", 0).index[0].splitlines() if x.startswith(field)]
    assert all(len(part) >= 4 and " " in part for part in line.split("(")[1:]), line


def test_a_field_without_a_value_is_not_for_a_dpkg_that_crashes_over_it(tmp_path: Path) -> None:
    control = "".join(f"{n}: {v}\n" for n, v in {"Section": "", **VALID}.items())
    made = artifact.read(deb(tmp_path / "x.deb", control.encode()))
    debian12, debian13 = distro.select(["debian12", "debian13"])
    said = suite_root.shell("trixie", "dpkg-deb --show /srv/x.deb", tmp_path).stdout
    assert ("fault" in said) is bool(unreadable(made, debian13)), said
    assert not unreadable(made, debian12)


def test_what_is_not_utf8_is_read_as_latin1(tmp_path: Path) -> None:
    control = "".join(f"{n}: {v}\n" for n, v in VALID.items()).replace("H <", "Jürgen <")
    made = artifact.read(deb(tmp_path / "x.deb", control.encode("latin-1")))
    assert made.control["Maintainer"] == "Jürgen <h@example.org>"


def test_a_control_archive_that_dpkg_does_not_read(tmp_path: Path) -> None:
    """bzip2 and lzma are for data.tar alone, whatever apt-ftparchive takes."""
    file = deb(tmp_path / "x.deb", "".join(f"{n}: {v}\n" for n, v in VALID.items()).encode())
    odd = tmp_path / "odd.deb"
    odd.write_bytes(file.read_bytes().replace(b"control.tar     ", b"control.tar.bz2 "))
    assert not taken_by_dpkg(odd)
    with pytest.raises(PackageError, match=r"control\.tar\.bz2"):
        artifact.read(odd)
