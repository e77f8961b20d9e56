"""Headers of .rpms, as rpm, createrepo_c and dnf read them.

The real tools are the judges: of hundreds of forged headers what one of them refuses is refused, and what is not is read
by dnf from our index as rpm reads it from the file.
"""

import base64
import os
import random
import re
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import createrepo_c as cr
import pytest

from pkgrel import artifact, distro
from pkgrel.distro import Format
from pkgrel.errors import PackageError, PkgrelError
from pkgrel.repository import publishing, recognition
from pkgrel.repository.layout import Place
from pkgrel.repository.record import Record
from pkgrel.repository.yum import packages
from pkgrel.rpm_tags import SignatureTag, Tag, Type
from tests import packages as packages_of_tests
from tests import repositories, rpm_forgery, suite_root
from tests.rpm_forgery import Tags, Value, i18n, numbers, string, strings
from tests.tools import need

COUNT = 250
BASE = "rpm/el9/x86_64/stable"
SUITES = ("bookworm", "trixie", "sid")
"""rpm 4.18, 4.20 and 6.1."""

INSTALL = r"""
cd /srv/packages
# Debian's rpm 4.18 wants to be told.
force=$(rpm --help | grep -o -e --force-debian || true)
for file in *.rpm; do
    said=$(rpm -i --test --nodeps --nosignature --ignorearch --ignoreos --force $force "$file" 2>&1) &&
        echo "$file taken" || echo "$file refused $said" | LC_ALL=C tr -c '\n -~' ' '
done
"""
"""The payload is not unpacked: what is in it, the header cannot be judged by."""


def record_of(file: Path) -> Record:
    """What a repository would say of it; PkgrelError if it is not published."""
    read = artifact.read(file, unpack=False)
    recognition.check_architecture(read)
    return packages.make_record(read, packages.pool_key(read, "el9"), 1)


@pytest.fixture(scope="module")
def forged(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("forged")
    (folder / "packages").mkdir()
    chance = random.Random(os.environ.get("PKGREL_SEED", "header"))
    count = int(os.environ.get("PKGREL_FORGERIES", COUNT))
    for number, data in enumerate(rpm_forgery.forgeries(chance, count)):
        (folder / f"packages/{number}.rpm").write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def records(forged) -> dict[str, Record | str]:
    """By file: the record, or why there is none."""
    found: dict[str, Record | str] = {}
    for file in (forged / "packages").iterdir():
        try:
            found[file.name] = record_of(file)
        except PkgrelError as error:
            found[file.name] = str(error)
    return found


@pytest.mark.parametrize("suite", SUITES)
def test_what_rpm_refuses_is_not_published(forged, records, suite):
    need("rpm")
    said = suite_root.ok(suite, INSTALL, forged)
    refused = dict(re.findall(r"^(\d+\.rpm) refused(.*)", said, flags=re.M))
    # Some hosts want SHA-256 of the payload, which depends on the distro and is a rule of `check`.
    refused = {file: why for file, why in refused.items() if "no digest" not in why}
    assert len(refused) > COUNT / 10
    assert said.count(" taken\n") > COUNT / 4
    published = {file: why for file, why in refused.items() if isinstance(records[file], Record)}
    assert not published


def test_what_createrepo_c_leaves_out_is_not_published(forged, records):
    """Each in a process of its own, since it does not survive all of them."""
    for name, record in records.items():
        if isinstance(record, Record):
            read, write = os.pipe()
            child = os.fork()
            if not child:
                try:
                    cr.xml_dump(cr.package_from_rpm(str(forged / "packages" / name)))
                    os._exit(0)
                except BaseException as error:
                    os.write(write, str(error).encode())
                    os._exit(1)
            os.close(write)
            with os.fdopen(read, "rb") as said:
                why = said.read().decode()
            # Its Python cannot decode what is not UTF-8; the program takes it for Latin-1.
            ended = os.waitpid(child, 0)[1]
            assert ended == 0 or "exception set" in why, (name, ended, why)


# --- what is published reads the same ---------------------------------------------------------

FIELDS = "name epoch version release arch license url vendor packager sourcerpm summary description"
KINDS = "requires provides conflicts obsoletes recommends suggests supplements enhances".split()


def by_dnf(dnf: str) -> str:
    tags = [*FIELDS.split(), *KINDS, "files"]
    form = "".join(f"%{{{tag}}}\\037" for tag in tags) + "\\036"
    repository = "--repofrompath=forged,/srv/repository --repo=forged"
    return f"""
form=$(printf '{form.replace("%", "%%")}')
{dnf} -q --setopt=gpgcheck=0 {repository} repoquery --qf "$form" | base64
"""


def rows(said: bytes) -> Iterator[dict[str, str]]:
    tags = [*FIELDS.split(), *KINDS, "files"]
    for row in said.decode("utf-8", errors="surrogateescape").split("\x1e"):
        values = row.lstrip("\n").split("\x1f")
        if len(values) > len(tags):
            yield dict(zip(tags, values, strict=False))


def by_rpm(file: Path) -> dict[str, str]:
    need("rpm")
    names = {kind: kind.removesuffix("s").upper() for kind in KINDS}
    form = "".join(f"%{{{tag}}}\x1f" for tag in FIELDS.upper().split())
    for name in names.values():
        form += f"[%{{{name}NAME}}\x1d%{{{name}FLAGS:depflags}}\x1d%{{{name}VERSION}}\x1c]\x1f"
    form += "[%{FILENAMES}\n]\x1f\x1e"
    done = subprocess.run(
        ["rpm", "-qp", "--nosignature", "--nodigest", "--queryformat", form, file],
        capture_output=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    (row,) = rows(done.stdout)
    return row | {kind: "\n".join(map(relation, row[kind].split("\x1c"))) for kind in KINDS}


def relation(text: str) -> str:
    """As dnf writes it: a version counts only if it is compared with."""
    name, *compared = text.split("\x1d")
    return " ".join([name, *map(str.strip, compared)]) if all(map(str.strip, compared)) else name


def latin1(text: str) -> str:
    """As indices say what is not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogateescape").decode("latin-1")
    return text


def differences(
    theirs: dict[str, str], ours: dict[str, str]
) -> Iterator[tuple[str, object, object]]:
    """What rpm and dnf say of one package, where it is not the same."""
    nothing = {"(none)": ""}
    for tag in FIELDS.split():
        one, other = (nothing.get(row[tag], latin1(row[tag])).strip() for row in (theirs, ours))
        if (one or "0", other) != ("0", "0") and one != other:
            yield tag, one, other
    # libsolv lets every package provide itself, and what a package has itself is not asked for.
    itself = f"{theirs['name']} = "
    has = lines(theirs["provides"]) | lines(theirs["files"])
    for tag in (*KINDS, "files"):
        left = has if tag == "requires" else set()
        one, other = (
            {x for x in lines(row[tag]) - left if not x.startswith((itself, "rpmlib("))}
            for row in (theirs, ours)
        )
        if one != other:
            yield tag, one - other, other - one


def lines(text: str) -> set[str]:
    """Of a list."""
    text = re.sub(r" 0:(?=\S+$)", " ", text, flags=re.M)
    return {latin1(line).rstrip(" \r") for line in text.split("\n")} - {""}


@pytest.mark.parametrize(("suite", "dnf"), [("bookworm", "dnf-3"), ("sid", "dnf5")])
def test_dnf_reads_what_rpm_reads(forged, records, suite, dnf):
    repository = forged / "repository"
    # One of each name: what is there twice, dnf has once.
    named = {r.name: (file, r) for file, r in records.items() if isinstance(r, Record)}
    taken = dict(named.values())
    made = repositories.write_metadata(list(taken.values()), "repository", "gz", 1, 1)
    for href, data in {**made.files, "repodata/repomd.xml": made.repomd}.items():
        (repository / href).parent.mkdir(parents=True, exist_ok=True)
        (repository / href).write_bytes(data)
    said = base64.b64decode(suite_root.ok(suite, by_dnf(dnf), forged))
    seen = {row["name"]: row for row in rows(said)}
    assert set(seen) == {record.name for record in taken.values()}
    assert len(seen) > COUNT / 5
    for file, record in taken.items():
        found = list(differences(by_rpm(forged / "packages" / file), seen[record.name]))
        assert not found, (file, found)


# --- kinds by themselves ------------------------------------------------------------------------

ODD: dict[str, tuple[Tags, str]] = {
    "two hyphens": ({Tag.VERSION: string(b"1.0-1")}, "version is `1.0-1`"),
    "another name": ({Tag.NAME: string(b"a b")}, "name is `a b`"),
    "no system": ({Tag.OS: Value(Type.BIN, b"")}, "OS"),
    "an epoch of two": ({Tag.EPOCH: numbers(1, 2)}, "has 2 values"),
    "an epoch as text": ({Tag.EPOCH: string(b"1")}, "another type"),
    "a lost comparison": (
        {Tag.CONFLICTNAME: strings(b"a"), Tag.CONFLICTVERSION: strings(b"1"), Tag.CONFLICTFLAGS: numbers(6)},
        "the comparison 6",
    ),
    "half a rich dependency": ({Tag.REQUIRENAME: strings(b"(a or b", b"other")}, "its end is missing"),
    "a rich dependency that dnf loses": ({Tag.REQUIRENAME: strings(b"(a or\tb)", b"other")}, "other blanks"),
    "a version of nothing": ({Tag.REQUIREVERSION: strings(b"", b"1:1:1")}, "has no version"),
    "an escape": ({Tag.DESCRIPTION: i18n(b"a\x1b[31m")}, r"DESCRIPTION has the character U\+001B"),
    "no XML": ({Tag.CHANGELOGTEXT: strings("\ufffe".encode())}, r"U\+FFFE"),
    "a folder in a name": ({Tag.BASENAMES: strings(b"one", b"x/y")}, "has the path `x/y`"),
    "a mode of nothing": ({Tag.FILEMODES: Value(Type.INT16, [0o100644, 0])}, "unknown mode"),
    "half a digest": ({Tag.FILEDIGESTS: strings(b"abc", b"")}, "not the digest of a file"),
    "no owners": ({Tag.FILEUSERNAME: Value(Type.BIN, b"")}, "FILEUSERNAME"),
    "a delta": ({Tag.PAYLOADFORMAT: string(b"drpm")}, "only the difference"),
    "a signature inside": ({int(SignatureTag.SHA1): string(b"x")}, "belongs into the signature header"),
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_is_refused_with_the_reason(tmp_path, odd):
    changes, message = ODD[odd]
    tags = {tag: v for tag, v in {**rpm_forgery.valid(), **changes}.items() if v.values != b""}
    file = tmp_path / "odd.rpm"
    file.write_bytes(rpm_forgery.rpm(rpm_forgery.header(tags, 63)))
    with pytest.raises(PackageError, match=message):
        record_of(file)


@pytest.mark.parametrize(
    "text",
    [
        "(a and (b or c))", "(a if b else c)", "(a >= 1 or libc.so.6()(64bit))", "(a with b with c)",
        "(a if (b or c) else d)",
    ],
)  # fmt: skip
def test_rich_dependencies_that_are_right(tmp_path, text):
    tags = {**rpm_forgery.valid(), Tag.REQUIRENAME: strings(text.encode(), b"other")}
    file = tmp_path / "rich.rpm"
    file.write_bytes(rpm_forgery.rpm(rpm_forgery.header(tags, 63)))
    assert f'name="{text.replace(">", "&gt;")}"' in record_of(file).index[0]


@pytest.mark.parametrize(
    ("distro_id", "reads"), [("el7", False), ("el9", False), ("el10", False), ("fedora43", True)]
)
def test_a_format_whose_signatures_a_distro_does_not_see(tmp_path, distro_id, reads):
    """It would be published, and dnf would say that it is not signed."""
    file = tmp_path / "six.rpm"
    tags = {**rpm_forgery.valid(), Tag.RELEASE: string(b"1"), Tag.RPMFORMAT: numbers(6)}
    file.write_bytes(rpm_forgery.rpm(rpm_forgery.header(tags, 63)))
    six = artifact.read(file, unpack=False)
    rows = distro.select([distro_id])
    if reads:
        assert recognition.distros_of(six, rows) == rows
    else:
        with pytest.raises(PkgrelError, match="in rpm's format 6, whose signatures rpm 4"):
            recognition.distros_of(six, rows)


def test_what_a_repository_could_not_read_again(tmp_path):
    """Its manifests have names of 256 characters at most."""
    file = tmp_path / "long.rpm"
    tags = {**rpm_forgery.valid(), Tag.VERSION: string(b"1" * 300)}
    file.write_bytes(rpm_forgery.rpm(rpm_forgery.header(tags, 63)))
    with pytest.raises(PackageError, match=r"its file name would have 3\d\d characters"):
        artifact.read(file, unpack=False)
    made = packages_of_tests.package(tmp_path)
    long = replace(artifact.read(made), name="a" * 300)
    item = publishing.Item(long, Place(Format.DEB, "debian12", "amd64", "stable"))
    with pytest.raises(PackageError, match="cannot be published"):
        publishing.check_records([item])


def test_what_is_not_one_value_a_file(tmp_path):
    """Fedora's packages have dictionaries of classes, dependencies and MIME types; old tools add to signature headers."""
    tags = {
        **rpm_forgery.valid(),
        1141: numbers(0, 1),  # FILECLASS, and what follows from it
        1142: strings(b"", b"ASCII text", b"data"),
        1143: numbers(0, 0, 0),
        1145: numbers(1, 2, 3, 4),
        5115: numbers(0, 0),
        5116: strings(b"text/plain"),
    }
    main = rpm_forgery.header(tags, 63)
    file = tmp_path / "classes.rpm"
    made = rpm_forgery.rpm(main)
    file.write_bytes(made)
    assert record_of(file).name == "hello"
    # An entry behind the region: FILESIGNATURELENGTH, as IMA's tools once added it.
    lead, (entries, size) = made[:96], struct.unpack(">II", made[104:112])
    rows, data = made[112 : 112 + 16 * entries], made[112 + 16 * entries :][:size]
    data += bytes(-len(data) % 4)
    extra = struct.pack(">IIII", 275, 4, len(data), 1)
    signature = made[96:104] + struct.pack(">II", entries + 1, len(data) + 4)
    signature += rows + extra + data + b"\0\0\0\7"
    rest = made[made.index(main) :]
    file.write_bytes(lead + signature + bytes(-len(signature) % 8) + rest)
    said = suite_root.ok("trixie", "rpm -qp --nosignature /srv/classes.rpm", tmp_path)
    assert said.strip() == "hello-1.0-1.el9.noarch"
    assert record_of(file).name == "hello"


@pytest.mark.parametrize(
    ("distro_id", "reads"), [("el9", True), ("fedora41", True), ("fedora44", False)]
)
def test_a_package_whose_digests_a_distro_does_not_believe(tmp_path, distro_id, reads):
    """rpm 6 has no use for MD5 and SHA-1."""
    tags = {**rpm_forgery.valid(), Tag.RELEASE: string(b"1")}
    tags.pop(Tag.PAYLOADSHA256)
    file = tmp_path / "old.rpm"
    file.write_bytes(rpm_forgery.rpm(rpm_forgery.header(tags, 63)))
    old, rows = artifact.read(file, unpack=False), distro.select([distro_id])
    if reads:
        assert recognition.distros_of(old, rows) == rows
    else:
        with pytest.raises(PkgrelError, match="has no SHA-256 of its header and of its payload"):
            recognition.distros_of(old, rows)
