"""Metadata against createrepo_c, element by element, and dnf of three suites and dnf5."""

import gzip
import hashlib
import shutil
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import createrepo_c as cr
import pytest

from pkgrel import artifact, signing
from pkgrel.artifact import Artifact
from pkgrel.errors import PackageError
from pkgrel.package import Change, Version
from pkgrel.repository.record import Record
from pkgrel.repository.yum import metadata, packages
from pkgrel.signing import rpm as rpm_signing
from tests import repositories, suite_root
from tests.openpgp_keys import secret
from tests.packages import SPEC, by_rpmbuild, sample, saved
from tests.tools import need, run

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NOW = 1_795_000_000
BASE = "rpm/el9/x86_64/stable"
RPM = "{http://linux.duke.edu/metadata/rpm}"
COMMON = "{http://linux.duke.edu/metadata/common}"
REPO = "{http://linux.duke.edu/metadata/repo}"
NAMESPACES = 'xmlns:rpm="http://linux.duke.edu/metadata/rpm"'

ODD_SPEC = """\
Name: Odd
Version: 1^git5
Release: 2%{?dist}
Summary: Quotes " & <tags> {href} in ünïcode
License: MIT
BuildArch: noarch
Requires: odd-self = 1
Requires: odd-own
Requires: /usr/bin/odd
Requires: /usr/share/odd/file
Requires: libc.so.6(GLIBC_2.4)(64bit)
Requires: libc.so.6(GLIBC_2.34)(64bit)
Requires: other > 1:2-3
Requires: other > 1:2-3
Requires(post): other < 9
Provides: odd-self = 1
Provides: odd-own = 5
Suggests: hint
Supplements: (one and two)
Enhances: enhanced >= 3
Conflicts: enemy <= 0:4
%description
One & two < three {href} "quoted"
\ttabs
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/share/odd "%{buildroot}/etc/o & d" %{buildroot}/usr/lib
echo > %{buildroot}/usr/bin/odd
echo > %{buildroot}/usr/share/odd/file
echo > "%{buildroot}/usr/share/odd/<&>'x"
ln -s odd %{buildroot}/usr/lib/sendmail
%post
true
%files
/usr/bin/odd
/usr/share/odd
/usr/lib/sendmail
%ghost /etc/ghost
%dir "/etc/o & d"
%changelog
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Packages that rpmbuild and we made."""
    folder = tmp_path_factory.mktemp("packages")
    odd = tmp_path_factory.mktemp("odd")
    changes = "\n".join(
        f"* {day} 2023 A <a@example.org> - {number}\n- Change <{number}> & more"
        for number, day in enumerate(
            "Wed Nov 15;Tue Nov 14;Mon Nov 13;Sun Nov 12;Sat Nov 11;Fri Nov 10;Thu Nov 9;Wed Nov 8"
            ";Tue Nov 7;Mon Nov 6;Sun Nov 5;Sat Nov 4".split(";")
        )
    )
    return {
        "demo": by_rpmbuild(folder),
        "xz": by_rpmbuild(tmp_path_factory.mktemp("xz"), "w2.xzdio"),
        "odd": by_rpmbuild(odd, spec=ODD_SPEC + changes + "\n"),
        "own": saved(sample("rpm"), folder),
    }


@pytest.fixture(scope="module")
def demo(files) -> Artifact:
    return artifact.read(files["demo"])


def recorded(package: Artifact) -> Record:
    return packages.make_record(package, packages.pool_key(package, "el9"), NOW)


def parsed(fragment: str) -> ET.Element:
    return ET.fromstring(fragment.replace("<package ", f"<package {NAMESPACES} ", 1))


def everything(element: ET.Element) -> list[tuple[str, dict[str, str], str]]:
    """Each element below: its name, attributes and text, in order."""
    return [(e.tag, dict(e.attrib), (e.text or "").strip()) for e in element.iter()]


def theirs(file: Path) -> list[ET.Element]:
    """primary, filelists and other of createrepo_c."""
    package = cr.package_from_rpm(str(file), location_href="{href}", changelog_limit=10)
    package.time_file = NOW
    return [parsed(fragment) for fragment in cr.xml_dump(package)]


def kept_only_the_newest_libc(entry: tuple[str, dict[str, str], str]) -> bool:
    """createrepo_c leaves out `libc.so.6(…)` but for the newest; rpm asks for all of them."""
    return entry[1].get("name", "").startswith("libc.so.6")


def was_there_already(entry: tuple[str, dict[str, str], str]) -> bool:
    """createrepo_c finds a repetition only if no other version of the name stands between."""
    return entry == (f"{RPM}entry", {"name": "/bin/sh"}, "")


DIFFERENCES = (kept_only_the_newest_libc, was_there_already)


@pytest.mark.parametrize("name", ["demo", "xz", "odd", "own"])
def test_every_element_is_that_of_createrepo_c(files, name):
    record = recorded(artifact.read(files[name]))
    for ours, reference in zip(map(parsed, record.index), theirs(files[name]), strict=True):
        mine, other = everything(ours), everything(reference)
        for justified in DIFFERENCES:
            mine = [e for e in mine if not justified(e)]
            other = [e for e in other if not justified(e)]
        assert mine == other


def test_what_the_differences_are(files):
    primary = parsed(recorded(artifact.read(files["odd"])).index[0])
    needed = [e.attrib["name"] for e in primary.iterfind(f"format/{RPM}requires/{RPM}entry")]
    assert [name for name in needed if "libc" in name] == [
        "libc.so.6(GLIBC_2.34)(64bit)",
        "libc.so.6(GLIBC_2.4)(64bit)",
    ]
    # What it has itself, rpm finds without help.
    assert not {"odd-self", "/usr/bin/odd"} & set(needed)
    assert needed.count("other") == 2
    primary = parsed(recorded(artifact.read(files["demo"])).index[0])
    shells = list(primary.iterfind(f"format/{RPM}requires/{RPM}entry[@name='/bin/sh']"))
    assert sorted(e.attrib.get("pre", "") for e in shells) == ["", "1"]


def test_header_range_is_where_the_header_is(files):
    for file in files.values():
        record = recorded(artifact.read(file))
        place = parsed(record.index[0]).find(f"format/{RPM}header-range")
        assert place is not None
        start, end = int(place.attrib["start"]), int(place.attrib["end"])
        header = file.read_bytes()[start:end]
        said = run("rpm", "-qp", "--nosignature", "--queryformat", "%{SHA256HEADER}", file)
        assert hashlib.sha256(header).hexdigest() == said


@pytest.mark.parametrize(
    ("name", "version", "key"),
    [
        ("hello", Version(upstream="1.0.0", revision="1.el9"), "h/hello-1.0.0-1.el9"),
        ("Hello", Version(epoch=2, upstream="1.0~rc1", revision="1"), "h/Hello-1.0~rc1-1"),
        ("c++", Version(upstream="1+git5^2", revision="1"), "c/c__-1_git5_2-1"),
    ],
)
def test_place_in_the_pool(demo, name, version, key):
    package = replace(demo, name=name, version=version, architecture="x86_64")
    assert packages.pool_key(package, "el9") == f"rpm/el9/pool/{key}.x86_64.rpm"


@pytest.mark.parametrize("name", ["../x", "a/b", "", "a b"])
def test_no_name_leads_out_of_the_pool(demo, name):
    with pytest.raises(PackageError, match="not the name of a package's file"):
        packages.pool_key(replace(demo, name=name), "el9")


@pytest.mark.parametrize("compression", ["gz", "zstd"])
def test_createrepo_c_reads_it(files, tmp_path, compression):
    records = [recorded(artifact.read(files[name])) for name in ("demo", "odd", "own")]
    made = repositories.write_metadata(records, BASE, compression, 7, NOW)
    root = written(tmp_path, made)
    iterator = cr.PackageIterator(*(str(path) for path in located(root)))
    found = {package.name: package for package in iterator}
    assert sorted(found) == ["Odd", "demo"]
    assert cr.Repomd(str(root / "repodata/repomd.xml")).repo_tags == [BASE]
    assert found["Odd"].summary == 'Quotes " & <tags> {href} in ünïcode'
    assert found["Odd"].description == 'One & two < three {href} "quoted"\n\ttabs'
    assert found["Odd"].location_href == "../../pool/o/Odd-1_git5-2.noarch.rpm"
    assert [entry[2] for entry in found["Odd"].changelogs][-1] == "- Change <0> & more"
    assert len(found["Odd"].changelogs) == 10
    assert (None, "/usr/share/odd/", "<&>'x") in found["Odd"].files


def written(root: Path, made: metadata.Metadata) -> Path:
    """The tree of the repository."""
    base = root / BASE
    (base / "repodata").mkdir(parents=True, exist_ok=True)
    for href, data in made.files.items():
        (base / href).write_bytes(data)
    (base / "repodata/repomd.xml").write_bytes(made.repomd)
    return base


def located(base: Path) -> list[Path]:
    repomd = cr.Repomd(str(base / "repodata/repomd.xml"))
    places = {record.type: record.location_href for record in repomd.records}
    return [base / places[type] for type in ("primary", "filelists", "other")]


def test_repomd_says_what_that_of_createrepo_c_says(files, tmp_path):
    """The Debian program writes one; hashes and sizes of ours are those of our own files."""
    need("/usr/bin/createrepo_c")
    folder = tmp_path / "theirs"
    folder.mkdir()
    shutil.copy(files["demo"], folder)
    tags = ("--revision=7", f"--repo={BASE}")
    run("/usr/bin/createrepo_c", "--quiet", "--no-database", *tags, folder)
    reference = ET.parse(folder / "repodata/repomd.xml").getroot()
    made = repositories.write_metadata([recorded(artifact.read(files["demo"]))], BASE, "gz", 7, NOW)
    ours = ET.fromstring(made.repomd)
    assert [e.tag for e in ours.iter()] == [e.tag for e in reference.iter()]
    assert ours.findtext(f"{REPO}revision") == reference.findtext(f"{REPO}revision") == "7"
    for mine, other in zip(ours.iter(f"{REPO}data"), reference.iter(f"{REPO}data"), strict=True):
        assert mine.attrib == other.attrib
        place = mine.find(f"{REPO}location")
        assert place is not None
        packed = made.files[place.attrib["href"]]
        plain = gzip.decompress(packed)
        texts = {child.tag.removeprefix(REPO): child.text for child in mine}
        assert texts == {
            "checksum": hashlib.sha256(packed).hexdigest(),
            "open-checksum": hashlib.sha256(plain).hexdigest(),
            "location": None,
            "timestamp": str(NOW),
            "size": str(len(packed)),
            "open-size": str(len(plain)),
        }
        root = ET.fromstring(plain)
        theirs = other.find(f"{REPO}location")
        assert theirs is not None
        example = ET.fromstring(gzip.decompress((folder / theirs.attrib["href"]).read_bytes()))
        assert (root.tag, root.attrib) == (example.tag, example.attrib)
    assert ours.findtext(f"{REPO}tags/{REPO}repo") == reference.findtext(f"{REPO}tags/{REPO}repo")
    assert metadata.purpose(made.repomd) == "rpm/el9/x86_64/stable"
    assert metadata.revision(made.repomd) == 7
    assert metadata.revision(b"<revision>today</revision>") is None


def test_files_are_named_by_their_hash_and_never_change(demo):
    records = [recorded(demo), replace(recorded(demo), name="x", path="rpm/el9/pool/x/x.rpm")]
    made = repositories.write_metadata(records, BASE, "gz", 1, NOW)
    assert made == repositories.write_metadata(records[::-1], BASE, "gz", 1, NOW)
    for href, data in made.files.items():
        assert href.startswith(f"repodata/{hashlib.sha256(data).hexdigest()}-")
    # The time and the number of the generation are in repomd.xml alone.
    later = repositories.write_metadata(records, BASE, "gz", 2, NOW + 1)
    assert later.files == made.files
    assert later.repomd != made.repomd


def test_places_are_relative_to_the_metadata(demo):
    record = recorded(demo)
    for base, href in (
        ("rpm/el9/x86_64/stable", "../../pool/d/"),
        ("rpm/el9", "pool/d/"),
        ("rpm/el9/pool/d", ""),
        ("rpm/snap/5", "../../el9/pool/d/"),
    ):
        made = repositories.write_metadata([record], base, "zstd", 1, NOW)
        (primary,) = (data for href, data in made.files.items() if "primary" in href)
        place = ET.fromstring(zstd.decompress(primary)).find(f".//{COMMON}location")
        assert place is not None
        assert place.attrib["href"] == f"{href}demo-1.4.0~rc.1-3.el9.noarch.rpm"


def test_updateinfo_and_nothing_at_all():
    made = repositories.write_metadata([], BASE, "gz", 1, NOW, updateinfo=b"<updates/>\n")
    types = [data.attrib["type"] for data in ET.fromstring(made.repomd).iter(f"{REPO}data")]
    assert types == ["primary", "filelists", "other", "updateinfo"]
    (update,) = (data for href, data in made.files.items() if "updateinfo" in href)
    assert gzip.decompress(update) == b"<updates/>\n"


def test_text_that_xml_cannot_say(demo):
    """Control characters go, bytes that are not UTF-8 are Latin-1, and nothing ends an element."""
    package = replace(demo, name='a"><evil/>\x01{href}', entries=demo.entries[:1])
    primary, filelists, _ = map(
        parsed, packages.make_record(package, "rpm/el9/pool/a/a.rpm", NOW).index
    )
    assert primary.findtext("name") == 'a"><evil/>{href}'
    assert filelists.attrib["name"] == 'a"><evil/>{href}'
    named = replace(
        demo.entries[0], path=type(demo.entries[0].path)("/etc/gr\udcfc\udcdfe\r\n\x1b")
    )
    (file,) = parsed(recorded(replace(demo, entries=(named,))).index[1]).iter("file")
    assert file.text == "/etc/grüße\r\n"


def test_old_changelogs_stay_behind(demo):
    assert recorded(demo).changelog == "- Second entry\n- of two lines"
    assert (
        recorded(
            replace(demo, changelog=(Change(version="", author="", time=0, lines=()),))
        ).changelog
        == ""
    )
    assert recorded(demo).summary == "A demonstration"


def test_a_source_package_is_of_its_own_architecture(tmp_path):
    need("rpmbuild")
    spec = tmp_path / "source.spec"
    spec.write_text(SPEC.partition("Requires:")[0] + "%description\nx\n")
    run("rpmbuild", "-bs", "--quiet", "--define", f"_topdir {tmp_path}", spec)
    (file,) = (tmp_path / "SRPMS").iterdir()
    package = artifact.read(file)
    assert recorded(package).architecture == "src"
    assert packages.pool_key(package, "el9").endswith(".src.rpm")
    assert everything(parsed(recorded(package).index[0])) == everything(theirs(file)[0])


# --- dnf itself ---------------------------------------------------------------------------------

RUNNABLE = """\
Name: %s
Version: %s
Release: 1
Summary: Something to install
License: MIT
BuildArch: noarch
Requires: /bin/sh
%%description
Something to install.
%%install
mkdir -p %%{buildroot}/usr/share/%s
%%files
/usr/share/%s
"""


@pytest.fixture(scope="module")
def runnable(tmp_path_factory) -> list[Path]:
    """Two versions, the one with a `+` in it."""
    made = []
    for version in ("1.0", "1.1+git5"):
        folder = tmp_path_factory.mktemp("runnable")
        text = RUNNABLE % ("runnable", version, "runnable", "runnable")
        made.append(by_rpmbuild(folder, spec=text))
    return made


def published(root: Path, packages: list[Path], signer: signing.Signer, compression: str) -> None:
    records = []
    for package in packages:
        signed = root / "signed.rpm"
        rpm_signing.sign(package, signer, signed)
        record = recorded(artifact.read(signed))
        target = root / record.path
        target.parent.mkdir(parents=True, exist_ok=True)
        signed.rename(target)
        records.append(record)
    made = repositories.write_metadata(records, BASE, compression, 1, NOW)
    base = written(root, made)
    (base / "repodata/repomd.xml.asc").write_bytes(signer.detached(made.repomd))
    (root / "key.asc").write_bytes(signer.public_key)


def client(dnf: str, *commands: str, key: str = "key.asc") -> str:
    """A script for a machine that knows only this repository."""
    lines = [f"{dnf} -y -q --setopt=keepcache=0 {command}" for command in commands]
    return f"""
mkdir -p /etc/yum.repos.d
cat >/etc/yum.repos.d/example.repo <<'EOF'
[example]
name=Example
baseurl=file:///srv/{BASE}
gpgcheck=1
repo_gpgcheck=1
gpgkey=file:///srv/{key}
EOF
""" + "\n".join(lines)


DNFS = [("bookworm", "dnf-3"), ("trixie", "dnf-3"), ("sid", "dnf-3"), ("sid", "dnf5")]


@pytest.mark.parametrize(("suite", "dnf"), DNFS)
def test_dnf_installs_from_it(runnable, tmp_path, suite, dnf):
    """With the signatures of packages and of metadata checked; old key and new key sign."""
    old, new = signing.signer(secret("rsa")), signing.signer(secret("ed25519"))
    published(tmp_path, runnable, signing.combine(old, new), "zstd")
    (tmp_path / "old.asc").write_bytes(old.public_key)
    script = client(dnf, "install runnable-1.0", "upgrade runnable", key="old.asc")
    script += "\nrpm -q runnable; ls -d /usr/share/runnable"
    said = suite_root.ok(suite, script, tmp_path)
    assert "runnable-1.1+git5-1.noarch\n/usr/share/runnable\n" in said


@pytest.mark.parametrize("damage", ["metadata", "signature", "package", "key"])
@pytest.mark.parametrize(("suite", "dnf"), [("bookworm", "dnf-3"), ("sid", "dnf5")])
def test_dnf_refuses_what_was_changed(runnable, tmp_path, suite, dnf, damage):
    signer = signing.signer(secret("rsa"))
    published(tmp_path, runnable[:1], signer, "gz")
    repodata = tmp_path / BASE / "repodata"
    if damage == "metadata":
        repomd = repodata / "repomd.xml"
        repomd.write_bytes(repomd.read_bytes().replace(b"<revision>1<", b"<revision>2<"))
    elif damage == "signature":
        other = signing.signer(secret("ed25519")).detached((repodata / "repomd.xml").read_bytes())
        (repodata / "repomd.xml.asc").write_bytes(other)
    elif damage == "package":
        (package,) = tmp_path.rglob("runnable*.rpm")
        package.write_bytes(package.read_bytes()[:-10] + bytes(10))
    else:
        (tmp_path / "key.asc").write_bytes(signing.signer(secret("ed25519")).public_key)
    done = suite_root.shell(suite, client(dnf, "install runnable"), tmp_path)
    assert done.returncode != 0


def test_dnf_refuses_an_unsigned_package(runnable, tmp_path):
    signer = signing.signer(secret("rsa"))
    published(tmp_path, runnable[:1], signer, "gz")
    record = recorded(artifact.read(runnable[0]))
    shutil.copy(runnable[0], tmp_path / record.path)
    made = repositories.write_metadata([record], BASE, "gz", 1, NOW)
    base = written(tmp_path, made)
    (base / "repodata/repomd.xml.asc").write_bytes(signer.detached(made.repomd))
    done = suite_root.shell("bookworm", client("dnf-3", "install runnable"), tmp_path)
    assert done.returncode != 0
    assert "not signed" in done.stdout
