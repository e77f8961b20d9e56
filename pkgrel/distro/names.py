"""Names that are already taken on hosts, or by packages of the distro's archive, where apt would take the higher version.

Source: `names.csv`, made by script/names from Debian systems, and from a manual list for others. A row has a kind, a
family of distros, whether every host has the name, the package, and names; `archive_names.bin`, which
`script/archive` makes from the Packages indices of Debian's suites. It has only 32 bits of each name's SHA-256, so one
in 45,000 free names seems to be taken. Ubuntu's suites are under those of Debian that they were made from. For rpm
distros nothing is known.
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
"""The kind of the names in a folder."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A name that is already taken."""

    kind: str
    name: str
    base: bool
    """Whether every host has it, not only those with a certain service."""
    package: str
    """The package that owns it; empty if unknown."""

    @property
    def owner(self) -> str:
        """The owner, in words: `of base-files`."""
        if self.package:
            return f"of {self.package}"
        return "of the base system" if self.base else "of another service"


@cache
def _rows() -> dict[str, list[list[str]]]:
    """Rows by kind. Names are separated by spaces and searched as text, so that they need no objects."""
    rows: dict[str, list[list[str]]] = {}
    with Path(__file__).with_name("names.csv").open(newline="", encoding="utf-8") as table:
        for kind, *row, names in csv.reader(table):
            rows.setdefault(kind, []).append([*row, f" {names} "])
    return rows


@cache
def taken(format: Format, kind: str, name: str) -> Taken | None:
    """The owner of the name on hosts with the format; None if it is free."""
    sought = f" {name} "
    found = None
    for family, level, package, names in _rows()[kind]:
        if sought in names and family in ("all", format):
            found = Taken(kind, name.rstrip("/"), level == "base", package)
            if found.base:
                break
    return found


def taken_path(format: Format, path: PurePosixPath, *, directory: bool = False) -> Taken | None:
    """The owner of a path that packages must not have; None if it is free.

    A directory conflicts only with a file; directories that packages share do not matter.
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
    """Suites, oldest first: the bits of a mask, lowest first."""
    distros: dict[str, str]
    """Distros, and the suites that they are or are derived from."""
    counts: bytes
    """The number of hashes with the same first two bytes."""
    rests: memoryview
    """The next two bytes of each hash, sorted."""
    masks: bytes
    """The mask of each."""


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
    """The date of the indices."""
    return _table().date


def archive_has(distro: Distro | None, name: str) -> tuple[str, ...]:
    """The suites with a package of the name, from the distro's on, since a host may be upgraded to a later one.

    Without a distro all suites; empty also for a distro of which nothing is known.
    """
    table = _table()
    if distro and distro.id not in table.distros:
        return ()
    first = table.suites.index(table.distros[distro.id]) if distro else 0
    mask = _mask(table, name)
    return tuple(suite for n, suite in enumerate(table.suites) if n >= first and mask >> n & 1)


def free(distro: Distro, name: str) -> str:
    """A similar name that no suite has."""
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
    """The bucket of a name, and its stored bytes."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:2]), digest[2:4]


def encode(about: dict[str, object], names: dict[str, int]) -> bytes:
    """The contents of the file, for names with their masks."""
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
