"""`pkgrel build`: packages a release, or a project that is first built for each distro."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pkgrel import config, console, distro, formats, plan, release, version
from pkgrel.builder import project as projects
from pkgrel.builder.project import Options, Project
from pkgrel.config import Document
from pkgrel.config.delivery import Builder
from pkgrel.distro import Distro
from pkgrel.errors import ConfigError, PackageError, PkgrelError, PlanError
from pkgrel.operations.targets import ALL, Origin, named, runnable
from pkgrel.package import Package
from pkgrel.reporter import SILENT, Reporter

if TYPE_CHECKING:
    from pkgrel.builder.releases import Outcome
    from pkgrel.operations import provenance
    from pkgrel.release.model import Release
    from pkgrel.signing import Signer


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What to package, and how."""

    source: Path
    """A project of mix or rebar3, the tarball of a release, or an unpacked release."""
    distros: Sequence[str]
    """Ids and aliases of the table; `all` for those that can run the release."""
    output: Path = Path("dist")
    config_file: Path | None = None
    """Settings; by default the pkgrel.toml of this folder, of the project, or of one above."""
    version_from: version.Source = version.Source.RELEASE
    options: Options = field(default_factory=Options)
    signer: Signer | None = None
    """The key for a signed statement beside each package about how it was built."""


@dataclass(frozen=True, slots=True)
class Built:
    """A finished package."""

    package: Package
    file: Path


def build(request: BuildRequest, reporter: Reporter = SILENT) -> Iterator[Built]:
    """Make the packages; each is yielded when its file is complete.

    As far as possible errors are raised before anything is written, and before a project is built. When the build
    for one distro fails the others go on, and the last failure is raised.
    """
    distro.select(request.distros)  # report typos before a large release is read
    project = projects.find(request.source)
    found = config.find_file(project.folder) if project else None
    settings = config.of(request.source, request.config_file or found)
    reporter.detail(
        f"settings: {settings.file if settings.file.exists() else 'none, all by default'}"
    )
    folder = project.folder if project else settings.folder
    build = _Build(request, settings, folder, reporter, project.folder if project else None)
    # Before minutes of building: can the result be numbered and written?
    refuse_unwritable(request.output)
    build.version(settings.base.package.version or "0")
    if project:
        build.warn_of_old(named(request.distros))
        yield from _of_project(build, project)
    else:
        _refuse_options(request.options)
        date = request.options.date
        yield from build.packages(request.source, str(request.source), request.distros, date)


@dataclass(frozen=True, slots=True)
class _Build:
    """State that all releases of one request share."""

    request: BuildRequest
    settings: Document
    folder: Path
    """The folder whose commits `--version-from git` counts."""
    reporter: Reporter
    project: Path | None = None
    """The folder of the project, if there is one."""
    now: datetime = field(default_factory=lambda: now())
    warned: set[str] = field(default_factory=set)
    """Warnings already given: the releases for all distros have the same flaws."""

    def packages(
        self,
        source: Path,
        title: str,
        names: Sequence[str],
        build_time: int | None,
        origin: Origin = Origin.GIVEN,
        measured: Mapping[str, Distro] | None = None,
        outcome: Outcome | None = None,
    ) -> Iterator[Built]:
        """Plan all packages of a release, then write them; errors call the release by its title."""
        with release.read(source, title=title) as read, formats.Payloads() as payloads:
            self.reporter.detail(
                f"{title}: {read.kind} release {read.name} {read.version} for {read.architecture}, ERTS"
                f" {read.erts}, {console.counted(len(read.entries), 'entry', 'entries')},"
                f" {console.amount(read.size)}"
            )
            for warning in read.warnings:
                self.warn(warning)
            distros = runnable(
                read, title, self.settings, names, self.reporter, origin=origin, measured=measured
            )
            self.warn_of_old(distros)
            options = plan.Options(
                version=self.version(read.version),
                build_time=build_time,
                project=self.project,
                licences=outcome.licences if outcome else {},
            )
            drafts = plan.drafts(read, self.settings, distros, options)
            for draft in drafts:
                for sentence in draft.warnings:
                    self.warn(sentence)
                # Threads compress while the rest is planned.
                formats.package_format(draft.format).start(draft, payloads)
            planned = plan.of_drafts(drafts, self.settings)
            signer = self.request.signer
            of = self.origin(source, read, outcome) if signer else None
            self.request.output.mkdir(parents=True, exist_ok=True)
            for package in planned:
                file = formats.write_package(package, self.request.output, payloads)
                self.reporter.detail(
                    f"{file}: for {package.distro}, {package.compression}, {console.amount(file.stat().st_size)}"
                )
                if signer and of:
                    from pkgrel.operations import provenance

                    provenance.write(package, file, of, signer)
                yield Built(package, file)

    def origin(self, source: Path, read: Release, outcome: Outcome | None) -> provenance.Origin:
        """The origin of the release's packages, for their provenance."""
        from pkgrel.operations import provenance

        if outcome is None or self.project is None:
            return provenance.of_release(source, read, self.settings)
        parameters = {
            "release": self.request.options.release,
            "architecture": self.request.options.architecture,
            "versionFrom": self.request.version_from.value,
        }
        return provenance.of_project(self.project, read, self.settings, outcome, parameters)

    def version(self, release_version: str) -> str | None:
        """The version, if it comes from neither the release nor the settings."""
        base = self.settings.base.package.version or release_version
        match self.request.version_from:
            case version.Source.RELEASE:
                return None
            case version.Source.GIT:
                return version.from_git(base, self.folder)
            case version.Source.DATE:
                return version.from_date(base, self.now)

    def warn(self, text: str) -> None:
        if text not in self.warned:
            self.warned.add(text)
            self.reporter.warn(text)

    def warn_of_old(self, distros: Sequence[Distro]) -> None:
        """Warn, once each, about distros that are out of support."""
        for row in distros:
            if row.ended(date.today()):
                more = f"; extended: {row.eol_extended}" if row.eol_extended else ""
                self.warn(
                    f"{row.id}: {row.title} has had no standard support since {row.eol}{more}"
                )


def _of_project(build: _Build, project: Project) -> Iterator[Built]:
    """Build a release for each distro, then package what could be built."""
    from pkgrel.builder import releases

    rows = _rows(build, project)
    _refuse_hopeless(build, rows)
    options = build.request.options
    failures: list[PkgrelError] = []
    with releases.built(project, build.settings, rows, options, build.reporter) as outcomes:
        for outcome in outcomes:
            try:
                yield from _of_outcome(build, project, outcome)
            except PkgrelError as e:
                failures.append(e)
    for failure in failures[:-1]:
        build.reporter.failed(failure)
    if failures:
        raise failures[-1]


def _rows(build: _Build, project: Project) -> tuple[Distro, ...]:
    """The distros to build for; `all` stands for those whose image can have the project's tools."""
    from pkgrel.builder import releases
    from pkgrel.builder.recipe import Recipe, for_project
    from pkgrel.operations.images import possible

    names, options = build.request.distros, build.request.options
    everything = ALL in map(str.lower, names)
    if not everything or releases.builder(build.settings, options) is Builder.HOST:
        return distro.select(names)

    def recipe_of(row: Distro) -> Recipe:
        architecture = (
            options.architecture or "amd64"
        )  # only to have a recipe: nothing here depends on it
        settings = build.settings.resolve(row).build
        return for_project(project, settings, row, architecture, build.settings.folder)

    return tuple(possible(names, recipe_of, build.reporter))


def _refuse_hopeless(build: _Build, rows: tuple[Distro, ...]) -> None:
    """Raise an error of pkgrel.toml for a distro that was named, or one that affects all of them."""
    from pkgrel import plan

    for row in named(build.request.distros):
        if why := plan.refusal_of(build.settings, row):
            raise why
    first, *others = rows
    if (why := plan.refusal_of(build.settings, first)) and all(
        plan.refusal_of(build.settings, row) for row in others
    ):
        raise why


def _of_outcome(build: _Build, project: Project, outcome: Outcome) -> Iterator[Built]:
    if outcome.file is None:
        raise outcome.error or PlanError(f"{project.folder}: nothing was built")
    for sentence in outcome.drift:
        build.reporter.warn(sentence)
    title = os.path.relpath(project.folder)
    if not outcome.measured:
        # Built on this machine, for all distros that can run the result.
        yield from build.packages(
            outcome.file,
            title,
            build.request.distros,
            outcome.date,
            Origin.HOST,
            outcome=outcome,
        )
        return
    # Built in an image, for its distro.
    measured = {row.id: row for row in outcome.distros}
    title = f"{title} for {next(iter(measured))}"
    yield from build.packages(
        outcome.file, title, tuple(measured), outcome.date, Origin.IMAGE, measured, outcome
    )


def _refuse_options(options: Options) -> None:
    """PlanError for an option that applies only to projects."""
    given = replace(options, builder=None, date=None, left_out=())
    if given != Options():
        raise PlanError(
            "--release, --arch, --jobs and --no-cache are for a project, and SOURCE is a release",
            hint="leave them out, or give the folder with mix.exs",
        )


def refuse_unwritable(folder: Path) -> None:
    """PackageError if no file can be created in the folder; the folder itself is not created yet.

    The existing part of its path must be a directory, and writable.
    """
    for there in (folder, *folder.parents):
        if not os.path.lexists(there):
            continue
        if not there.is_dir():
            raise PackageError(
                f"{folder}: no packages can be written there: `{there}` is not a directory",
                hint="name another folder with `--output`",
            )
        if not os.access(there, os.W_OK | os.X_OK):
            raise PackageError(
                f"{folder}: no packages can be written there: `{there}` is not writable",
                hint="name another folder with `--output`, or change its mode",
            )
        return


def now() -> datetime:
    """SOURCE_DATE_EPOCH or the clock; not a commit's date, since two builds of it are two versions."""
    epoch = source_date_epoch()
    return datetime.now(UTC) if epoch is None else datetime.fromtimestamp(epoch, UTC)


def source_date_epoch() -> int | None:
    """https://reproducible-builds.org/specs/source-date-epoch/; ConfigError if it is not a number."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    # A .deb's ar and an .rpm's header have room for 32 bits.
    if not text.isascii() or not text.isdigit() or int(text) >= 1 << 32:
        raise ConfigError(f"SOURCE_DATE_EPOCH: `{text}` is not a number of seconds since 1970")
    return int(text)
