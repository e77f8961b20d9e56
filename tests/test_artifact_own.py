"""What pkgrel writes, read by what shares no code with the writers: the plan comes back."""

from pathlib import PurePosixPath

import pytest

from pkgrel import artifact, config, distro, formats, plan, release
from pkgrel.artifact import Artifact, Kind
from pkgrel.content import Inline
from pkgrel.formats.payload import Payloads
from pkgrel.package import (
    Change,
    Compression,
    Directory,
    File,
    Format,
    HardLink,
    MaintainerScripts,
    Package,
    Relation,
    Relations,
    Symlink,
    Version,
)
from tests import tiny_release

TIME = 1_700_000_000


def path(text: str) -> PurePosixPath:
    return PurePosixPath(text)


TREE = (
    Directory(path=path("/usr"), shared=True),
    Directory(path=path("/usr/lib"), shared=True),
    Directory(path=path("/usr/lib/demo")),
    File(path=path("/usr/lib/demo/a"), content=Inline(b"hard\n")),
    HardLink(path=path("/usr/lib/demo/b"), target=path("/usr/lib/demo/a")),
    Symlink(path=path("/usr/lib/demo/current"), target="../demo/a"),
    File(path=path("/usr/lib/demo/empty"), content=Inline(b"")),
    File(path=path("/usr/lib/demo/large"), content=Inline(bytes(range(256)) * 9000)),
    File(path=path("/usr/lib/demo/" + "n" * 140), content=Inline(b"long\n")),
    File(path=path("/usr/lib/demo/with space ünïcode"), content=Inline(b"odd\n"), mode=0o4755),
)
EXTRA = (
    Directory(path=path("/etc"), shared=True),
    File(
        path=path("/etc/demo.conf"),
        content=Inline(b"port = 4000\n"),
        mode=0o640,
        group="demo",
        conffile=True,
    ),
    Directory(path=path("/var"), shared=True),
    Directory(path=path("/var/demo"), mode=0o700, owner="demo", group="demo"),
)


def package(format: Format, compression: Compression) -> Package:
    return Package(
        format=format,
        distro="debian12" if format is Format.DEB else "el9",
        name="demo",
        version=Version(epoch=3, upstream="1.4.0~rc.1", revision="2"),
        architecture="x86_64",
        summary="A demonstration",
        description="First paragraph.\n\nSecond paragraph.",
        maintainer="Demo Team <demo@example.org>",
        homepage="https://example.org/demo",
        license="Apache-2.0",
        tree=TREE,
        extra=EXTRA,
        relations=Relations(
            depends=(
                Relation(name="libssl3", operator=">=", version="3.0"),
                Relation(name="a", alternatives=(Relation(name="b"),)),
            )
        ),
        scripts=MaintainerScripts(
            before_install="#!/bin/sh\nset -e\n", after_remove="#!/bin/sh\nexit 0\n"
        ),
        changelog=(
            Change(version="1.4.0~rc.1-2", author="A B <a@b.c>", time=TIME, lines=("Better",)),
        ),
        build_time=TIME,
        compression=compression,
    )


@pytest.fixture(params=[(f, c) for f in Format for c in Compression], ids=lambda p: "-".join(p))
def read(request, tmp_path) -> Artifact:
    with Payloads() as payloads:
        file = formats.write_package(package(*request.param), tmp_path, payloads)
    found = artifact.read(file)
    assert (found.format, found.compression) == request.param
    return found


def assert_planned(found: Artifact, planned: Package) -> None:
    """Every entry of the plan is there with everything that was planned, and nothing else."""
    entries = {entry.path: entry for entry in found.entries}
    wanted = {
        entry.path: entry
        for entry in planned.entries
        # An .rpm leaves the directories of others to them.
        if not (found.format is Format.RPM and isinstance(entry, Directory) and entry.shared)
    }
    assert entries.keys() - {path("/")} == wanted.keys() - {path("/")}
    for at, entry in (item for item in wanted.items() if item[0] in entries):
        is_, be = entries[at], wanted[at]
        if isinstance(entry, HardLink):
            be = wanted[entry.target]
            assert (is_.kind, is_.target) == (Kind.HARDLINK, str(entry.target))
        assert (is_.owner, is_.group) == (be.owner, be.group)
        match be:
            case File():
                assert (is_.mode, is_.size, is_.sha256) == (
                    be.mode,
                    be.content.size,
                    be.content.sha256,
                )
                assert ("conffile" in is_.flags) == be.conffile
            case Symlink():
                assert (is_.kind, is_.target) == (Kind.SYMLINK, be.target)
            case Directory():
                assert (is_.kind, is_.mode) == (Kind.DIRECTORY, be.mode)


def test_files(read):
    assert_planned(read, package(read.format, Compression(read.compression)))
    assert {entry.time for entry in read.entries} == {TIME}
    assert read.conffiles == ("/etc/demo.conf",)


def test_metadata(read):
    deb = read.format is Format.DEB
    assert read.name == "demo"
    assert str(read.version) == "3:1.4.0~rc.1-2"
    assert read.architecture == ("amd64" if deb else "x86_64")
    depends = read.relations["Depends" if deb else "Requires"]
    assert ("libssl3 (>= 3.0)" if deb else "libssl3 >= 3.0") in depends
    assert ("a | b" if deb else "(a or b)") in depends
    before, after = ("preinst", "postrm") if deb else ("%pre", "%postun")
    assert "set -e" in read.scripts[before].text
    assert "exit 0" in read.scripts[after].text
    assert len(read.scripts) == 2


def test_changelog(read):
    if read.format is Format.DEB:
        assert read.changelog == ()  # a file of the package, when there is one
        return
    (change,) = read.changelog
    assert (change.author, change.time) == ("A B <a@b.c>", TIME)
    assert "Better" in change.lines[0]


def test_a_release_comes_back_for_every_distro(hello_release, tmp_path):
    """A small one for each of them, and a real one for the oldest and a new one of each format."""
    settings = tmp_path / "pkgrel.toml"
    settings.write_text('[package]\nmaintainer = "Demo Team <demo@example.org>"\n')
    small = tmp_path / "small.tar"
    small.write_bytes(tiny_release.tarball(tiny_release.files().values()))
    real = distro.select(["ubuntu18", "debian13", "el7", "fedora44"])
    for tarball, distros in (
        (small, tuple(distro.distros().values())),
        (hello_release("1.0.0"), real),
    ):
        with release.read(tarball) as read, Payloads() as payloads:
            for planned in plan.packages(read, config.load(settings), distros, plan.Options()):
                file = formats.write_package(planned, tmp_path, payloads)
                assert_planned(artifact.read(file), planned)
