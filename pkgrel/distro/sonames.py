"""Which package of a Debian or Ubuntu suite brings a library.

Source: `deb_sonames.csv`, from the Contents indices of the suites; buster's column from memory.
"""

import csv
from functools import cache
from pathlib import Path

from pkgrel.distro import Distro


@cache
def _table() -> dict[str, dict[str, str]]:
    with Path(__file__).with_name("deb_sonames.csv").open(newline="", encoding="utf-8") as table:
        return {row["soname"]: row for row in csv.DictReader(table)}


def known(soname: str) -> bool:
    """Whether any suite has the library."""
    return soname in _table()


def package(distro: Distro, soname: str) -> str:
    """The package of the suite that brings the library; empty if it has none."""
    return _table().get(soname, {}).get(distro.id, "")
