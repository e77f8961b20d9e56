"""Which symbol versions a distro's libraries have.

A library keeps every version that it ever had, so the newest is enough to know (GNU C library
manual, "Symbol versioning"; libstdc++ manual, "ABI Policy and Guidelines").
"""

import re
from dataclasses import dataclass

from pkgrel.distro import Distro

Number = tuple[int | str, ...]

# NEWS of glibc; its branches for older releases may have them as well, see Distro.symbols.
_ABI = {
    "GLIBC_ABI_DT_RELR": "2.36",
    "GLIBC_ABI_GNU2_TLS": "2.42",
    "GLIBC_ABI_DT_X86_64_PLT": "2.42",
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
class Lack:
    """A symbol version that a distro has not got."""

    library: str
    has: str
    """What it has instead: `glibc 2.31`."""
    order: Number
    """Newer versions of the same library are greater."""


def lack(distro: Distro, soname: str, version: str) -> Lack | None:
    """What keeps a file that needs this version off the distro; None if nothing is known to."""
    if version in distro.symbols:
        return None
    if version in _ABI:
        return _newer("glibc", _ABI[version], distro.glibc, "glibc {}")
    for family in FAMILIES:
        match = family.version.fullmatch(version)
        if match and _is_of(family, distro, soname):
            return _newer(family.library, match[1], getattr(distro, family.column), family.says)
    return None


def _is_of(family: Family, distro: Distro, soname: str) -> bool:
    """Whether the number is that of this soname; a compatibility package has another."""
    if not family.soname:
        return True
    return _ending(soname) == _ending(getattr(distro, family.soname))


def _ending(soname: str) -> str:
    return soname.partition(".so")[2]


def _newer(library: str, wanted: str, there: str, says: str) -> Lack | None:
    order, limit = number(wanted), number(there)
    # A number such as `3.5` or `12` stands for all that begins so.
    if order[: len(limit)] <= limit:
        return None
    return Lack(library, says.format(there), order)


def number(text: str) -> Number:
    """`1.1.1w`, `1_1_1w` and `3.5.x` as what can be compared; stops where it is vague."""
    parts: list[int | str] = []
    for part in re.split(r"[._]", text.partition("/")[0].partition(" ")[0]):
        match = re.fullmatch(r"(\d+)([a-z]*)", part)
        if match is None:
            break
        parts += [int(match[1]), *([match[2]] if match[2] else [])]
    return tuple(parts)
