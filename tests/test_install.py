"""An installed pkgrel works without its checkout: templates, Dockerfiles and tables are in the wheel."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from pkgrel import __version__
from pkgrel.cli import main

ROOT = Path(__file__).parents[1]
SETTINGS = '[package]\nname = "hello-web"\nmaintainer = "T <t@example.org>"\n'
TARGETS = ("--distro", "debian12", "--distro", "el10")


def other_python() -> str | None:
    """The newest other Python of this machine, if there is one."""
    for minor in range(15, 10, -1):
        python = shutil.which(f"python3.{minor}")
        # Of pyenv's there may be nothing but the name.
        if python and minor != sys.version_info.minor and _can(python, "import ensurepip"):
            return python
    return None


def _can(python: str, text: str) -> bool:
    return subprocess.run([python, "-c", text], capture_output=True, check=False).returncode == 0


def install(python: str, folder: Path) -> Path:
    """The `pkgrel` of a virtual environment that `pip install` of the checkout filled."""
    subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
    pip = [folder / "venv" / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    # To compile what is never imported takes longer than all else.
    subprocess.run([*pip, "--no-compile", str(ROOT)], check=True, cwd=folder)
    return folder / "venv" / "bin" / "pkgrel"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(sys.executable, tmp_path_factory.mktemp("installed"))


def said(folder: Path, *command: object) -> str:
    """What a command prints outside of the checkout."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def built(pkgrel: Path, release: Path, folder: Path) -> dict[str, bytes]:
    """Packages by name."""
    (folder / "pkgrel.toml").write_text(SETTINGS)
    paths = said(folder, pkgrel, "build", release, *TARGETS).splitlines()
    return {path: (folder / path).read_bytes() for path in paths}


def test_it_builds_and_checks_outside_of_the_checkout(
    installed: Path, hello_release: Callable[[str], Path], tmp_path: Path
) -> None:
    made = built(installed, hello_release("1.0.0"), tmp_path)
    assert list(made) == [
        "dist/hello-web_1.0.0-1~debian12_amd64.deb",
        "dist/hello-web-1.0.0-1.el10.x86_64.rpm",
    ]
    assert said(tmp_path, installed, "check", "--strict", *made) == ""


def test_every_python_makes_the_same_bytes(
    installed: Path, hello_release: Callable[[str], Path], tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    release = hello_release("1.0.0")
    python = other_python()
    other = install(python, tmp_path) if python else installed
    assert built(installed, release, here) == built(other, release, there)


def test_every_command_explains_itself(installed: Path, tmp_path: Path) -> None:
    helped = said(tmp_path, installed, "--help")
    for name in main.list_commands(click.Context(main)):
        assert f"  {name} " in helped
        assert "Usage: pkgrel" in said(tmp_path, installed, name, "--help")


def test_what_else_needs_files_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    python = installed.with_name("python")
    assert said(tmp_path, installed, "--version") == f"pkgrel, version {__version__}\n"
    assert said(tmp_path, python, "-m", "pkgrel", "--version").endswith(f" {__version__}\n")
    assert "\nFROM debian:bookworm" in said(
        tmp_path, installed, "images", "build", "--print", "--distro", "debian12"
    )
    assert "debian12" in said(tmp_path, installed, "distros")
    assert said(tmp_path, installed, "init").strip() == "pkgrel.toml"
    assert "man/man1/pkgrel-build.1" in said(tmp_path, installed, "man").splitlines()


def test_the_wheel_brings_nothing_but_pkgrel(installed: Path, tmp_path: Path) -> None:
    python = installed.with_name("python")
    text = "import importlib.metadata as m; print(*{f.parts[0] for f in m.files('pkgrel')})"
    top = said(tmp_path, python, "-c", text).split()
    assert {name for name in top if name != ".." and "dist-info" not in name} == {"pkgrel"}


def test_what_is_missing_of_python_is_said(tmp_path: Path) -> None:
    """Debian has venv in a package of its own, and a Python that is there is not what is missing."""
    for minor in ("", ".14", ".13", ".12", ".11"):
        python = tmp_path / f"python3{minor}"
        python.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; esac\n')
        python.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", f"source {ROOT}/script/setup && find_python"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "python3 is here, but not its venv module" in done.stderr
    assert "python3-venv" in done.stderr
