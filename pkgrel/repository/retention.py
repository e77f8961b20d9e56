"""How many versions of a package a channel keeps."""

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

from pkgrel.repository import order
from pkgrel.repository.record import Record


def keep(records: Iterable[Record], count: int) -> list[Record]:
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
