"""Unsigned repositories of a few packages, made by the reference tools for file: addresses."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path


def apt(folder: Path, packages: Iterable[Path]) -> None:
    """A flat repository, for `deb [trusted=yes] file:FOLDER ./`."""
    _collect(folder, packages)
    index = subprocess.run(
        ["dpkg-scanpackages", "--multiversion", "."], cwd=folder, check=True, capture_output=True
    )
    (folder / "Packages").write_bytes(index.stdout)


def dnf(folder: Path, packages: Iterable[Path]) -> None:
    """A repository for `baseurl=file:FOLDER`."""
    _collect(folder, packages)
    subprocess.run(["createrepo_c", "--quiet", folder], check=True)


def _collect(folder: Path, packages: Iterable[Path]) -> None:
    folder.mkdir()
    for package in packages:
        shutil.copy(package, folder)
