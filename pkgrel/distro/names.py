"""Names that are taken: by hosts, and by the distro's own archive.

Whether a distro's own archive has a package of a name: apt takes whichever version is higher.

Source: `names.csv`, made by script/names from Debian's roots, and from what it lists by hand for the others. A
row is a kind, a family of distros, how sure it is that a host has it, the package, and names;
`archive_names.bin`, which `script/archive` makes from the Packages indices of Debian's suites. A name is not in
it but 32 bits of its SHA-256, so one in 45,000 names that nobody has seems to be taken. Ubuntu's suites stand
under those of Debian which they were made from. Of rpm distros nothing is known.
"""

import csv
import hashlib
import json
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from pkgrel.distro import Distro, Format

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


_FORMAT = 1
_BUCKETS = 1 << 16


@dataclass(frozen=True, slots=True)
class _Table:
    date: str
    suites: tuple[str, ...]
    """Oldest first; the bits of a mask, lowest first."""
    distros: dict[str, str]
    """Ids and the suites that they are or stand under."""
    counts: bytes
    """How many names have these two bytes in front."""
    rests: memoryview
    """The next two bytes, sorted by all four."""
    masks: bytes
    """The suites of each."""


@cache
def _table() -> _Table:
    data = Path(__file__).with_name("archive_names.bin").read_bytes()
    line, _, names = data.partition(b"\n")
    about = json.loads(line)
    if about["format"] != _FORMAT:
        raise ValueError(f"archive_names.bin has the format {about['format']}")
    counts, names = names[:_BUCKETS], names[_BUCKETS:]
    number = len(names) // 3
    return _Table(
        about["date"],
        tuple(about["suites"]),
        about["distros"],
        counts,
        memoryview(names)[: 2 * number],
        names[2 * number :],
    )


def date() -> str:
    """When the archives were looked at."""
    return _table().date


def archive_has(distro: Distro | None, name: str) -> tuple[str, ...]:
    """The suites that have a package of the name, from the distro's own on: a host may become one of those.

    Without a distro all suites; empty as well for a distro of which nothing is known.
    """
    table = _table()
    if distro and distro.id not in table.distros:
        return ()
    first = table.suites.index(table.distros[distro.id]) if distro else 0
    mask = _mask(table, name)
    return tuple(suite for n, suite in enumerate(table.suites) if n >= first and mask >> n & 1)


def free(distro: Distro, name: str) -> str:
    """A name like it that no suite has."""
    tried = (f"{name}-{more}" for more in ("app", "service", "server", "release"))
    return next((other for other in tried if not archive_has(distro, other)), f"my-{name}")


def _mask(table: _Table, name: str) -> int:
    bucket, rest = key(name)
    start = sum(table.counts[:bucket])
    rests = [
        bytes(table.rests[2 * n : 2 * n + 2]) for n in range(start, start + table.counts[bucket])
    ]
    at = bisect_left(rests, rest)
    return table.masks[start + at] if at < len(rests) and rests[at] == rest else 0


def key(name: str) -> tuple[int, bytes]:
    """Where a name is, and what is kept of it."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:2]), digest[2:4]


def encode(about: dict[str, object], names: dict[str, int]) -> bytes:
    """The file, for names with their masks."""
    keys: dict[tuple[int, bytes], int] = {}
    for name, mask in names.items():
        keys[key(name)] = keys.get(key(name), 0) | mask
    counts = bytearray(_BUCKETS)
    for bucket, _ in keys:
        counts[bucket] += 1
    rows = sorted(keys.items())
    rests = b"".join(rest for (_, rest), _ in rows)
    line = json.dumps({"format": _FORMAT, **about}).encode()
    return line + b"\n" + counts + rests + bytes(mask for _, mask in rows)
