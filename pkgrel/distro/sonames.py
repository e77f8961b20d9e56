"""Which libraries a distro has, and which package of a Debian or Ubuntu suite brings one.

Sources, the first that knows: the image that the release was built in; `deb_sonames.csv`, from the Contents
indices of the suites, with buster's column from memory and Ubuntu's from its images; all that Debian's archive
has (`archive_contents`). `rpm_sonames.csv`, from spec files and package lists; an empty cell means that nobody
looked.
"""

import csv
from functools import cache
from pathlib import Path

from pkgrel.distro import Distro, Format, archive_contents, unsupported


@cache
def _table(format: Format) -> dict[str, dict[str, str]]:
    file = Path(__file__).with_name(f"{format}_sonames.csv")
    with file.open(newline="", encoding="utf-8") as table:
        return {row["soname"]: row for row in csv.DictReader(table)}


def relation(distro: Distro, soname: str, architecture: str = "") -> str:
    """The packages of the suite that bring the library, as `libfoo1`, `libfoo1 | libfoo2` or `libfoo1 (>= 2)`.

    Empty if it has none, or if that is not known.
    """
    if text := distro.libraries.relations.get(soname):
        return text
    if row := _table(Format.DEB).get(soname):
        return row.get(distro.id, "")
    return " | ".join(archive_contents.packages(distro, soname, architecture) or ())


def elsewhere(soname: str) -> str:
    """The package of another suite that brings the library; empty if nobody knows it."""
    row = _table(Format.DEB).get(soname)
    if row is None:
        return archive_contents.anywhere(soname)
    return next((name for name in row.values() if name != soname and name), "")


def has(distro: Distro, soname: str, architecture: str = "") -> bool | None:
    """Whether the distro's own repositories have the library; None if that is not known."""
    match distro.format:
        case Format.DEB:
            if soname in distro.libraries.relations:
                return True
            if row := _table(distro.format).get(soname):
                return bool(row[distro.id])
            found = archive_contents.packages(distro, soname, architecture)
            return None if found is None else bool(found)
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


def others(distro: Distro, soname: str, architecture: str = "") -> tuple[str, ...]:
    """The sonames that it has of the same library, such as `libcrypto.so.3` for `libcrypto.so.1.1`."""
    stem = soname.partition(".so")[0]
    names = {name for name in _table(distro.format) if name.startswith(f"{stem}.so")}
    if must_be_known(distro):
        names.update(archive_contents.sonames(stem))
    there = sorted(name for name in names if name != soname and has(distro, name, architecture))
    # `libicuuc.so.72` is a link to `libicuuc.so.72.1`.
    return tuple(name for name in there if not any(name.startswith(f"{other}.") for other in there))
