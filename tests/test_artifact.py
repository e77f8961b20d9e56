"""artifact.read against what dpkg-deb and rpm say of the same packages."""

import dataclasses
import gzip
import hashlib
import random
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from pkgrel import artifact
from pkgrel.artifact import Artifact, Kind
from pkgrel.artifact.rpm.metadata import METADATA
from pkgrel.cli.tables import listing
from pkgrel.errors import PackageError
from pkgrel.package import Format, Version
from tests.packages import CONTROL, DPKG_SCRIPTS, by_dpkg_deb, by_rpmbuild
from tests.tools import need, run

DEB = {"gzip": "gzip", "xz": "xz", "zstd": "zstd", "none": "none"}
RPM = {
    "w9.gzdio": "gzip",
    "w6.xzdio": "xz",
    "w3.zstdio": "zstd",
    "w9.bzdio": "bzip2",
    "w6.lzdio": "lzma",
    "w.ufdio": "none",
}


@pytest.fixture(scope="module", params=DEB)
def deb(request, tmp_path_factory) -> tuple[Path, Artifact]:
    file = by_dpkg_deb(tmp_path_factory.mktemp("deb"), request.param)
    read = artifact.read(file)
    assert read.compression == DEB[request.param]
    return file, read


@pytest.fixture(scope="module", params=RPM)
def rpm(request, tmp_path_factory) -> tuple[Path, Artifact]:
    file = by_rpmbuild(tmp_path_factory.mktemp("rpm"), request.param)
    read = artifact.read(file)
    assert read.compression == RPM[request.param]
    return file, read


def by_path(package: Artifact) -> dict[str, artifact.Entry]:
    return {str(entry.path): entry for entry in package.entries}


def test_deb_fields(deb):
    file, package = deb
    assert package.format is Format.DEB
    assert (package.name, package.architecture) == ("demo", "all")
    assert package.version == Version(epoch=2, upstream="1.4.0~rc.1", revision="3~deb12")
    assert str(package.version) == "2:1.4.0~rc.1-3~deb12"
    for name, value in package.metadata.items():
        assert run("dpkg-deb", "-f", file, name).rstrip("\n") == value
    names = {line.partition(":")[0] for line in run("dpkg-deb", "-f", file).splitlines()}
    names = {name for name in names if name and not name.startswith(" ")}
    assert set(package.metadata) | set(package.relations) == names
    assert list(package.metadata)[:2] == ["Package", "Version"]


def test_deb_relations(deb):
    _, package = deb
    assert package.relations == {
        "Pre-Depends": ("dpkg (>= 1.19)",),
        "Depends": ("libc6 (>= 2.36)", "adduser | systemd-sysv"),
        "Recommends": ("ca-certificates",),
        "Provides": ("demo-api (= 1.4)",),
    }


def test_deb_scripts_and_control_files(deb):
    file, package = deb
    assert {name: script.text for name, script in package.scripts.items()} == (DPKG_SCRIPTS)
    assert package.scripts["postinst"].interpreter == "/bin/sh -e"
    for name, script in package.scripts.items():
        assert run("dpkg-deb", "-I", file, name) == script.text
    assert package.control_files == {"triggers": "activate-noawait ldconfig\n"}
    assert package.conffiles == ("/etc/demo.conf",)
    assert package.digests == ("md5sums",)


def test_deb_files_are_those_of_dpkg_deb(deb):
    file, package = deb
    expected = []
    for line in run("dpkg-deb", "-c", file).splitlines():
        kind_mode, owners, size, day, minute, path = line.split(None, 5)
        owner, group = owners.split("/")
        path = path.removeprefix(".")
        if " link to ./" in path:
            # tar says nothing of a hard link's size and calls it a kind of its own.
            path = path.replace(" link to ./", " link to /")
            kind_mode, size = "-" + kind_mode[1:], "5"
        if kind_mode[0] == "l":
            size = str(len(path.partition(" -> ")[2].encode()))
        expected.append([kind_mode, owner, group, size, day, minute, path])
    found = [line.split(None, 6) for line in listing(package.entries)]
    for row in found:
        row[6] = row[6].removesuffix(" [conffile]")
    assert found == expected


def test_deb_contents(deb, tmp_path):
    file, package = deb
    run("dpkg-deb", "-x", file, tmp_path)
    for entry in package.entries:
        path = tmp_path / str(entry.path)[1:]
        if entry.kind in (Kind.FILE, Kind.HARDLINK):
            data = path.read_bytes()
            assert entry.sha256 == hashlib.sha256(data).hexdigest()
            assert entry.size == len(data)
        else:
            assert entry.sha256 == ""
    linked = by_path(package)["/usr/lib/demo/b-linked"]
    assert (linked.kind, linked.target) == (Kind.HARDLINK, "/usr/lib/demo/a-linked")
    assert by_path(package)["/etc/demo.conf"].flags == ("conffile",)


def test_deb_sizes(deb):
    file, package = deb
    members = run("ar", "tv", file).splitlines()
    assert package.size == file.stat().st_size
    assert str(package.payload_size) == members[-1].split()[2]


def query(file: Path, text: str) -> str:
    return run("rpm", "-qp", "--nosignature", "--queryformat", text, file)


def test_rpm_tags(rpm):
    file, package = rpm
    assert package.format is Format.RPM
    assert (package.name, package.architecture) == ("demo", "noarch")
    assert package.version == Version(epoch=2, upstream="1.4.0~rc.1", revision="3.el9")
    for name in METADATA:
        said = query(file, f"%{{{name}}}")
        assert package.metadata.get(name, "") == said.replace("(none)", "")


def test_rpm_relations(rpm):
    file, package = rpm
    for kind in ("Requires", "Provides", "Conflicts", "Obsoletes", "Recommends"):
        said = set(run("rpm", "-qp", "--nosignature", f"--{kind.lower()}", file).splitlines())
        found = {
            item
            for name, items in package.relations.items()
            if name.partition("(")[0] == kind
            for item in items
        }
        assert found == said
    assert package.relations["Requires(pre)"] == ("shadow-utils",)
    assert package.relations["Requires(interp,preun)"] == ("/bin/bash",)
    assert "rpmlib(RichDependencies) <= 4.12.0-1" in package.relations["Requires(rpmlib)"]


def test_rpm_scripts(rpm):
    file, package = rpm
    for name, tag in {"%pre": "PREIN", "%post": "POSTIN", "%preun": "PREUN"}.items():
        assert package.scripts[name].text == query(file, f"%{{{tag}}}")
        assert package.scripts[name].interpreter == query(file, f"%{{{tag}PROG}}")
    assert package.scripts["%postun"] == artifact.Script(interpreter="/sbin/ldconfig", text="")
    assert package.scripts["%triggerin -- bash"].text.strip() == "echo trigger $1"
    assert package.scripts["%filetriggerin -- /usr/lib/demo"].text.strip() == "echo filetrigger"
    assert len(package.scripts) == 6


def test_rpm_changelog(rpm):
    _, package = rpm
    newest, oldest = package.changelog
    assert newest.version == "2:1.4.0~rc.1-3"
    assert newest.author == oldest.author == "Demo Team <demo@example.org>"
    assert newest.lines == ("- Second entry", "- of two lines")
    assert (oldest.version, oldest.time) == ("1.3.0-1", 1_699_963_200)


def test_rpm_files_are_those_of_rpm(rpm):
    file, package = rpm
    columns = (
        "FILENAMES FILEMODES:octal FILEUSERNAME FILEGROUPNAME FILESIZES FILEMTIMES"
        " FILEDIGESTS FILELINKTOS"
    )
    row = "\\t".join(f"%{{{column}}}" for column in columns.split())
    said = [line.split("\t") for line in query(file, f"[{row}\\n]").splitlines()]
    types = {
        Kind.FILE: 0o100000,
        Kind.HARDLINK: 0o100000,
        Kind.DIRECTORY: 0o040000,
        Kind.SYMLINK: 0o120000,
    }
    found = [
        [
            str(entry.path),
            f"{types[entry.kind] | entry.mode:o}",
            entry.owner,
            entry.group,
            str(entry.size),
            str(entry.time),
            entry.sha256,
            entry.target if entry.kind is Kind.SYMLINK else "",
        ]
        for entry in package.entries
    ]
    for line in said:
        line[1] = line[1].lstrip("0")
        if line[1].startswith("40"):
            line[4] = "0"
    assert found == said


def test_rpm_flags_and_links(rpm):
    file, package = rpm
    entries = by_path(package)
    assert entries["/etc/demo.conf"].flags == ("conffile", "noreplace")
    assert entries["/var/lib/demo/state"].flags == ("ghost",)
    assert entries["/usr/share/doc/demo/README"].flags == ("doc",)
    assert package.conffiles == ("/etc/demo.conf",)
    assert run("rpm", "-qpc", "--nosignature", file).split() == list(package.conffiles)
    linked = entries["/usr/lib/demo/b-linked"]
    assert (linked.kind, linked.target) == (Kind.HARDLINK, "/usr/lib/demo/a-linked")
    assert linked.sha256 == hashlib.sha256(b"hard\n").hexdigest()


def test_rpm_digests(rpm):
    file, package = rpm
    assert package.digests == (
        "header SHA1",
        "header SHA256",
        "header and payload MD5",
        "payload SHA256",
        "unpacked payload SHA256",
    )
    assert package.signatures == ()
    assert package.size == file.stat().st_size


def test_version_without_revision(tmp_path):
    control = (
        "Package: native\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: x\n"
    )
    package = artifact.read(by_dpkg_deb(tmp_path, "gzip", control))
    assert package.version == Version(upstream="1.0", revision="")
    assert str(package.version) == "1.0"


LARGE = 512 << 20
# Its own high-water mark: rusage would begin with the size of the process that forked it.
READ = """
import pathlib, re, sys
from pkgrel import artifact
artifact.read(pathlib.Path(sys.argv[1]))
print(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_memory_does_not_grow_with_the_package(tmp_path, compression):
    need("dpkg-deb")
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(CONTROL)
    with (root / "large").open("wb") as file:
        # No bomb: a sixtieth of it does not become smaller.
        for offset in range(0, LARGE, 1 << 20):
            file.seek(offset)
            file.write(random.Random(offset).randbytes(1 << 14))
        file.truncate(LARGE)
    package = tmp_path / "large.deb"
    run("dpkg-deb", f"-Z{compression}", "-z1", "-b", root, package)
    command = [sys.executable, "-c", READ, package]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100 << 10
    (entry,) = [e for e in artifact.read(package).entries if e.kind is Kind.FILE]
    assert entry.size == LARGE


def test_owners_that_are_numbers(tmp_path):
    """A tar without names: dpkg takes the numbers."""
    from tests.test_artifact_hostile import made_deb, tar

    member = tarfile.TarInfo("./x")
    member.uid, member.gid = 123, 456
    package = artifact.read(made_deb(tmp_path, data=tar((member, b""))))
    assert (package.entries[0].owner, package.entries[0].group) == ("123", "456")


def test_hash_of_the_file(deb, rpm):
    for file, package in (deb, rpm):
        said = run("sha256sum", file).split()[0]
        assert package.sha256 == said
    # Nothing of a .deb is left alone by a signature.
    assert deb[1].content_sha256 == deb[1].sha256 != rpm[1].content_sha256


def test_an_rpm_that_is_not_unpacked_says_the_same(rpm, tmp_path):
    file, package = rpm
    quick = artifact.read(file, unpack=False)
    for field in dataclasses.fields(Artifact):
        if field.name not in ("digests", "header"):
            assert getattr(quick, field.name) == getattr(package, field.name), field.name
    assert quick.digests == package.digests[:-1]
    damaged = bytearray(file.read_bytes())
    damaged[-100] ^= 1
    (tmp_path / "damaged.rpm").write_bytes(damaged)
    with pytest.raises(PackageError, match=r"damaged: its .* is"):
        artifact.read(tmp_path / "damaged.rpm", unpack=False)


CHANGELOG = """\
demo (2:1.4.0~rc.1-3~deb12) bookworm; urgency=medium

  * Second entry
    of two lines

  * Another.

 -- Demo Team <demo@example.org>  Wed, 15 Nov 2023 12:00:00 +0000

demo (1.3.0-1) bookworm; urgency=medium

  * First entry

 -- Demo Team <demo@example.org>  Tue, 14 Nov 2023 14:00:00 +0200
"""


def with_changelog(folder: Path, name: str, text: bytes) -> Artifact:
    from tests.test_artifact_hostile import CONTROL, made_deb, tar

    control = tar(("./control", CONTROL))
    data = tar((f"./usr/share/doc/x/{name}", gzip.compress(text)))
    return artifact.read(made_deb(folder, control=control, data=data))


@pytest.mark.parametrize("name", ["changelog.Debian.gz", "changelog.gz"])
def test_deb_changelog(tmp_path, name):
    newest, oldest = with_changelog(tmp_path, name, CHANGELOG.encode()).changelog
    assert newest.version == "2:1.4.0~rc.1-3~deb12"
    assert newest.author == oldest.author == "Demo Team <demo@example.org>"
    assert newest.lines == ("* Second entry", "  of two lines", "", "* Another.")
    assert (newest.time, oldest.time) == (1_700_049_600, 1_699_963_200)
    parsed = run("dpkg-parsechangelog", "-l", written(tmp_path, CHANGELOG), "-S", "Version")
    assert parsed.strip() == newest.version


def written(folder: Path, text: str) -> Path:
    file = folder / "changelog"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"Version 1.0\n  * not Debian's\n",
        b"demo (1) x; urgency=low\n  * never ends\n",
        bytes(100 << 20),
        b"\xff\xfe",
    ],
)
def test_a_changelog_that_says_nothing(tmp_path, text):
    assert with_changelog(tmp_path, "changelog.gz", text).changelog == ()


def test_names_of_fields_in_any_case(tmp_path):
    control = (
        "package: demo\nVERSION: 1\narchitecture: all\nMaintainer: A <a@b.c>\nDescription: x\n"
    )
    from tests.test_artifact_hostile import made_deb, tar

    package = artifact.read(made_deb(tmp_path, control=tar(("./control", control.encode()))))
    assert list(package.control)[:3] == ["Package", "Version", "Architecture"]
