"""Which libraries a distro has, from which package, and with which symbol versions.

Which libraries a distro has, and which package of a Debian or Ubuntu suite brings one. Sources, the first that
knows: the image that the release was built in; `deb_sonames.csv`, from the Contents indices of the suites, with
buster's column from memory and Ubuntu's from its images; all that Debian's archive has (`archive_contents`).
`rpm_sonames.csv`, from spec files and package lists; an empty cell means that nobody looked.

Which symbol versions a distro's libraries have. A library keeps every version that it ever had, so the newest
is enough to know (GNU C library manual, "Symbol versioning"; libstdc++ manual, "ABI Policy and Guidelines").
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


Number = tuple[tuple[int, str], ...]

# NEWS of glibc; its branches for older releases may have them as well, see Distro.symbols.
_ABI = {
    "GLIBC_ABI_DT_RELR": "2.36",
    "GLIBC_ABI_GNU2_TLS": "2.42",
    "GLIBC_ABI_DT_X86_64_PLT": "2.42",
}


# libstdc++ manual, "ABI Policy and Guidelines": GLIBCXX_ and the GCC that brought it.
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
    """The versions of one library's symbols."""

    library: str
    """What people call it."""
    version: re.Pattern[str]
    """Matches a version that a number of the table answers for."""
    column: str
    """Where the table says up to which number."""
    says: str
    """What a distro has: `glibc {}`."""
    soname: str = ""
    """Column of the soname that the number is of; empty if there was never another."""


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
    """A symbol version that a distro has not got."""

    library: str
    has: str
    """What it has instead: `glibc 2.31`."""
    order: Number
    """Newer versions of the same library are greater."""


def missing(distro: Distro, soname: str, version: str) -> MissingSymbol | None:
    """What keeps a file that needs this version off the distro; None if nothing is known to."""
    if version in distro.symbols:
        return None
    if version in _ABI:
        return _newer("glibc", _ABI[version], distro.glibc, "glibc {}")
    family, wanted = _family(version)
    if family is None or not _is_of(family, distro, soname):
        return None
    return _newer(family.library, wanted, getattr(distro, family.column), family.says)


def since(distro: Distro, version: str) -> str:
    """The release of the library that brought a version, for those with a number of their own.

    `2.34` for GLIBC_2.34, `11` (of GCC) for GLIBCXX_3.4.29; empty where it would say nothing.
    """
    if version in distro.symbols:
        return ""
    if version in _ABI:
        return _ABI[version]
    family, wanted = _family(version)
    return _release(family, wanted) if family else ""


@cache
def _family(version: str) -> tuple[Family | None, str]:
    """Whose version that is, and its number."""
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
    """Whether the number is that of this soname; a compatibility package has another."""
    if not family.soname:
        return True
    return _ending(soname) == _ending(getattr(distro, family.soname))


def _ending(soname: str) -> str:
    return soname.partition(".so")[2]


def _newer(library: str, wanted: str, there: str, says: str) -> MissingSymbol | None:
    order, limit = number(wanted), number(there)
    # A number such as `3.5` or `12` stands for all that begins so.
    if order[: len(limit)] <= limit:
        return None
    return MissingSymbol(library, says.format(there), order)


@cache
def number(text: str) -> Number:
    """`1.1.1w`, `1_1_1w` and `3.5.x` as what can be compared; stops where it is vague."""
    parts: list[tuple[int, str]] = []
    for part in re.split(r"[._]", text.partition("/")[0].partition(" ")[0]):
        match = re.fullmatch(r"(\d+)([a-z]*)", part)
        if match is None:
            break
        parts.append((int(match[1]), match[2]))
    return tuple(parts)
