"""Holds this machine's clock against the store's, and the dates of indices against the time.

apt finds an index of the future "not valid yet", and no signature of the future is good. A clock that is
behind does harm as well: indices expire too early, and gc would take what a publish goes by. So nothing is
signed and nothing deleted by a clock that is more than a minute off.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

from pkgrel.errors import RepositoryError
from pkgrel.repository import layout
from pkgrel.repository.head import Head
from pkgrel.repository.kind import kind_of
from pkgrel.repository.settings import Settings
from pkgrel.repository.store import Kind, Store

LIMIT = 60
"""Seconds that a clock may be off the store's."""
HINT = "set the clock, such as with `timedatectl set-ntp true`"
DAY = 24 * 3600
_UNITS = ((365 * DAY, "years"), (DAY, "days"), (3600, "hours"), (60, "minutes"))


@dataclass(frozen=True, slots=True)
class RefusedDate:
    """What has a date that clients refuse."""

    key: str
    why: str


def offset(store: Store) -> float:
    """By how many seconds this machine's clock is ahead of the store's; negative if it is behind."""
    probe = f"{layout.PROBES}{uuid.uuid4().hex}"
    began = time.time()
    store.overwrite(probe, b"", Kind.POINTER)
    try:
        return _off(store, probe, began)
    finally:
        store.delete([probe])


def require(store: Store) -> None:
    """RepositoryError if this machine's clock is off the store's."""
    _refuse(store, offset(store))


def require_of(store: Store, key: str, began: float) -> None:
    """The same by an object that was written just now, after `began`."""
    _refuse(store, _off(store, key, began))


def problem(seconds: float) -> str:
    """What is wrong with this machine's clock; empty if it is right."""
    if abs(seconds) <= LIMIT:
        return ""
    where = "ahead of" if seconds > 0 else "behind"
    return f"this machine's clock is {duration(seconds)} {where} the store's"


def next_time(before: Head) -> int:
    """The date of the next state: none is older than the one before, unless that was made by a clock which
    was ahead. Two clocks may be off, one ahead and one behind."""
    now = int(time.time())
    return before.time if now < before.time <= now + 2 * LIMIT else now


def refused_dates(settings: Settings, head: Head, now: float) -> list[RefusedDate]:
    """What has a date that clients refuse: of the future, or expired."""
    found = []
    if (ahead := head.time - now) > 2 * LIMIT:
        found.append(RefusedDate(layout.HEAD, f"is dated {duration(ahead)} in the future"))
    for folder, target in sorted(head.targets.items()):
        kind = kind_of(folder)
        key = f"{folder}/{kind.DATED}"
        end = kind.expires(settings, target)
        if (ahead := target.time - now) > 2 * LIMIT:
            found.append(
                RefusedDate(key, f"is dated {duration(ahead)} in the future{kind.TOO_EARLY}")
            )
        elif end is not None and end <= now:
            found.append(RefusedDate(key, f"has expired {duration(end - now)} ago{kind.TOO_LATE}"))
    return found


def valid_for(settings: Settings, head: Head, now: float) -> float | None:
    """Seconds until the first index expires; None if none ever does."""
    ends = (kind_of(folder).expires(settings, target) for folder, target in head.targets.items())
    return min((end - now for end in ends if end is not None), default=None)


def duration(seconds: float) -> str:
    """`3 hours`."""
    amount = abs(seconds)
    for length, unit in _UNITS:
        if amount >= 2 * length:
            return f"{amount / length:.0f} {unit}"
    return f"{amount:.0f} s"


def _off(store: Store, key: str, began: float) -> float:
    # However long the requests take, the store's time lies between these two.
    entry, ended = store.stat(key), time.time()
    if entry is None:
        return 0
    return max(began - entry.modified, 0) or min(ended - entry.modified, 0)


def _refuse(store: Store, seconds: float) -> None:
    if said := problem(seconds):
        raise RepositoryError(f"{store.url}: {said}", hint=f"{HINT}; nothing was changed")
