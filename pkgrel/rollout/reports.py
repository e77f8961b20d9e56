"""What hosts have told of themselves: JSON objects below a prefix, PACKAGE/MACHINE.json, one a host.

A host writes it for itself (`packaging_templates/scripts/report`), with what rights the bucket gives it. So a report
is believed as little as anything else in a bucket: one that is not a report is passed over and said.
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
"""Bytes: forty lines of 500 characters, escaped, are less."""
_KEY = re.compile(r"(?:.*/)?([a-z0-9][a-z0-9+.-]{0,100})/[0-9a-f]{32}\.json")
_Version = Annotated[str, re.compile(r"[0-9A-Za-z.+~:^_-]{0,200}")]
_Word = Annotated[str, re.compile(r"[ -~]{0,255}")]

DONE = "upgraded"
_FAILURES = ("rolled back", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The last that a host has told."""

    package: _Word
    machine: _Word
    """The same for the same machine and package, and not its machine-id."""
    host: _Word
    """What it is called, by itself."""
    distro: _Word
    time: Time
    version: _Version
    """That is installed,"""
    before: _Version = ""
    """and that was."""
    wanted: _Version = ""
    """What it tried to install; empty if nothing."""
    result: _Word = ""
    """`upgraded`, `rolled back`, `failed`, or `unchanged`."""
    state: _Word = ""
    """systemd's ActiveState."""
    journal: tuple[Prose, ...] = ()
    """What the service said while it failed."""


class Verdict(StrEnum):
    """Whether a version may go on to more hosts."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"
    """Too few hosts have told of it."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How a version fares."""

    works: tuple[Report, ...]
    fails: tuple[Report, ...]

    def verdict(self, bound: float, least: int) -> Verdict:
        """Bad if more than `bound` percent of the hosts failed; unknown while fewer than `least` have it."""
        told = len(self.works) + len(self.fails)
        if self.fails and len(self.fails) * 100 > bound * told:
            return Verdict.BAD
        return Verdict.GOOD if len(self.works) >= least else Verdict.UNKNOWN


def read(store: Store, name: str = "") -> tuple[list[Report], list[str]]:
    """All reports, or those of a package, by package and host; and what is wrong with others."""
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
        # A line of a journal may be cut within a character.
        data = object.data.decode(errors="replace").encode()
        report = typed.read(Report, typed.document(data, entry.key), entry.key)
        place = f"{report.package}/{report.machine}.json"
        if entry.key.endswith(place):
            return report
        return f"{entry.key}: is the report of `{report.package}` on another machine"
    except RepositoryError as e:
        return str(e)


def tally(reports: Iterable[Report], version: str) -> Tally:
    """The hosts that run the version, and those on which it failed."""
    works, fails = [], []
    for one in reports:
        has = bool(one.version) and is_version(one.version, version)
        tried = bool(one.wanted) and is_version(one.wanted, version)
        if (tried and one.result in _FAILURES) or (has and one.state == "failed"):
            fails.append(one)
        elif has:
            works.append(one)
    return Tally(tuple(works), tuple(fails))
