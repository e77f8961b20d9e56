"""Compiled templates are cached beside their sources, without side effects."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEMPLATE = "packaging_templates/pkgrel.toml"
KEPT = "packaging_templates/__pycache__"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the sources, nothing compiled."""
    for name in ("pkgrel", "packaging_templates"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def init(checkout: Path, folder: str, **variables: str) -> str:
    """The pkgrel.toml that the checkout's `pkgrel init` writes."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(
        [sys.executable, "-m", "pkgrel", "init", folder],
        cwd=checkout,
        env=environment | {"PYTHONPATH": str(checkout), **variables},
        check=True,
        capture_output=True,
    )
    return (checkout / folder / "pkgrel.toml").read_text()


def test_a_template_is_compiled_once(checkout: Path) -> None:
    first = init(checkout, "a")
    kept = {path: path.stat().st_mtime_ns for path in (checkout / KEPT).iterdir()}
    assert kept
    assert init(checkout, "b") == first
    assert {path: path.stat().st_mtime_ns for path in (checkout / KEPT).iterdir()} == kept


def test_a_changed_template_counts(checkout: Path) -> None:
    init(checkout, "a")
    with (checkout / TEMPLATE).open("a") as template:
        template.write("# {{ 6 * 7 }}\n")
    assert init(checkout, "b").endswith("# 42\n")


def test_nothing_is_kept_where_it_cannot_be(checkout: Path) -> None:
    (checkout / KEPT).touch()
    assert init(checkout, "a")


def test_nothing_is_kept_where_python_keeps_nothing(checkout: Path) -> None:
    init(checkout, "a", PYTHONDONTWRITEBYTECODE="1")
    assert not (checkout / KEPT).exists()
