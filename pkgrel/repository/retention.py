"""How many versions of a package a channel keeps."""

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from pkgrel.repository import order
from pkgrel.repository.order import Versioned

V = TypeVar("V", bound=Versioned)


def keep(records: Iterable[V], count: int) -> list[V]:
    """The records, in their order, without all but the newest `count` versions of a name; 0 keeps all."""
    records = list(records)
    if not count:
        return records
    old: set[tuple[str, str]] = set()
    for name, group in groupby(sorted(records, key=attrgetter("name")), attrgetter("name")):
        versions = list(group)
        if len(versions) > count:
            newest = sorted(versions, key=order.key, reverse=True)
            old |= {(name, record.version) for record in newest[count:]}
    return [record for record in records if (record.name, record.version) not in old]


def survivors(
    present: Iterable[Versioned], new: Iterable[Versioned], count: int
) -> set[tuple[str, str]]:
    """The names and versions that are left when the new ones come."""
    merged = {(each.name, each.version): each for each in (*present, *new)}
    return {(each.name, each.version) for each in keep(merged.values(), count)}
