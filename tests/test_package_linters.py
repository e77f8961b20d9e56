"""lintian and rpmlint find no error in a package that its own override does not explain."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pkgrel.resources import TEMPLATES
from tests import native_code, tiny_release
from tests.conftest import skip_unless
from tests.tools import pkgrel

SETTINGS = """
[package]
maintainer = "Example Team <team@example.org>"
homepage = "https://example.org/hello"
license = "Apache-2.0"

[distro.debian13.package]
compression = "xz"
"""


@pytest.fixture(scope="module", params=["hello", "relx"])
def packages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A .deb for each compression that Debian reads and an .rpm."""
    if request.param == "hello":
        tarball = request.getfixturevalue("hello_release")("1.0.0")
    else:
        tarball = request.getfixturevalue("relx_release")
    folder = tmp_path_factory.mktemp("packages")
    (folder / "pkgrel.toml").write_text(SETTINGS)
    distros = ["--distro", "debian12", "--distro", "debian13", "--distro", "el10"]
    done = pkgrel("build", tarball, *distros, folder=folder)
    assert done.returncode == 0, done.stderr
    return [str(folder / line) for line in done.stdout.split()]


def test_lintian(packages: list[str]) -> None:
    skip_unless(shutil.which("lintian"), "lintian is missing")
    debs = [path for path in packages if path.endswith(".deb")]
    # One has nothing that the other has not, but for the compression: each is read once.
    debs.pop(0 if "relx" in packages[0] else 1)
    done = subprocess.run(["lintian", "--show-overrides", *debs], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith(("E:", "W:"))] == []
    # It was really run: what our override explains is there.
    assert [line for line in lines if line.startswith("O: ")]


def test_rpmlint(packages: list[str], tmp_path: Path) -> None:
    skip_unless(shutil.which("rpmlint"), "rpmlint is missing")
    [rpm] = [path for path in packages if path.endswith(".rpm")]
    command = ["rpmlint", "--config", str(TEMPLATES / "rpm" / "rpmlint.toml"), rpm]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert re.search(r"1 packages and 0 specfiles checked", done.stdout), done.stdout + done.stderr
    assert re.findall(r"^\S+: E: .*", done.stdout, re.MULTILINE) == []


def test_rpmlint_on_an_application_with_nifs_that_is_called_like_a_library(tmp_path: Path) -> None:
    """Neither errors nor warnings; without its override there are both."""
    skip_unless(shutil.which("rpmlint"), "rpmlint is missing")
    skip_unless(not native_code.missing(), "a compiler is missing")
    code = native_code.nif(tmp_path)
    nifs = [
        tiny_release.file(f"lib/{name}/priv/{file}", code, mode)
        for name, file, mode in (
            ("bcrypt_elixir-3.0.1", "bcrypt_nif.so", 0o644),
            ("exqlite-0.30.1", "sqlite3_nif.so", 0o755),
            ("libpg-1.0.0", "libpg.so", 0o644),
        )
    ]
    members = [*tiny_release.files().values(), *nifs]
    (tmp_path / "a.tar").write_bytes(tiny_release.tarball(members))
    (tmp_path / "pkgrel.toml").write_text(f'{SETTINGS}[distro.el10.package]\nname = "libshop"\n')
    done = pkgrel("build", "a.tar", "--distro", "el10", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    override = ["--config", str(TEMPLATES / "rpm" / "rpmlint.toml")]
    for options, wanted in ((override, set()), ([], {"E", "W"})):
        command = ["rpmlint", *options, done.stdout.strip()]
        said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
        assert set(re.findall(r"^\S+: ([EW]): ", said, re.MULTILINE)) == wanted, said
