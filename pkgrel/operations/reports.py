"""`pkgrel fleet reports` and `pkgrel repo phase --auto`: reads hosts' reports and advances a phased version.

reports = operations.read_reports("s3://acme-reports", "hello")
operations.advance(repository, "hello", "1.1.0", reports)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pkgrel import distro as table
from pkgrel.errors import RepositoryError
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository import channels, selection
from pkgrel.repository.record import ALL, STOPPED
from pkgrel.repository.state import Repository
from pkgrel.repository.store.opening import Options as StoreOptions
from pkgrel.repository.store.opening import open_store
from pkgrel.repository.transaction import Outcome
from pkgrel.rollout import reports as told
from pkgrel.rollout.reports import Report, Tally, Verdict

STEPS = (10, 25, 50, 100)
"""Percentages of hosts, in order."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """What was decided about a version."""

    verdict: Verdict
    tally: Tally
    before: int
    """The percentage of hosts that it was offered to."""
    now: int
    """The percentage of hosts that it is offered to now."""
    outcome: Outcome


def read_reports(
    url: str, name: str = "", *, store: StoreOptions | None = None, reporter: Reporter = SILENT
) -> list[Report]:
    """The last report of each host, below a prefix of a bucket or directory; invalid reports cause warnings."""
    reports, problems = told.read(open_store(url, store), name)
    for problem in problems:
        reporter.warn(problem)
    return reports


def advance(
    repository: Repository,
    name: str,
    version: str,
    reports: Sequence[Report],
    *,
    channel: str = "stable",
    distros: Sequence[str] = (),
    bound: float = 5,
    least: int = 1,
    dry_run: bool = False,
) -> Advanced:
    """Offer the version to more hosts if it works, or to none if it fails on too many.

    `bound` is the tolerated percentage of failures, `least` how many hosts must run it before others get it.
    RepositoryError if there is no such version, or if it was stopped.
    """
    rows = table.select(distros)
    found = selection.find_packages(repository.view(), name, version, channel, rows)
    before = min(record.phase for records in found.values() for record in records)
    if before == STOPPED:
        raise RepositoryError(
            f"{name} {version} was stopped in {channel}",
            hint=f"if it is good after all: pkgrel repo phase {name} {version} {STEPS[0]}",
        )
    tally = told.tally([one for one in reports if one.package == name], version)
    verdict = tally.verdict(bound, least)
    now = before
    if verdict is Verdict.BAD:
        now = STOPPED
    elif verdict is Verdict.GOOD:
        now = next((step for step in STEPS if step > before), ALL)
    outcome = channels.set_phase(
        repository, name, version, channel, now, distros=rows, dry_run=dry_run
    )
    return Advanced(verdict, tally, before, now, outcome)
