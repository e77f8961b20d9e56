"""Names that hosts have already: accounts, files and directories, commands, units, parts of configuration.

Source: `names.csv`, made by script/names from Debian's roots, and from what it lists by hand for the
others. A row is a kind, a family of distros, how sure it is that a host has it, the package, and names.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from pkgrel.distro import Format

FOLDERS = {
    "/usr/bin": "command",
    "/usr/sbin": "command",
    "/bin": "command",
    "/sbin": "command",
    "/usr/lib/systemd/system": "unit",
    "/lib/systemd/system": "unit",
    "/usr/lib/sysusers.d": "sysusers",
    "/usr/lib/tmpfiles.d": "tmpfiles",
    "/etc/sudoers.d": "sudoers",
    "/etc/logrotate.d": "logrotate",
    "/etc/cron.d": "cron",
    "/etc": "etc",
    "/run": "run",
    "/var/lib": "state",
    "/var/log": "log",
    "/var/cache": "cache",
    "/usr/share/bash-completion/completions": "completion",
    "/usr/share/man/man1": "manual",
}
"""The kind of name that a folder has in it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A name that is somebody else's."""

    kind: str
    name: str
    base: bool
    """Every host has it, and not only one with a certain service."""
    package: str
    """Whose it is; empty if nobody knows."""

    @property
    def owner(self) -> str:
        """For people: `of base-files`."""
        if self.package:
            return f"of {self.package}"
        return "of the base system" if self.base else "of another service"


@cache
def _rows() -> dict[str, list[list[str]]]:
    """By kind. Names stand between spaces: looked for as text, none of them becomes an object."""
    rows: dict[str, list[list[str]]] = {}
    with Path(__file__).with_name("names.csv").open(newline="", encoding="utf-8") as table:
        for kind, *row, names in csv.reader(table):
            rows.setdefault(kind, []).append([*row, f" {names} "])
    return rows


@cache
def taken(format: Format, kind: str, name: str) -> Taken | None:
    """Whose the name is on hosts of the format; None if it is free."""
    sought = f" {name} "
    found = None
    for family, level, package, names in _rows()[kind]:
        if sought in names and family in ("all", format):
            found = Taken(kind, name.rstrip("/"), level == "base", package)
            if found.base:
                break
    return found


def taken_path(format: Format, path: PurePosixPath, *, directory: bool = False) -> Taken | None:
    """Whose the path is, of those that a package must not bring.

    A directory only collides with a file; those that several packages share are no matter here.
    """
    if directory:
        return taken(format, "etc", path.name) if str(path.parent) == "/etc" else None
    if kind := FOLDERS.get(str(path.parent)):
        name = path.name.removesuffix(".1.gz") if kind == "manual" else path.name
        return taken(format, kind, name) or (
            taken(format, kind, f"{name}/") if kind == "etc" else None
        )
    if path.parts[:2] == ("/", "etc"):
        below = taken(format, "etc", path.parts[2])
        return below or taken(format, "file", str(path.relative_to("/etc")))
    return None
