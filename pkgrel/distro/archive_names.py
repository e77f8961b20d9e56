"""Whether a distro's own archive has a package of a name: apt takes whichever version is higher.

Source: `archive_names.bin`, which `script/archive` makes from the Packages indices of Debian's suites. A
name is not in it but 32 bits of its SHA-256, so one in 45,000 names that nobody has seems to be taken.
Ubuntu's suites stand under those of Debian which they were made from. Of rpm distros nothing is known.
"""

import hashlib
import json
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pkgrel.distro import Distro

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
    data = Path(__file__).with_suffix(".bin").read_bytes()
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


def taken(distro: Distro | None, name: str) -> tuple[str, ...]:
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
    return next((other for other in tried if not taken(distro, other)), f"my-{name}")


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
