"""Which systemd of which distro knows a directive.

Source: `directives.csv`, from systemd 262's manual and NEWS; the el columns from Red Hat's trees,
which carry backports. systemd only warns about a directive that it does not know, but an unknown
value such as `Type=exec` can refuse the unit.
"""

import csv
from functools import cache
from pathlib import Path

from pkgrel.distro import Distro

Row = dict[str, str]


@cache
def _table() -> dict[tuple[str, str], Row]:
    with Path(__file__).with_name("directives.csv").open(newline="", encoding="utf-8") as table:
        return {(row["section"], row["directive"]): row for row in csv.DictReader(table)}


@cache
def directive_names(section: str) -> frozenset[str]:
    """Every directive that a section ever had; empty for a section that is not in the table."""
    names = (name for known, name in _table() if known == section)
    return frozenset(name for name in names if name.isalnum())


def knows(distro: Distro, section: str, directive: str) -> bool:
    """Whether the distro's systemd knows `directive`, such as `ProtectProc` or `Type=exec`.

    KeyError for a name that systemd never had: a typo of ours must not vanish from a unit.
    """
    return _has(distro, _table()[section, directive])


def knows_value(distro: Distro, section: str, directive: str, value: str) -> bool:
    """Whether it knows the directive and every word of the value that came later than that."""
    return knows(distro, section, directive) and all(
        _has(distro, row) for row in _values(section, directive) if _mentions(row, value)
    )


@cache
def _values(section: str, directive: str) -> tuple[Row, ...]:
    """The rows for values of the directive: `Type=exec`, `StandardOutput=file:`."""
    start = f"{directive}="
    return tuple(
        row
        for (known, name), row in _table().items()
        if known == section and name.startswith(start)
    )


def _mentions(row: Row, value: str) -> bool:
    words = [word.lstrip("~-") for word in value.split()]
    for choice in row["directive"].partition("=")[2].split("|"):
        if choice == "@group":
            found = any(word.startswith("@") for word in words)
        elif choice.endswith(":"):
            found = value.startswith(choice)
        else:
            found = choice in words
        if found:
            return True
    return False


def _has(distro: Distro, row: Row) -> bool:
    if distro.id in row:
        return row[distro.id] == "y"
    disabled = row["disabled"]
    return int(row["since"]) <= distro.systemd and not (
        disabled and int(disabled) <= distro.systemd
    )
