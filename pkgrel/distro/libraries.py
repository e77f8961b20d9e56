"""The libraries of each distro: their packages and symbol versions.

Packages come from the first source that has the library: the image that the release was built in; `deb_sonames.csv`,
from the Contents indices of the suites, with buster's column from memory and Ubuntu's from its images; Debian's archive
(`archive_contents`). For rpm distros there is `rpm_sonames.csv`, from spec files and package lists; an empty cell means
unknown.

A library keeps all symbol versions that it has ever had, so the newest is sufficient (GNU C library manual, "Symbol
versioning"; libstdc++ manual, "ABI Policy and Guidelines").
"""

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pkgrel.distro import Distro, Format, archive_contents, unsupported


@cache
def _table(format: Format) -> dict[str, dict[str, str]]:
    file = Path(__file__).with_name(f"{format}_sonames.csv")
    with file.open(newline="", encoding="utf-8") as table:
        return {row["soname"]: row for row in csv.DictReader(table)}


def relation(distro: Distro, soname: str, architecture: str = "") -> str:
    """The packages of the suite that provide the library: `libfoo1`, `libfoo1 | libfoo2` or `libfoo1 (>= 2)`.

    Empty if it has none, or if that is unknown.
    """
    if text := distro.libraries.relations.get(soname):
        return text
    if row := _table(Format.DEB).get(soname):
        return row.get(distro.id, "")
    return " | ".join(archive_contents.packages(distro, soname, architecture) or ())


def elsewhere(soname: str) -> str:
    """The package of another suite that provides the library; empty if unknown."""
    row = _table(Format.DEB).get(soname)
    if row is None:
        return archive_contents.anywhere(soname)
    return next((name for name in row.values() if name != soname and name), "")


def has(distro: Distro, soname: str, architecture: str = "") -> bool | None:
    """Whether the distro's repositories have the library; None if unknown."""
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
    """Whether packages depend on the package of a library rather than on its soname."""
    match distro.format:
        case Format.DEB:
            return True
        case Format.RPM:
            return False
        case _:
            raise unsupported(distro.format)


def others(distro: Distro, soname: str, architecture: str = "") -> tuple[str, ...]:
    """Other sonames of the same library on the distro, such as `libcrypto.so.3` for `libcrypto.so.1.1`."""
    stem = soname.partition(".so")[0]
    names = {name for name in _table(distro.format) if name.startswith(f"{stem}.so")}
    if must_be_known(distro):
        names.update(archive_contents.sonames(stem))
    there = sorted(name for name in names if name != soname and has(distro, name, architecture))
    # `libicuuc.so.72` is a link to `libicuuc.so.72.1`.
    return tuple(name for name in there if not any(name.startswith(f"{other}.") for other in there))


Number = tuple[tuple[int, str], ...]

# NEWS of glibc; older branches may have them as backports, see Distro.symbols.
_ABI = {
    "GLIBC_ABI_DT_RELR": "2.36",
    "GLIBC_ABI_GNU2_TLS": "2.42",
    "GLIBC_ABI_DT_X86_64_PLT": "2.42",
}


# libstdc++ manual, "ABI Policy and Guidelines": GLIBCXX_ versions and the GCC that introduced them.
_GCC = {
    "3.4.21": "5",
    "3.4.22": "6",
    "3.4.23": "7",
    "3.4.25": "8",
    "3.4.26": "9",
    "3.4.29": "11",
    "3.4.30": "12",
    "3.4.31": "13",
    "3.4.32": "13.2",
    "3.4.33": "14",
    "3.4.34": "15",
}


@dataclass(frozen=True, slots=True)
class Family:
    """A family of symbol versions of one library."""

    library: str
    """The library's name in messages."""
    version: re.Pattern[str]
    """Matches symbol versions that the table has a number for."""
    column: str
    """The column of the table with the highest number."""
    says: str
    """The text for what a distro has: `glibc {}`."""
    soname: str = ""
    """The column with the soname that the number is for; empty if there has been only one."""


FAMILIES = (
    Family("glibc", re.compile(r"GLIBC_([\d.]+)"), "glibc", "glibc {}"),
    Family("libstdc++", re.compile(r"GLIBCXX_([\d.]+)"), "glibcxx", "GLIBCXX_{}"),
    Family("libstdc++", re.compile(r"CXXABI_([\d.]+)"), "cxxabi", "CXXABI_{}"),
    Family("libgcc", re.compile(r"GCC_([\d.]+)"), "gcc", "the libgcc of GCC {}"),
    Family(
        "OpenSSL", re.compile(r"OPENSSL_(\d[\d._]*[a-z]?)"), "openssl", "OpenSSL {}", "libcrypto"
    ),
)


@dataclass(frozen=True, slots=True)
class MissingSymbol:
    """A symbol version that a distro lacks."""

    library: str
    has: str
    """What it has instead: `glibc 2.31`."""
    order: Number
    """A sort key: newer versions of the same library are greater."""


def missing(distro: Distro, soname: str, version: str) -> MissingSymbol | None:
    """The missing symbol version, if the distro is known not to have this one; otherwise None."""
    if version in distro.symbols:
        return None
    if version in _ABI:
        return _newer("glibc", _ABI[version], distro.glibc, "glibc {}")
    family, wanted = _family(version)
    if family is None or not _is_of(family, distro, soname):
        return None
    return _newer(family.library, wanted, getattr(distro, family.column), family.says)


def since(distro: Distro, version: str) -> str:
    """The release of the library that introduced a symbol version, if its number differs.

    `2.34` for GLIBC_2.34, `11` (of GCC) for GLIBCXX_3.4.29; empty if unknown.
    """
    if version in distro.symbols:
        return ""
    if version in _ABI:
        return _ABI[version]
    family, wanted = _family(version)
    return _release(family, wanted) if family else ""


@cache
def _family(version: str) -> tuple[Family | None, str]:
    """The family of a symbol version, and its number."""
    for family in FAMILIES:
        if match := family.version.fullmatch(version):
            return family, match[1]
    return None, ""


def _release(family: Family, text: str) -> str:
    wanted = number(text)
    match family.column:
        case "glibcxx":
            releases = (gcc for symbol, gcc in _GCC.items() if number(symbol) <= wanted)
            return max(releases, key=number, default="")
        case "gcc":
            return text.partition(".")[0] if wanted >= number("10") else ""
        case "cxxabi":
            return ""  # comes with a GLIBCXX that is as new
        case _:
            return text.replace("_", ".")


def _is_of(family: Family, distro: Distro, soname: str) -> bool:
    """Whether the number is for this soname; compatibility packages have another one."""
    if not family.soname:
        return True
    return _ending(soname) == _ending(getattr(distro, family.soname))


def _ending(soname: str) -> str:
    return soname.partition(".so")[2]


def _newer(library: str, wanted: str, there: str, says: str) -> MissingSymbol | None:
    order, limit = number(wanted), number(there)
    # A number such as `3.5` or `12` matches all versions that begin with it.
    if order[: len(limit)] <= limit:
        return None
    return MissingSymbol(library, says.format(there), order)


@cache
def number(text: str) -> Number:
    """A comparable form of `1.1.1w`, `1_1_1w` and `3.5.x`, up to the first vague part."""
    parts: list[tuple[int, str]] = []
    for part in re.split(r"[._]", text.partition("/")[0].partition(" ")[0]):
        match = re.fullmatch(r"(\d+)([a-z]*)", part)
        if match is None:
            break
        parts.append((int(match[1]), match[2]))
    return tuple(parts)
