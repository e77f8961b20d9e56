"""An installed pkgrel works without its checkout: the templates are in the wheel."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `pkgrel` of a virtual environment that `pip install` of the checkout filled."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [folder / "venv" / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(ROOT)], check=True, cwd=folder)
    return folder / "venv" / "bin" / "pkgrel"


def test_it_builds_outside_of_the_checkout(
    installed: Path, hello_release: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "pkgrel.toml").write_text('[package]\nmaintainer = "T <t@example.org>"\n')
    command = [
        installed,
        "build",
        hello_release("1.0.0"),
        "--distro",
        "debian12",
        "--distro",
        "el10",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = sorted(path.name for path in (tmp_path / "dist").iterdir())
    assert made == ["hello-1.0.0-1.el10.x86_64.rpm", "hello_1.0.0-1~debian12_amd64.deb"]
    assert done.stdout.splitlines() == [f"dist/{name}" for name in reversed(made)]


def test_every_command_explains_itself(installed: Path, tmp_path: Path) -> None:
    helped = subprocess.run([installed, "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert helped.returncode == 0
    for name in ("build", "diff", "distros", "init", "inspect", "schema", "show"):
        assert f"  {name} " in helped.stdout
        one = subprocess.run(
            [installed, name, "--help"], cwd=tmp_path, capture_output=True, text=True
        )
        assert one.returncode == 0
        assert "Usage: pkgrel" in one.stdout
