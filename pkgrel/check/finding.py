"""What a rule is and what it finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pkgrel.distro import Format

if TYPE_CHECKING:
    from pkgrel.check.subject import Subject


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """It breaks the service or the host, or opens it to others."""
    WARNING = "warning"
    """It is legal, and seldom what was meant."""


Hit = tuple[object, str]
"""A path of the package, or the name of a maintainer script, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that packages are checked for."""

    id: str
    severity: Severity
    source: str
    """Who says so: a section of Debian Policy, a manual page."""
    remedy: str
    """Imperative, lower case, without a final period."""
    find: Callable[["Subject"], Iterator[Hit]]
    formats: tuple[Format, ...] = tuple(Format)
    """Those that it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with a package."""

    severity: Severity
    rule: str
    path: str
    what: str
    remedy: str
    source: str
