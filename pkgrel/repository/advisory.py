"""Why an .rpm should be installed: what `dnf updateinfo` shows and `dnf upgrade --security` asks for.

Source: what libsolv and libdnf read of Fedora's updateinfo.xml; there is no specification.
"""

import re
from collections.abc import Iterable, Sequence

from pkgrel.errors import RepositoryError

TYPES = ("security", "bugfix", "enhancement")
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_ADDRESS = re.compile(r"https?://[^\s<>\"\x00-\x1f\x7f]+")

Advisory = tuple[str, ...]
"""One of TYPES, then what is fixed: numbers of CVEs, or addresses. Empty: none."""


def advisory(type: str, fixes: Sequence[str]) -> Advisory:
    """The advisory; RepositoryError if it fixes what is neither a CVE nor an address."""
    for fixed in fixes:
        if not (_CVE.fullmatch(fixed) or _ADDRESS.fullmatch(fixed)):
            raise RepositoryError(
                f"`{fixed}` is neither the number of a CVE nor an address",
                hint="write what is fixed as `CVE-2026-12345` or `https://…`",
            )
    return (type, *dict.fromkeys(fixes))


def references(of: Advisory) -> Iterable[tuple[str, str, str]]:
    """Type, name and address of each thing that is fixed."""
    for fixed in of[1:]:
        if _CVE.fullmatch(fixed):
            yield "cve", fixed, f"https://www.cve.org/CVERecord?id={fixed}"
        else:
            yield "other", fixed.rstrip("/").rpartition("/")[2], fixed
