"""Shared libraries and headers of Debian's archive: what is in the table, and what packages make of it."""

import random
import re
import subprocess
from pathlib import Path

import pytest

from pkgrel.compatibility import reasons
from pkgrel.distro import archive_contents, find, libraries
from pkgrel.errors import BuildError
from tests import builds
from tests.native_code import nif, release_with
from tests.tools import pkgrel

WX = "libwx_gtk3u_core-3.2.so.0"
WXES = {
    "debian12": "libwxgtk3.2-1",
    "debian13": "libwxgtk3.2-1t64",
    "debian14": "libwxgtk3.2-1t64",
    "ubuntu24": "libwxgtk3.2-1t64",
}


def test_the_table_says_how_old_it_is() -> None:
    assert re.fullmatch(r"\w{3}, \d+ \w{3} 20\d\d [\d:]+ UTC", archive_contents.date())


@pytest.mark.parametrize("distro", WXES)
def test_a_release_with_wx_is_packaged_with_what_brings_it(tmp_path: Path, distro: str) -> None:
    from pkgrel.plan.relations import library_relations

    with release_with(tmp_path, x__so=nif(tmp_path, (WX, ""))) as read:
        assert [reason for reason in reasons(read, find(distro), {}) if reason.library == WX] == []
        [relation] = [
            relation
            for relation in library_relations(read, find(distro), {})
            if relation.name.startswith("libwx")
        ]
    assert relation.name == WXES[distro]
    # Derivatives may have it under the name from before the transition to 64-bit time_t.
    old = [other.name for other in relation.alternatives]
    assert old == (["libwxgtk3.2-1"] if distro != "debian12" else [])


def test_a_suite_without_a_library_is_refused_with_what_it_has(tmp_path: Path) -> None:
    with release_with(tmp_path, x__so=nif(tmp_path, ("libavcodec.so.59", ""))) as read:
        [reason] = reasons(read, find("debian13"), {})
        assert not reasons(read, find("debian12"), {})
    assert reason.sentence.endswith("and Debian 13 has `libavcodec.so.61`")
    assert not reason.unknown


def test_of_a_suite_between_two_only_what_both_have_is_taken_for_granted() -> None:
    assert libraries.has(find("ubuntu22"), "libzmq.so.5")
    assert libraries.has(find("ubuntu22"), WX) is None  # bullseye has 3.0
    assert libraries.has(find("debian11"), WX) is False
    assert libraries.relation(find("ubuntu24"), WX) == "libwxgtk3.2-1t64 | libwxgtk3.2-1"


def test_a_library_of_one_machine_alone_is_that() -> None:
    twelve, soname = find("debian12"), "libmfx.so.1"  # Intel's
    assert libraries.relation(twelve, soname, "x86_64") == "libmfx1"
    assert libraries.has(twelve, soname, "aarch64") is False


def test_any_of_several_packages_will_do() -> None:
    relation = libraries.relation(find("debian13"), "libhs.so.5", "aarch64")
    assert relation == "libhyperscan5 | libvectorscan5"


def test_the_alternatives_of_blas_are_known() -> None:
    assert libraries.relation(find("debian12"), "libblas.so.3") == "libblas3"


def test_what_is_installed_here_is_in_it() -> None:
    """Owners of the libraries of this machine, as dpkg says them."""
    if "VERSION_CODENAME=bookworm" not in Path("/etc/os-release").read_text():
        pytest.skip("no machine of Debian 12")
    folder = "/usr/lib/x86_64-linux-gnu"
    said = subprocess.run(
        ["dpkg-query", "--search", f"{folder}/lib*.so.*"], capture_output=True, text=True
    ).stdout
    found = re.findall(rf"^([^,: ]+)\S*: {folder}/(lib[^/\s]+\.so\.\d+)$", said, re.M)
    owners = {soname: package for package, soname in found}
    if len(owners) < 100:
        pytest.skip("too few libraries, or another machine")
    sample = random.Random(3).sample(sorted(owners), min(200, len(owners)))
    wrong = {
        name: owners[name]
        for name in sample
        if owners[name] not in libraries.relation(find("debian12"), name).split(" | ")
    }
    assert len(wrong) < 8, wrong  # of other repositories


@pytest.mark.parametrize(
    ("file", "package"),
    [
        ("sodium.h", "libsodium-dev"),
        ("libpq-fe.h", "libpq-dev"),
        ("curl/curl.h", "libcurl4-openssl-dev"),
        ("libxml/parser.h", "libxml2-dev"),
        ("rocksdb/c.h", "librocksdb-dev"),
        ("libpq.so", "libpq-dev"),
        ("nobody-has-this.h", None),
    ],
)
def test_the_package_of_a_header_is_known(file: str, package: str | None) -> None:
    found = archive_contents.development(file)
    assert package in found if package else not found


@pytest.mark.parametrize(
    ("where", "printed", "reason", "hint"),
    [
        (
            "debian12",
            "c_src/a.c:1:10: fatal error: libpq-fe.h: No such file or directory",
            "a header of C, `libpq-fe.h`, is missing",
            "name `libpq-dev` in `packages` of [build]",
        ),
        (
            "ubuntu24",
            "c_src/a.c:1:10: fatal error: 'sodium.h' file not found",
            "`sodium.h`",
            "`libsodium-dev`",
        ),
        (
            "debian12",
            "/usr/bin/ld: cannot find -lsodium: No such file or directory",
            "a library of C, `libsodium.so`, is missing",
            "`libsodium-dev`",
        ),
        (
            "el9",
            "a.c:1:10: fatal error: sodium.h: No such file or directory",
            "`sodium.h`",
            "`dnf provides '*/sodium.h'` on Enterprise Linux 9 knows it; Debian's is `libsodium-dev`",
        ),
        (
            "host",
            "a.c:1:10: fatal error: sodium.h: No such file or directory",
            "`sodium.h`",
            "install the package that has it, on Debian `libsodium-dev`",
        ),
        (
            "debian12",
            "a.c:1:10: fatal error: our_own.h: No such file or directory",
            "`our_own.h`",
            "name the package that has it",
        ),
    ],
)
def test_a_failed_compilation_is_told_what_to_install(
    where: str, printed: str, reason: str, hint: str
) -> None:
    error = _failure(where, printed)
    assert reason in str(error).splitlines()[0]
    assert hint in str(error.hint)


def _failure(where: str, printed: str) -> BuildError:
    from pkgrel.builder import failures, log

    with log.opened("hello") as kept:
        kept.step("mix compile")
        kept.write(printed.encode() + b"\n")
        return failures.failed(where, "mix compile", kept, 1)


def test_windows_of_developers_are_said_with_the_line_that_leaves_them_out(tmp_path: Path) -> None:
    from tests import tiny_release

    members = [tiny_release.file("lib/wx-2.4/ebin/wx.app", b"{application, wx, []}.")]
    tarball = tmp_path / "a.tar"
    tarball.write_bytes(tiny_release.tarball([*tiny_release.files().values(), *members]))
    builds.write(tmp_path, {"pkgrel.toml": builds.MAINTAINER})
    done = pkgrel("build", "a.tar", "--distro", "debian12", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "`lib/wx-2.4` is a tool with windows for developers" in done.stderr
    assert "extra_applications: [:logger] ++ if(Mix.env() == :prod" in done.stderr
