"""Relations to libraries, held against what rpm's own generator finds in the same files."""

import re
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pkgrel import release
from pkgrel.distro import distros, find
from pkgrel.errors import ConfigError, PlanError
from pkgrel.formats import package_format
from pkgrel.package import Format, Relation
from pkgrel.plan.relations import library_relations, parse_relation
from pkgrel.release.model import NativeFile, Release, Role
from tests.conftest import skip_unless

ELFDEPS = Path("/usr/lib/rpm/elfdeps")

# Every glibc since 2.5 provides it, so it would say nothing.
TRIVIAL = {"rtld(GNU_HASH)"}
# The ncurses of EL and Fedora has no symbol versions: elfdeps asks for those of the machine that the
# release was built on, and dnf would find nobody to provide them.
NOT_ON_FEDORA = re.compile(r"lib(tinfo|ncursesw?)\.so\.6\(NCURSES.+\)\(64bit\)")


@pytest.fixture(scope="module", params=["hello", "relx"])
def tarball(request: pytest.FixtureRequest) -> Path:
    if request.param == "hello":
        return request.getfixturevalue("hello_release")("1.0.0")
    return request.getfixturevalue("relx_release")


def names(relations: object) -> set[str]:
    return {relation.name for relation in relations}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("distro", "versioned"), [("leap16", True), ("el10", False)])
def test_an_rpm_asks_for_what_elfdeps_finds(
    tarball: Path, tmp_path: Path, distro: str, versioned: bool
) -> None:
    skip_unless(ELFDEPS.is_file(), "rpm's elfdeps is missing")
    with tarfile.open(tarball) as archive:
        archive.extractall(tmp_path, filter="data")
    with release.read(tarball) as read:
        ours = names(library_relations(read, find(distro), {}))
        files = "".join(f"{tmp_path}/{file.path}\n" for file in read.native)
    done = subprocess.run(
        [ELFDEPS, "--requires"], input=files, capture_output=True, text=True, check=True
    )
    theirs = set(done.stdout.split())
    unversioned = {name for name in theirs if NOT_ON_FEDORA.fullmatch(name)}
    assert unversioned
    assert theirs - ours == TRIVIAL | (set() if versioned else unversioned)
    assert ours <= theirs


@pytest.mark.parametrize(
    ("format", "text"),
    [
        (Format.RPM, "a >= 1:1:1"),
        (Format.RPM, "a | b (= 1-1-1)"),
        (Format.RPM, "a < -1"),
        (Format.DEB, "a (>= v1)"),
        (Format.DEB, "a (>= 1.0-)"),
        (Format.DEB, "a (= x:1)"),
    ],
)
def test_what_a_repository_would_refuse_is_not_built(format: Format, text: str) -> None:
    with pytest.raises(ConfigError, match="version"):
        package_format(format).refuse_relation(parse_relation(text))


@pytest.mark.parametrize("text", ["a", "a (>= 1:2.0~rc1-3)", "a | b (<= 0)", "a (= 2+git)"])
@pytest.mark.parametrize("format", list(Format))
def test_what_it_takes_is(format: Format, text: str) -> None:
    package_format(format).refuse_relation(
        parse_relation(text.replace("a", "abc").replace("b ", "bcd "))
    )


def test_a_deb_asks_for_the_packages_of_its_suite(hello_release: Callable[[str], Path]) -> None:
    with release.read(hello_release("1.0.0")) as read:
        bookworm = list(library_relations(read, find("debian12"), {}))
        trixie = list(library_relations(read, find("debian13"), {}))
    assert {"libc6", "libssl3", "libstdc++6", "libtinfo6", "zlib1g"} <= names(bookworm)
    [libc] = [relation for relation in bookworm if relation.name == "libc6"]
    assert (libc.operator, libc.version) == (">=", "2.34")
    enough = {"operator": ">=", "version": "3.0.0"}
    old = Relation(name="libssl3", **enough)
    assert Relation(name="libssl3t64", **enough, alternatives=(old,)) in trixie


@pytest.fixture
def with_library(hello_release: Callable[[str], Path]):
    """The hello release, which also has a NIF that needs this library."""
    from dataclasses import replace

    with release.read(hello_release("1.0.0")) as read:

        def _with(soname: str, **attributes: object) -> Release:
            nif = NativeFile("lib/x-1/priv/x.so", Role.NIF, read.architecture, 1, "", (soname,))
            return replace(read, native=(*read.native, nif), **attributes)

        yield _with


def test_an_unknown_library_is_an_error_with_two_ways_out(with_library) -> None:
    with pytest.raises(PlanError, match=r"`lib/x-1/priv/x.so` needs `libfoo.so.7`") as refused:
        list(library_relations(with_library("libfoo.so.7"), find("debian12"), {}))
    assert "libraries = {" in (refused.value.hint or "")
    assert "ship the library" in (refused.value.hint or "")


def test_a_library_that_only_another_suite_has_is_left_to_apt_to_refuse(with_library) -> None:
    read = with_library("libcrypto.so.1.1")
    assert "libssl1.1" in names(library_relations(read, find("debian13"), {}))


def test_the_user_s_package_wins(with_library) -> None:
    mapped = library_relations(
        with_library("libfoo.so.7"), find("debian12"), {"libfoo.so.7": "libfoo7"}
    )
    assert "libfoo7" in names(mapped)


def test_a_library_of_the_release_is_nobody_else_s(with_library) -> None:
    read = with_library("crypto.so")
    for name in ("debian12", "el9"):
        assert not [
            item
            for item in names(library_relations(read, find(name), {}))
            if item.startswith("crypto.so")
        ]


def test_the_image_s_word_counts_first(with_library) -> None:
    from dataclasses import replace

    from pkgrel.distro import Libraries

    versions = {("libtinfo.so.6", "NCURSES6_TINFO_5.0.19991023"): "1:6.1"}
    said = {
        "libfoo.so.7": "libfoo7 (>= 7.2~rc1) | libfoo7-alt, libbar1",
        "libc.so.6": "libc6 (>= 9)",
    }
    image = replace(find("ubuntu22"), libraries=Libraries(said, versions))
    found = {one.name: one for one in library_relations(with_library("libfoo.so.7"), image, {})}
    foo = found["libfoo7"]
    assert (foo.operator, foo.version) == (">=", "7.2~rc1")
    assert [other.name for other in foo.alternatives] == ["libfoo7-alt"]
    assert "libbar1" in found
    assert found["libtinfo6"].version == "1:6.1"
    assert found["libc6"].version == "2.34"  # what its symbols ask for, not what the image has


@pytest.mark.parametrize("distro", [row.id for row in distros().values() if row.format == "deb"])
def test_every_suite_has_what_every_program_needs(distro: str) -> None:
    from pkgrel.distro.libraries import relation

    for soname in ("libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1"):
        assert relation(find(distro), soname), soname
