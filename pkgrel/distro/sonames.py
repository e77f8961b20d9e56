"""Which libraries a distro has, and which package of a Debian or Ubuntu suite brings one.

Sources: `deb_sonames.csv`, from the Contents indices of the suites; buster's column from memory.
`rpm_sonames.csv`, from spec files and package lists; an empty cell means that nobody looked.
"""

import csv
from functools import cache
from pathlib import Path

from pkgrel.distro import Distro, Format, unsupported


@cache
def _table(format: Format) -> dict[str, dict[str, str]]:
    file = Path(__file__).with_name(f"{format}_sonames.csv")
    with file.open(newline="", encoding="utf-8") as table:
        return {row["soname"]: row for row in csv.DictReader(table)}


def package(distro: Distro, soname: str) -> str:
    """The package of the suite that brings the library; empty if it has none."""
    return _table(Format.DEB).get(soname, {}).get(distro.id, "")


def elsewhere(soname: str) -> str:
    """The package of another suite that brings the library; empty if nobody knows it."""
    return next(
        (name for name in _table(Format.DEB).get(soname, {}).values() if name != soname and name),
        "",
    )


def has(distro: Distro, soname: str) -> bool | None:
    """Whether the distro's own repositories have the library; None if that is not known."""
    match distro.format:
        case Format.DEB:
            row = _table(distro.format).get(soname)
            return None if row is None else bool(row[distro.id])
        case Format.RPM:
            row = _table(distro.format).get(soname, {})
            return {"y": True, "n": False}.get(row.get(distro.id, ""))
        case _:
            raise unsupported(distro.format)


def must_be_known(distro: Distro) -> bool:
    """Whether a package has to name what brings a library, rather than the library itself."""
    match distro.format:
        case Format.DEB:
            return True
        case Format.RPM:
            return False
        case _:
            raise unsupported(distro.format)


def others(distro: Distro, soname: str) -> tuple[str, ...]:
    """The sonames that it has of the same library, such as `libcrypto.so.3` for `libcrypto.so.1.1`."""
    stem = soname.partition(".so")[0]
    return tuple(
        name
        for name in _table(distro.format)
        if name.startswith(f"{stem}.so") and name != soname and has(distro, name)
    )
