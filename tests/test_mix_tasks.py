"""contrib/mix: tasks of mix that call pkgrel, run by the mix of this machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import need, run

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the archive is installed."""
    need("mix")
    folder = tmp_path_factory.mktemp("mix")
    shutil.copytree(ROOT / "contrib/mix", folder / "mix")
    environment = {"MIX_ARCHIVES": str(folder / "archives"), "MIX_ENV": "prod"}
    for command in (
        ["mix", "format", "--check-formatted"],
        ["mix", "archive.build", "--output", "pkgrel.ez"],
        ["mix", "archive.install", "--force", "pkgrel.ez"],
    ):
        done = subprocess.run(
            command, cwd=folder / "mix", env={**os.environ, **environment}, capture_output=True, text=True
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "archives"


def mix(
    archives: Path, project: Path, *words: str, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["mix", *words],
        cwd=project,
        env={
            **os.environ,
            "MIX_ARCHIVES": str(archives),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **more,
        },
        capture_output=True,
        text=True,
    )


def test_a_project_becomes_a_package(archives: Path, tmp_path: Path) -> None:
    project = tmp_path / "hello"
    shutil.copytree(
        ROOT / "examples/hello", project, ignore=shutil.ignore_patterns("_build", "pkgrel.toml")
    )
    run("git", "init", "--quiet", project)
    run("git", "-C", project, "config", "user.name", "Jo")
    run("git", "-C", project, "config", "user.email", "jo@example.org")
    assert mix(archives, project, "pkgrel.init").returncode == 0
    assert 'maintainer = "Jo <jo@example.org>"' in (project / "pkgrel.toml").read_text()
    built = mix(archives, project, "pkgrel.build", "--distro", "debian12", "--builder", "host")
    assert built.returncode == 0, built.stderr
    (path,) = [line for line in built.stdout.splitlines() if line.endswith(".deb")]
    assert mix(archives, project, "pkgrel", "show", path).returncode == 0


def test_an_error_is_pkgrel_s_own(archives: Path, tmp_path: Path) -> None:
    """Its words and its status, without a stack trace of Elixir's."""
    done = mix(archives, tmp_path, "pkgrel", "show", "none; touch x")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "`none; touch x` does not exist" in done.stderr
    assert "mix.ex" not in done.stderr
    assert not (tmp_path / "x").exists()


def test_how_to_get_it_is_said(archives: Path, tmp_path: Path) -> None:
    done = mix(archives, tmp_path, "pkgrel.build", PATH="/usr/bin:/bin")
    assert done.returncode == 1
    assert "uv tool install pkgrel" in done.stderr
