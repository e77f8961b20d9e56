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


def knows(distro: Distro, section: str, directive: str) -> bool:
    """Whether the distro's systemd knows `directive`, such as `ProtectProc` or `Type=exec`.

    KeyError for a name that systemd never had: a typo of ours must not vanish from a unit.
    """
    row = _table()[section, directive]
    if distro.id in row:
        return row[distro.id] == "y"
    disabled = row["disabled"]
    return int(row["since"]) <= distro.systemd and not (
        disabled and int(disabled) <= distro.systemd
    )
