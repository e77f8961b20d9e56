"""Which symbol versions a distro's libraries have.

A library keeps every version that it ever had, so the newest is enough to know (GNU C library
manual, "Symbol versioning"; libstdc++ manual, "ABI Policy and Guidelines").
"""

import re
from dataclasses import dataclass
from functools import cache

from pkgrel.distro import Distro

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
