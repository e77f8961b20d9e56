"""The .rpm writer: what rpm and its friends make of its packages, and what rpmbuild would write."""

import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
import rpm_rs
import rpmfile
from hypothesis import given
from hypothesis import strategies as st

from pkgrel import artifact, config, distro, plan, release
from pkgrel.content import Inline, Slice
from pkgrel.errors import PackageError
from pkgrel.formats import rpm
from pkgrel.formats.payload import Payloads
from pkgrel.package import (
    Compression,
    Directory,
    Entry,
    File,
    HardLink,
    MaintainerScripts,
    Package,
    Relation,
    Relations,
    Symlink,
    Version,
)
from tests import rpm_decoder
from tests.conftest import skip_unless
from tests.packages import (
    EPOCH,
    EXTRA,
    ROOT,
    TREE,
    bare,
    file,
    in_order,
    link,
    sample,
    saved,
    shared,
    written,
)
from tests.tools import need, run
from tests.unpacked import on_disk, planned

COMPRESSIONS = list(Compression)
DEMO = sample("rpm")
BARE = bare("rpm")
TOOLS = ("rpm", "rpmbuild", "rpm2cpio", "rpm2archive", "cpio", "createrepo_c")
ALL_DIGESTS = [
    "Header SHA256 digest: OK",
    "Header SHA1 digest: OK",
    "Payload SHA256 digest: OK",
    "MD5 digest: OK",
]


@pytest.fixture(autouse=True, scope="module")
def _tools() -> None:
    need(*TOOLS)


def decoded(package: Package) -> rpm_decoder.Package:
    return rpm_decoder.package(written(package))


def install(package: Path, root: Path, *options: str) -> str:
    """Install into a root of its own without running anything there."""
    skip_unless(os.geteuid() == 0, "rpm --root needs root")
    # Debian's rpm asks whether it is really meant.
    debian = ["--force-debian"] if "--force-debian" in run("rpm", "--help") else []
    root.mkdir(exist_ok=True)
    flags = ["--root", root, "--dbpath", "/var/lib/rpm", *debian, "--nodeps", "--noscripts"]
    return run("rpm", "-i", *flags, *options, package)


def own(package: Package) -> dict[str, tuple[object, ...]]:
    """What installing it must bring, but for the system's directories."""
    system = {
        str(entry.path)
        for entry in package.entries
        if isinstance(entry, Directory) and entry.shared
    }
    return {name: what for name, what in planned(package).items() if name not in system}


def _regular(package: Package) -> dict[str, tuple[object, ...]]:
    return {name: what for name, what in own(package).items() if what[0] == "file"}


# What the tools say


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_rpm_finds_every_digest_right(tmp_path: Path, compression: Compression) -> None:
    said = run("rpm", "-Kv", saved(replace(DEMO, compression=compression), tmp_path))
    assert [line.strip() for line in said.splitlines()[1:]] == ALL_DIGESTS


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_rpm_installs_what_was_planned(tmp_path: Path, compression: Compression) -> None:
    package = replace(DEMO, compression=compression)
    root = tmp_path / "root"
    said = install(saved(package, tmp_path), root)
    assert said == ""
    wanted = own(package)
    assert on_disk(root, list(wanted)) == wanted
    present = {f"/{found.relative_to(root)}" for found in root.rglob("*")}
    assert {name for name in present if not name.startswith("/var")} == set(planned(package)) - {
        "/"
    }
    assert run("rpm", "--root", root, "--dbpath", "/var/lib/rpm", "-V", "--nodeps", "demo") == ""


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_rpm2cpio_and_cpio_unpack_what_was_planned(
    tmp_path: Path, compression: Compression
) -> None:
    package = replace(DEMO, compression=compression)
    archive = subprocess.run(
        ["rpm2cpio", saved(package, tmp_path)], capture_output=True, check=True
    ).stdout
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(
        ["cpio", "-idm", "--quiet", "--no-preserve-owner"], input=archive, cwd=root, check=True
    )
    wanted = own(package)
    assert on_disk(root, list(wanted)) == wanted


def test_rpm_shows_it(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    # Without the program that is another one on every machine.
    tree = tuple(entry for entry in TREE if entry.path.name != "elf")
    package = saved(replace(DEMO, tree=tree), tmp_path)
    queries = ["--info", "--requires", "--provides", "--conflicts", "--obsoletes", "--recommends",
               "--suggests", "--scripts", "--changelog", "--configfiles", "--docfiles",
               "--licensefiles", "--dump"]  # fmt: skip
    golden(
        "rpm/query",
        "\n".join(f"rpm -qp {query}\n{run('rpm', '-qp', query, package)}" for query in queries),
    )


def test_a_bare_package_installs(tmp_path: Path) -> None:
    package = saved(BARE, tmp_path)
    assert package.name == "demo-1-1.noarch.rpm"
    assert (
        run("rpm", "-qp", "--qf", "%{NEVRA} %{SIZE} %{URL}", package) == "demo-1-1.noarch 0 (none)"
    )
    assert run("rpm", "-qp", "--provides", package) == "demo = 1-1\n"
    assert run("rpm", "-qpl", package) == "(contains no files)\n"
    install(package, tmp_path / "root")


def test_createrepo_indexes_it(tmp_path: Path) -> None:
    saved(DEMO, tmp_path)
    run("createrepo_c", "--quiet", "--compatibility", tmp_path)
    texts = {
        kind: gzip.decompress(next((tmp_path / "repodata").glob(f"*-{kind}.xml.gz")).read_bytes())
        for kind in ("primary", "filelists", "other")
    }
    primary = texts["primary"].decode()
    assert '<version epoch="2" ver="1.4.0~rc.1" rel="3.el9"/>' in primary
    assert '<rpm:entry name="/bin/sh" pre="1"/>' in primary
    assert '<rpm:entry name="/usr/sbin/useradd" pre="1"/>' in primary
    assert "<rpm:sourcerpm>demo-1.4.0~rc.1-3.el9.src.rpm</rpm:sourcerpm>" in primary
    assert f'archive="{len(decoded(DEMO).archive)}"' in primary
    files = set(re.findall(r"<file(?: type=\"dir\")?>(.*?)</file>", texts["filelists"].decode()))
    assert files == set(own(DEMO))
    assert "- Second entry" in texts["other"].decode()


def test_rpmfile_reads_it(tmp_path: Path) -> None:
    # Of several libraries for zstd it knows one, which pkgrel does not need.
    with rpmfile.open(saved(replace(DEMO, compression=Compression.XZ), tmp_path)) as package:
        assert package.headers["name"] == b"demo"
        members = {member.name for member in package.getmembers()}
    directories = {name for name, what in own(DEMO).items() if what[0] == "directory"}
    assert members == {f".{name}" for name in set(own(DEMO)) - directories}


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_rpm_rs_reads_it(tmp_path: Path, compression: Compression) -> None:
    package = rpm_rs.Package.open(saved(replace(DEMO, compression=compression), tmp_path))
    digests = package.check_digests()
    # Its payload_sha256_alt is that of the compressed payload, so it finds rpmbuild's wrong too.
    assert digests.is_ok()
    assert digests.has_header_digest()
    assert digests.has_payload_digest()
    assert set(package.metadata.file_paths()) == set(own(DEMO))
    assert package.metadata.nevra().epoch == "2"
    files = {str(file.metadata.path): bytes(file.content or b"") for file in package.files()}
    for name, (_, _, content, names) in _regular(DEMO).items():
        # It does not follow hard links, whose content is with the last name.
        assert files[name] == (content if name == names[-1] else b"")


def test_pkgrel_reads_it(tmp_path: Path) -> None:
    read = artifact.read(saved(DEMO, tmp_path))
    assert {str(entry.path) for entry in read.entries} == set(own(DEMO))
    assert read.version == DEMO.version
    assert len(read.digests) == 5


# Tag by tag against rpmbuild

SPEC = """\
Name: demo
Epoch: 2
Version: 1.4.0~rc.1
Release: 3.el9
Summary: A demonstration
License: Apache-2.0
URL: https://example.org/demo
Vendor: Demo
Packager: Demo Team <demo@example.org>
Requires: systemd >= 239
Requires: (openssl-libs or libressl > 3)
Requires: libc.so.6(GLIBC_2.34)(64bit)
Requires(pre): /usr/sbin/useradd
Recommends: logrotate
Suggests: curl < 9
Conflicts: demo-old
Obsoletes: older-demo <= 0.9
Provides: user(demo)
Provides: demo-api = 1.4
%global __requires_exclude ^(lib|ld-|rtld).*
%description
With two paragraphs.

This is the second.
%pre
#!/bin/sh
echo pre $1
%post
echo post $1
%preun
echo preun $1
%postun
echo postun $1
%posttrans
echo posttrans $1
%files -f FILES
%changelog
* Wed Nov 15 2023 Demo Team <demo@example.org> - 2:1.4.0~rc.1-3
- Second entry
- of two lines

* Tue Nov 14 2023 Demo Team <demo@example.org> - 1.3.0-1
- First entry
"""
MACROS = {
    "_buildhost": "localhost",
    "_target_cpu": "x86_64",
    "_vendor": "redhat",
    "_target_os": "linux",
    "_target_platform": "x86_64-redhat-linux-gnu",
    "_binary_payload": "w4.zstdio",
    "_build_id_links": "none",
    "_docdir_fmt": "%%{NAME}",
    "use_source_date_epoch_as_buildtime": "1",
    "clamp_mtime_to_source_date_epoch": "1",
    "build_mtime_policy": "clamp_to_source_date_epoch",
    "__os_install_post": "%{nil}",
    "optflags": "-O2 -g",
}

EXPECTED_DIFFERENCES = {
    1064: "RPMVERSION: another program wrote it",
    1096: "FILEINODES: numbered in the payload's order, which is the tree's and then the rest",
    1141: "FILECLASS: file(1)'s words for each file; rpm shows them and decides nothing by them",
    1142: "CLASSDICT: as FILECLASS",
    5092: "PAYLOADSHA256: the payload has another order",
    5097: "PAYLOADSHA256ALT: the payload has another order",
}
EXPECTED_SIGNATURE_DIFFERENCES = {
    269: "SHA1 of another header",
    273: "SHA256 of another header",
    1000: "SIZE of another header and payload",
    1004: "MD5 of another header and payload",
}


@pytest.fixture(scope="module")
def by_rpmbuild(tmp_path_factory: pytest.TempPathFactory) -> rpm_decoder.Package:
    """The package DEMO by rpmbuild."""
    folder = tmp_path_factory.mktemp("rpmbuild")
    lines = []
    for entry in DEMO.entries:
        place = folder / f"root{entry.path}"
        match entry:
            case Directory():
                place.mkdir(mode=entry.mode, parents=True, exist_ok=True)
                if not entry.shared:
                    lines.append(f'%dir %attr({entry.mode:o}, root, root) "{entry.path}"')
            case File():
                place.write_bytes(entry.content.data)
                words = "%config(noreplace) " * entry.conffile + "%doc " * entry.doc
                words += "%license " * entry.license
                lines.append(f'{words}%attr({entry.mode:o}, root, root) "{entry.path}"')
            case Symlink():
                place.symlink_to(entry.target)
                lines.append(f'"{entry.path}"')
            case HardLink():
                place.hardlink_to(f"{folder}/root{entry.target}")
                mode = next(file.mode for file in DEMO.entries if file.path == entry.target)
                lines.append(f'%attr({mode:o}, root, root) "{entry.path}"')
    (folder / "FILES").write_text("\n".join(lines) + "\n")
    spec = folder / "demo.spec"
    spec.write_text(SPEC.replace("FILES", str(folder / "FILES")))
    # rpmbuild clears the root before it packs.
    install = f"cp -a {folder}/root/. %{{buildroot}}"
    spec.write_text(spec.read_text().replace("%files", f"%install\n{install}\n%files"))
    macros = MACROS | {"_topdir": str(folder / "top")}
    defines = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
    run("rpmbuild", "-bb", "--quiet", *defines, spec, SOURCE_DATE_EPOCH=str(EPOCH))
    (made,) = (folder / "top/RPMS").glob("*/*.rpm")
    assert made.name == rpm.file_name(DEMO)
    return rpm_decoder.package(made.read_bytes())


def test_the_header_is_rpmbuilds(by_rpmbuild: rpm_decoder.Package) -> None:
    ours = decoded(DEMO).main
    theirs = by_rpmbuild.main
    different = {
        tag: (ours.get(tag), theirs.get(tag))
        for tag in ours | theirs
        if ours.get(tag) != theirs.get(tag) and tag not in EXPECTED_DIFFERENCES
    }
    assert different == {}
    assert [tag for tag in EXPECTED_DIFFERENCES if ours.get(tag) == theirs.get(tag)] == []


def test_the_lead_and_the_signature_header_are_rpmbuilds(by_rpmbuild: rpm_decoder.Package) -> None:
    ours = decoded(DEMO)
    assert ours.lead == by_rpmbuild.lead
    assert list(ours.signature) == list(by_rpmbuild.signature)
    for tag, values in ours.signature.items():
        if tag not in EXPECTED_SIGNATURE_DIFFERENCES:
            assert values == by_rpmbuild.signature[tag], tag


def test_hard_links_are_rpmbuilds(by_rpmbuild: rpm_decoder.Package) -> None:
    def sets(package: rpm_decoder.Package) -> set[frozenset[str]]:
        found: dict[int, list[str]] = {}
        for name, inode in zip(package.paths, package[1096], strict=True):
            found.setdefault(inode, []).append(name)
        return {frozenset(names) for names in found.values()}

    assert sets(decoded(DEMO)) == sets(by_rpmbuild)


def test_the_payload_has_rpmbuilds_members(by_rpmbuild: rpm_decoder.Package) -> None:
    def members(package: rpm_decoder.Package) -> dict[str, tuple[object, ...]]:
        return {
            member.name: (member.mode, member.links, member.mtime, member.content)
            for member in rpm_decoder.members(package.archive)
        }

    assert members(decoded(DEMO)) == members(by_rpmbuild)


# What the readers of headers rely on


def test_the_digests_are_of_what_they_say() -> None:
    package = decoded(DEMO)
    assert package.signature[1000][1] == [len(package.main_bytes) + len(package.packed)]
    assert package.signature[1007][1] == [len(package.archive)]
    assert list(package.signature)[-1] == 1008
    assert package[5092] == [hashlib.sha256(package.packed).hexdigest()]
    assert package[5097] == [hashlib.sha256(package.archive).hexdigest()]
    assert package.signature[273][1] == [hashlib.sha256(package.main_bytes).hexdigest()]


def test_inodes_of_header_and_payload_agree() -> None:
    package = decoded(DEMO)
    header = dict(zip(package.paths, package[1096], strict=True))
    payload = {m.name[1:]: m.inode for m in rpm_decoder.members(package.archive)}
    assert payload == header


def test_a_set_of_hard_links_is_in_one_piece_with_its_content_last() -> None:
    members = list(rpm_decoder.members(decoded(DEMO).archive))
    inodes = [member.inode for member in members]
    for inode in set(inodes):
        first, count = inodes.index(inode), inodes.count(inode)
        names = members[first : first + count]
        assert {member.inode for member in names} == {inode}
        assert {member.links for member in names} == {count}
        assert [member.name for member in names] == sorted(member.name for member in names)
        assert all(member.content == b"" for member in names[:-1])


def test_files_are_sorted_by_the_bytes_of_the_whole_path() -> None:
    names = [name.encode() for name in decoded(DEMO).paths]
    assert names == sorted(names)
    assert b"/usr/lib/demo/lib-a" < b"/usr/lib/demo/lib/a"


def test_colours_tell_32_from_64_bits() -> None:
    extra = in_order(
        file("/a", b"\x7fELF\x01"), file("/b", b"\x7fELF\x02more"), file("/c", b"\x7fELF"), file("/d", b"")
    )  # fmt: skip
    assert decoded(replace(BARE, extra=extra))[1140] == [1, 2, 0, 0]


@pytest.mark.parametrize(
    ("architecture", "name", "isa", "platform"),
    [
        ("x86_64", "x86_64", "(x86-64)", "x86_64-redhat-linux-gnu"),
        ("aarch64", "aarch64", "(aarch-64)", "aarch64-redhat-linux-gnu"),
        ("armv7l", "armv7hl", "(armv7hl-32)", "armv7hl-redhat-linux-gnueabi"),
        ("i686", "i686", "(x86-32)", "i686-redhat-linux-gnu"),
        ("ppc64le", "ppc64le", "(ppc-64)", "ppc64le-redhat-linux-gnu"),
        ("s390x", "s390x", "(s390-64)", "s390x-redhat-linux-gnu"),
        ("riscv64", "riscv64", "(riscv-64)", "riscv64-redhat-linux-gnu"),
        ("noarch", "noarch", "", "noarch-redhat-linux-gnu"),
    ],
)
def test_architectures(architecture: str, name: str, isa: str, platform: str) -> None:
    package = replace(BARE, architecture=architecture)
    assert rpm.file_name(package) == f"demo-1-1.{name}.rpm"
    header = decoded(package)
    assert (header[1022], header[1132]) == ([name], [platform])
    assert header[1047] == ["demo", f"demo{isa}"] if isa else ["demo"]
    if isa:
        assert run("rpm", "--target", name, "--eval", "%{?_isa}").strip() == isa


def test_features_are_required_only_where_they_are_used() -> None:
    def features(**changes: object) -> set[str]:
        package = decoded(replace(BARE, **{"compression": Compression.GZIP, **changes}))
        return {name[7:-1] for name in package[1049] if name.startswith("rpmlib(")}

    always = {"CompressedFileNames", "FileDigests", "PayloadFilesHavePrefix"}
    caret = Relations(conflicts=(Relation(name="a", operator="<", version="1^git"),))
    rich = Relations(recommends=(Relation(name="a", alternatives=(Relation(name="b"),)),))
    links = (file("/a"), link("/b", "/a"))
    assert features() == always
    assert features(compression=Compression.XZ) == always | {"PayloadIsXz"}
    assert features(compression=Compression.ZSTD) == always | {"PayloadIsZstd"}
    assert features(extra=links) == always | {"PartialHardlinkSets"}
    assert features(relations=rich) == always | {"RichDependencies"}
    assert features(relations=caret) == always | {"CaretInVersions"}
    assert features(version=Version(upstream="1~rc", revision="1")) == always | {"TildeInVersions"}


def test_only_scripts_that_are_there_need_a_shell() -> None:
    scripts = MaintainerScripts(after_install="true\n\n", before_remove="\n")
    package = decoded(replace(BARE, scripts=scripts))
    shells = [
        flags for name, flags in zip(package[1049], package[1048], strict=True) if name == "/bin/sh"
    ]
    assert shells == [1 << 8 | 1 << 10]
    assert package[1024] == ["true"]
    assert not {1023, 1025, 1026, 1085, 1087, 1088, 1152, 1154} & set(package.main)


def test_long_lines_of_a_description_are_wrapped() -> None:
    package = decoded(replace(BARE, description="word " * 40 + "\n\nshort"))
    lines = package[1005][0].splitlines()
    assert max(map(len, lines)) < 80
    assert lines[-2:] == ["", "short"]


# Trees that packages share


def test_packages_of_one_tree_share_its_bytes_and_install_whole(tmp_path: Path) -> None:
    other = replace(
        DEMO,
        version=Version(upstream="1.4.0", revision="3.el10"),
        extra=(*shared("/aaa"), file("/aaa/first", b"sorts before the tree\n"), *EXTRA),
    )
    with Payloads() as payloads:
        for package in (DEMO, other):
            out = io.BytesIO()
            rpm.write(package, out, payloads)
            assert out.getvalue() == written(package)
            target = tmp_path / rpm.file_name(package)
            target.write_bytes(out.getvalue())
            root = tmp_path / package.version.revision
            install(target, root)
            assert on_disk(root, list(own(package))) == own(package)


@pytest.mark.parametrize("id", ["el7", "el9"])
def test_a_real_release_installs_whole(
    tmp_path: Path, hello_release: Callable[[str], Path], id: str
) -> None:
    document = config.load(_settings(tmp_path))
    with release.read(hello_release("1.0.0")) as read, Payloads() as payloads:
        (package,) = plan.packages(read, document, distro.select((id,)), plan.Options())
        target = tmp_path / rpm.file_name(package)
        with target.open("wb") as out:
            rpm.write(package, out, payloads)
        run("rpm", "-K", target)
        root = tmp_path / "root"
        install(target, root)
        regular = {entry.path: entry for entry in package.entries if isinstance(entry, File)}
        for name, entry in regular.items():
            place = Path(f"{root}{name}")
            assert hashlib.sha256(place.read_bytes()).hexdigest() == entry.content.sha256
            assert place.stat().st_mode & 0o7777 == entry.mode
    assert len(regular) > 500


def _settings(folder: Path) -> Path:
    settings = folder / "pkgrel.toml"
    settings.write_text('[package]\nmaintainer = "Demo Team <demo@example.org>"\nlicense = "MIT"\n')
    return settings


# The same bytes anywhere

WRITE = """
import hashlib, os, time
os.umask(int(os.environ["UMASK"], 8))
time.tzset()
from tests.packages import sample, written
print(hashlib.sha256(written(sample("rpm"))).hexdigest())
"""


def test_the_bytes_depend_on_nothing_else() -> None:
    surroundings = [
        {"TZ": "UTC", "UMASK": "022", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"},
        {"TZ": "Asia/Tokyo", "UMASK": "077", "LC_ALL": "C", "PYTHONHASHSEED": "2", "USER": "me"},
    ]
    seen = {run(sys.executable, "-c", WRITE, **variables) for variables in surroundings}
    assert len(seen) == 1


# Files of 4 GiB and more

LARGE = """
import hashlib, sys
from pathlib import Path, PurePosixPath
from pkgrel.content import Slice
from pkgrel.formats import rpm
from pkgrel.formats.payload import Payloads
from pkgrel.package import File
from tests.packages import TREE, in_order, link, sample

source, target, size, sha256 = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
large = File(path=PurePosixPath("/usr/lib/demo/large"), content=Slice(source, 0, size, sha256))
tree = in_order(*TREE, large, link("/usr/lib/demo/larger", "/usr/lib/demo/large"))
with Payloads() as payloads, target.open("wb") as out:
    rpm.write(sample("rpm", tree=tree, level=1), out, payloads)
# Not ru_maxrss, which begins with that of the process that started this one.
status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
print(status["VmHWM"].split()[0])
"""


LARGE_SIZE = (4 << 30) + 5
LARGE_SHA256 = "709fc0b74f7c916cedccb212d681c035f36ffbb31ebfe806eb40c31592744eb5"
"""Of so many zeros."""


def test_a_file_of_more_than_4_gib(tmp_path: Path) -> None:
    source, target = tmp_path / "sparse", tmp_path / "large.rpm"
    with source.open("wb") as sparse:
        sparse.truncate(LARGE_SIZE)
    kib = run(sys.executable, "-c", LARGE, source, target, str(LARGE_SIZE), LARGE_SHA256)
    assert int(kib) < 100 * 1024

    package = rpm_decoder.package(target.read_bytes())
    row = package.paths.index("/usr/lib/demo/large")
    assert package[5008][row] == LARGE_SIZE
    assert package[5009][0] > LARGE_SIZE
    assert not {1009, 1028} & set(package.main)
    assert package.signature[271][1][0] > LARGE_SIZE
    assert package.signature[270][1] == [len(package.main_bytes) + len(package.packed)]
    assert not {1000, 1007} & set(package.signature)
    assert "rpmlib(LargeFiles)" in package[1049]
    assert run("rpm", "-qp", "--qf", "%{LONGSIZE}", target) == str(package[5009][0])
    # As rpm unpacks it, but without 4 GiB on the disk; of so many zeros the number says enough.
    assert _unpacked(target) == {
        name: names[0] if name != names[0] else hashlib.sha256(content).hexdigest()
        for name, (_, _, content, names) in _regular(DEMO).items()
    } | {"/usr/lib/demo/large": LARGE_SIZE, "/usr/lib/demo/larger": "/usr/lib/demo/large"}


def _unpacked(package: Path) -> dict[str, str | int]:
    """Digest of each file, the first name of each hard link, the size of what is large, as rpm2archive gives them."""
    found: dict[str, str | int] = {}
    with (
        package.open("rb") as source,
        subprocess.Popen(
            ["rpm2archive", "-n", "-"], stdin=source, stdout=subprocess.PIPE
        ) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        for member in archive:
            if member.islnk():
                found[member.name[1:]] = member.linkname[1:]
            elif member.size > 1 << 30:
                found[member.name[1:]] = member.size
            elif member.isfile():
                content = archive.extractfile(member).read()
                found[member.name[1:]] = hashlib.sha256(content).hexdigest()
    assert process.returncode == 0
    return found


# What cannot be written


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "vax"}, "no package format knows the architecture `vax`"),
        ({"name": ""}, "Name of an rpm must be one line, not ''"),
        ({"summary": "two\nlines"}, "Summary of an rpm must be one line, not 'two\\nlines'"),
        ({"license": ""}, "License of an rpm must be one line, not ''"),
        ({"version": Version(upstream="1-2", revision="1")}, "Version of an rpm cannot have a hyphen: `1-2`"),
        ({"version": Version(upstream="1", revision="1-1")}, "Release of an rpm cannot have a hyphen: `1-1`"),
        ({"description": "a\0b"}, "DESCRIPTION of an rpm cannot hold a null character"),
        ({"build_time": -1}, "BUILDTIME of an rpm cannot hold such a number: "),
        ({"extra": (link("/b", "/a"),)}, "/a: a hard link's target is not in the package"),
        ({"tree": TREE, "extra": (link("/b", f"{ROOT}/first"),)}, f"{ROOT}/first: a hard link's target is not in"),
        ({"extra": (file("/a\nb"),)}, "'/a\\nb': neither dpkg nor rpm can install a name with a line break"),
        ({"extra": (file("/a\udce9"),)}, "BASENAMES of an rpm must be UTF-8, which b'\\xe9' is not"),
        ({"extra": (file("/a", mode=0o200000),)}, "FILEMODES of an rpm cannot hold such a number: "),
        ({"relations": Relations(provides=(Relation(name="a", alternatives=(Relation(name="b"),)),))},
         "rpm allows no alternatives in Provides: (a or b)"),
        ({"relations": Relations(replaces=(Relation(name="a", alternatives=(Relation(name="b"),)),))},
         "rpm allows no alternatives in Obsoletes: (a or b)"),
    ],
)  # fmt: skip
def test_what_an_rpm_cannot_say(changes: dict[str, object], message: str) -> None:
    with pytest.raises(PackageError) as error:
        written(replace(BARE, **changes))
    assert str(error.value).startswith(message)


def test_a_file_that_became_shorter_is_noticed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"short")
    content = Slice(source, 0, 500, hashlib.sha256(bytes(500)).hexdigest())
    with pytest.raises(PackageError, match="became shorter"):
        written(replace(BARE, extra=(File(path=PurePosixPath("/a"), content=content),)))


def test_an_empty_inline_file_has_the_digest_of_nothing() -> None:
    package = decoded(replace(BARE, extra=(File(path=PurePosixPath("/a"), content=Inline(b"")),)))
    assert package[1035] == [hashlib.sha256(b"").hexdigest()]


# Any package at all

contents = st.binary(max_size=9)
letters = st.text("ab-ü", min_size=1, max_size=3)


@st.composite
def packages(draw: st.DrawFn) -> Package:
    """Trees with hard links, shared directories and a few names that sort in odd ways."""
    parts = []
    for root in ("/t", "/u"):
        names = sorted(draw(st.sets(letters, max_size=8)), key=str.encode)
        entries: list[Entry] = [Directory(path=PurePosixPath(root), shared=draw(st.booleans()))]
        files: list[str] = []
        for name in names:
            place = f"{root}/{name}"
            kind = draw(st.sampled_from(["file", "link", "symlink", "directory", "shared"]))
            if kind == "file" or (kind == "link" and not files):
                entries.append(file(place, draw(contents), conffile=draw(st.booleans())))
                files.append(place)
            elif kind == "link":
                entries.append(link(place, draw(st.sampled_from(files))))
            elif kind == "symlink":
                entries.append(Symlink(path=PurePosixPath(place), target=draw(letters)))
            else:
                entries.append(Directory(path=PurePosixPath(place), shared=kind == "shared"))
        parts.append(tuple(entries))
    return replace(BARE, tree=parts[1], extra=parts[0], compression=Compression.GZIP)


@given(packages())
def test_header_and_payload_say_what_was_planned(package: Package) -> None:
    made = decoded(package)
    wanted = own(package)
    if not wanted:
        assert list(rpm_decoder.members(made.archive)) == []
        return
    assert made.paths == sorted(wanted, key=str.encode)
    inodes = dict(zip(made.paths, made[1096], strict=True))
    digests = dict(zip(made.paths, made[1035], strict=True))
    members = {member.name[1:]: member for member in rpm_decoder.members(made.archive)}
    assert members.keys() == wanted.keys()
    for name, what in wanted.items():
        member = members[name]
        assert member.inode == inodes[name]
        match what:
            case ("file", mode, content, names):
                assert member.mode == 0o100000 | mode
                assert member.content == (content if name == names[-1] else b"")
                assert digests[name] == hashlib.sha256(content).hexdigest()
                assert [other for other in inodes if inodes[other] == inodes[name]] == names
            case ("symlink", target):
                assert member.content == target.encode()
            case ("directory", mode):
                assert member.mode == 0o040000 | mode
    files = [what[2] for name, what in _regular(package).items() if name == what[3][0]]
    targets = [what[1].encode() for what in wanted.values() if what[0] == "symlink"]
    assert made[1009] == [sum(map(len, files + targets))]
