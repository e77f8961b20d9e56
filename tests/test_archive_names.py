"""Names in the distros' archives: the table, its certainty, and the resulting errors and warnings."""

import random
import string
import subprocess
from pathlib import Path

import pytest

from pkgrel import distro
from pkgrel.distro import Format
from pkgrel.distro.names import archive_has
from tests import tiny_release
from tests.tools import pkgrel

DEBS = [row for row in distro.distros().values() if row.format is Format.DEB]


@pytest.mark.parametrize("name", ["hello", "nginx", "erlang-base", "libc6", "python3-requests"])
@pytest.mark.parametrize("row", DEBS, ids=lambda row: row.id)
def test_what_every_suite_has_is_known(row: distro.Distro, name: str) -> None:
    assert archive_has(row, name)[-1] == "sid"


def test_only_the_suites_that_a_host_may_have_count() -> None:
    eleven, thirteen = distro.find("debian11"), distro.find("debian13")
    assert archive_has(eleven, "libssl1.1") == ("bullseye",)
    assert archive_has(thirteen, "libssl1.1") == ()
    assert archive_has(None, "libssl1.1") == ("bullseye",)
    assert archive_has(distro.find("el9"), "hello") == ()  # nobody looked


def test_an_archive_that_is_here_is_in_it(tmp_path: Path) -> None:
    """All names that this machine's apt knows of the suite that it runs."""
    known = subprocess.run(["apt-cache", "pkgnames"], capture_output=True, text=True).stdout.split()
    release = Path("/etc/os-release").read_text()
    if len(known) < 10_000 or "VERSION_CODENAME=bookworm" not in release:
        pytest.skip("no apt of Debian 12 with its indices")
    sample = random.Random(1).sample(known, 2_000)
    missing = [name for name in sample if not archive_has(distro.find("debian12"), name)]
    # Other repositories of the machine, names that are only provided, and updates since.
    assert len(missing) < 20, missing


def test_a_free_name_is_seldom_taken_for_one_of_theirs() -> None:
    made = random.Random(2)
    names = {"".join(made.choices(string.ascii_lowercase, k=14)) for _ in range(10_000)}
    assert sum(bool(archive_has(None, name)) for name in names) <= 1


def build(folder: Path, settings: str, distro_id: str = "debian12") -> str:
    (folder / "a.tar").write_bytes(tiny_release.tarball(tiny_release.files().values()))
    (folder / "pkgrel.toml").write_text(
        f'[package]\nmaintainer = "Test <test@example.org>"\n{settings}'
    )
    done = pkgrel("build", "a.tar", "--distro", distro_id, folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_build_warns_with_a_name_to_take(tmp_path: Path) -> None:
    said = build(tmp_path, 'name = "hello"')
    assert "Debian has a package `hello` of its own (bookworm, trixie, forky, sid)" in said
    assert '`name = "hello-app"` in [package]' in said
    assert "of its own" not in build(tmp_path, 'name = "hello-app"')
    assert "of its own" not in build(tmp_path, 'name = "hello"', "el9")
    assert "Ubuntu has it from there" in build(tmp_path, 'name = "hello"', "ubuntu24")


def test_build_warns_of_a_version_that_does_not_grow(tmp_path: Path) -> None:
    said = build(tmp_path, 'name = "own"\nversion = "48dcbccd"')
    assert "the version `48dcbccd` is that of a commit" in said
    assert "--version-from git" in said
    assert "of a commit" not in build(tmp_path, 'name = "own"\nversion = "20261127"')
