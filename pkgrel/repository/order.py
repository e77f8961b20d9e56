"""The order of versions, by the rules of the package tool that compares them.

Source: deb-version(7); rpm-version(7), rpmio/rpmvercmp.c and lib/rpmver.c of rpm 4.20.
"""

import re
from functools import cmp_to_key
from itertools import zip_longest
from typing import Any, Protocol

from pkgrel.distro import Format, unsupported
from pkgrel.repository.apt.order import sort_key as _deb

_PIECES = re.compile(r"\d+|[A-Za-z]+|~|\^")


class Versioned(Protocol):
    """A package of which the version is known: a record, or what an index of others says."""

    @property
    def format(self) -> Format:
        """Whose rules the version follows."""

    @property
    def name(self) -> str:
        """Of the package."""

    @property
    def version(self) -> str:
        """As the package tool compares it."""


def key(record: Versioned) -> Any:
    """Sorts packages of one format by version, the oldest first."""
    return version_key(record.format, record.version)


def version_key(format: Format, version: str) -> Any:
    """Sorts versions, the oldest first, by the rules of a format."""
    match format:
        case Format.DEB:
            return _deb(version)
        case Format.RPM:
            return _rpm_key(version)
        case other:
            raise unsupported(other)


def compare_rpm(one: str, other: str) -> int:
    """Negative, 0 or positive, for `[epoch:]version[-release]`."""
    for mine, theirs in zip(rpm_parts(one), rpm_parts(other), strict=True):
        if order := _segments(mine, theirs):
            return order
    return 0


_rpm_key = cmp_to_key(compare_rpm)


def rpm_parts(text: str) -> tuple[str, str, str]:
    """Epoch, version and release of `[epoch:]version[-release]`."""
    epoch, colon, rest = text.rpartition(":")
    version, _, release = rest.partition("-")
    return epoch if colon else "0", version, release


def _segments(one: str, other: str) -> int:
    """rpmvercmp: digits are newer than letters, `~` older than the end, `^` newer than it."""
    for mine, theirs in zip_longest(_PIECES.findall(one), _PIECES.findall(other), fillvalue=""):
        if mine == theirs:
            continue
        if order := _special(mine, theirs):
            return order
        if mine.isdigit() and theirs.isdigit():
            if int(mine) != int(theirs):
                return -1 if int(mine) < int(theirs) else 1
            continue
        if mine.isdigit() != theirs.isdigit():
            return 1 if mine.isdigit() else -1
        return -1 if mine < theirs else 1
    return 0


def _special(mine: str, theirs: str) -> int:
    """What `~`, `^` and the end decide; 0 if there is neither of them."""
    weights = {"~": -2, "": -1, "^": 0}
    weight, other = weights.get(mine, 1), weights.get(theirs, 1)
    return weight - other if min(weight, other) < 1 else 0
