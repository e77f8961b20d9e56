"""Reads reports of hosts: JSON objects PACKAGE/MACHINE.json below a prefix, one for each host.

Hosts write them (`packaging_templates/scripts/report`) with whatever rights the bucket grants, so reports are as
untrusted as anything else in a bucket: an invalid one is skipped and listed as a problem.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pkgrel.errors import RepositoryError
from pkgrel.repository import typed
from pkgrel.repository.store import Entry, Store
from pkgrel.repository.typed import Prose, Time
from pkgrel.rollout.steps import is_version

_THREADS = 16
_LARGEST = 1 << 18
"""Bytes; forty lines of 500 characters are less, even escaped."""
_KEY = re.compile(r"(?:.*/)?([a-z0-9][a-z0-9+.-]{0,100})/[0-9a-f]{32}\.json")
_Version = Annotated[str, re.compile(r"[0-9A-Za-z.+~:^_-]{0,200}")]
_Word = Annotated[str, re.compile(r"[ -~]{0,255}")]

DONE = "upgraded"
_FAILURES = ("rolled back", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The last report of a host."""

    package: _Word
    machine: _Word
    """Identifies the machine for this package only; not its machine-id."""
    host: _Word
    """The host's name for itself."""
    distro: _Word
    time: Time
    version: _Version
    """The installed version."""
    before: _Version = ""
    """The version before it."""
    wanted: _Version = ""
    """The version that it tried to install; empty if none."""
    result: _Word = ""
    """`upgraded`, `rolled back`, `failed`, or `unchanged`."""
    state: _Word = ""
    """systemd's ActiveState."""
    journal: tuple[Prose, ...] = ()
    """Lines of the service's journal during the failure."""


class Verdict(StrEnum):
    """Whether a version may be offered to more hosts."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"
    """Too few hosts have reported on it."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The hosts that a version works on, and those that it failed on."""

    works: tuple[Report, ...]
    fails: tuple[Report, ...]

    def verdict(self, bound: float, least: int) -> Verdict:
        """Bad if it failed on more than `bound` percent of the hosts; unknown if it works on fewer than `least`."""
        told = len(self.works) + len(self.fails)
        if self.fails and len(self.fails) * 100 > bound * told:
            return Verdict.BAD
        return Verdict.GOOD if len(self.works) >= least else Verdict.UNKNOWN


def read(store: Store, name: str = "") -> tuple[list[Report], list[str]]:
    """All reports, or those of one package, sorted by package and host; and the problems with invalid ones."""
    found = ((_KEY.fullmatch(entry.key), entry) for entry in store.list(f"{name}/" if name else ""))
    entries = [entry for match, entry in found if match and name in ("", match[1])]
    reports, problems = [], []
    with ThreadPoolExecutor(_THREADS) as pool:
        for answer in pool.map(lambda entry: _read(store, entry), entries):
            if isinstance(answer, Report):
                reports.append(answer)
            else:
                problems.append(answer)
    return sorted(reports, key=lambda one: (one.package, one.host, one.machine)), problems


def _read(store: Store, entry: Entry) -> Report | str:
    try:
        if entry.size > _LARGEST:
            return f"{entry.key}: is too large for a report"
        object = store.get(entry.key)
        if object is None:
            return f"{entry.key}: has gone meanwhile"
        # The host may have cut a line of the journal within a UTF-8 character.
        data = object.data.decode(errors="replace").encode()
        report = typed.read(Report, typed.document(data, entry.key), entry.key)
        place = f"{report.package}/{report.machine}.json"
        if entry.key.endswith(place):
            return report
        return f"{entry.key}: is the report of `{report.package}` on another machine"
    except RepositoryError as e:
        return str(e)


def tally(reports: Iterable[Report], version: str) -> Tally:
    """Count the hosts that run the version, and those that it failed on."""
    works, fails = [], []
    for one in reports:
        has = bool(one.version) and is_version(one.version, version)
        tried = bool(one.wanted) and is_version(one.wanted, version)
        if (tried and one.result in _FAILURES) or (has and one.state == "failed"):
            fails.append(one)
        elif has:
            works.append(one)
    return Tally(tuple(works), tuple(fails))
