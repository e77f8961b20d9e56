"""What one `pkgrel build` makes packages of, and the making of them."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pkgrel import console
from pkgrel.errors import ConfigError

if TYPE_CHECKING:
    from pkgrel.config import Document
    from pkgrel.distro import Distro
    from pkgrel.package import Package


@dataclass(frozen=True, slots=True)
class Job:
    """What is the same for all releases of one command."""

    output: Path
    settings: "Document"
    folder: Path
    """Whose commits count."""
    version_from: str
    now: datetime
    warned: set[str] = field(default_factory=set)
    """What has been said: the release for each distro has the same flaws."""

    def warn(self, text: str) -> None:
        if text not in self.warned:
            self.warned.add(text)
            console.warn(text)


def packages(
    job: Job,
    source: Path,
    distro_names: tuple[str, ...],
    measured: Mapping[str, "Distro"],
    build_time: int | None,
) -> Iterator[tuple["Package", Path]]:
    """Plan all packages of a release, then write them."""
    from pkgrel import formats, plan, release
    from pkgrel.cli.targets import runnable

    with release.read(source) as read, formats.Payloads() as payloads:
        for warning in read.warnings:
            job.warn(warning)
        distros = runnable(source, read, job.settings, distro_names, measured)
        warn_of_old(job, distros)
        options = plan.Options(version=chosen_version(job, read.version), build_time=build_time)
        drafts = plan.drafts(read, job.settings, distros, options)
        for draft in drafts:
            for sentence in draft.advice:
                job.warn(sentence)
            # Threads compress while the rest is planned.
            formats.package_format(draft.format).start(draft, payloads)
        planned = [plan.package(draft) for draft in drafts]
        job.output.mkdir(parents=True, exist_ok=True)
        for package in planned:
            yield package, formats.write_package(package, job.output, payloads)


def warn_of_old(job: Job, distros: tuple["Distro", ...]) -> None:
    """Say, once, which distros their vendors support no longer."""
    for distro in distros:
        if distro.ended(date.today()):
            more = f"; extended: {distro.eol_extended}" if distro.eol_extended else ""
            job.warn(
                f"{distro.id}: {distro.title} has had no standard support since {distro.eol}{more}"
            )


def chosen_version(job: Job, release_version: str) -> str | None:
    """The version, if it is neither the release's nor the configuration's."""
    from pkgrel import version

    base = job.settings.base.package.version or release_version
    if job.version_from == version.Source.GIT:
        return version.from_git(base, job.folder)
    if job.version_from == version.Source.DATE:
        return version.from_date(base, job.now)
    return None


def now() -> datetime:
    """SOURCE_DATE_EPOCH or the clock; not a commit's date, of which two builds are two versions."""
    epoch = source_date_epoch()
    return datetime.now(UTC) if epoch is None else datetime.fromtimestamp(epoch, UTC)


def source_date_epoch() -> int | None:
    """https://reproducible-builds.org/specs/source-date-epoch/; ConfigError if it is no number."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    # A .deb's ar and an .rpm's header have room for 32 bits.
    if not text.isascii() or not text.isdigit() or int(text) >= 1 << 32:
        raise ConfigError(f"SOURCE_DATE_EPOCH: `{text}` is no number of seconds since 1970")
    return int(text)
