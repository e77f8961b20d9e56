"""`pkgrel build`."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli.options import config_option, distro_option
from pkgrel.cli.settings import document
from pkgrel.errors import ConfigError

if TYPE_CHECKING:
    from pkgrel.builder.options import Options as BuildOptions
    from pkgrel.config import Document
    from pkgrel.distro import Distro
    from pkgrel.package import Package


@click.command("build")
@click.argument("source", type=click.Path(exists=True, path_type=Path), default=".")
@distro_option
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default="dist",
    show_default=True,
    help="Folder for the packages.",
)
@config_option
@click.option(
    "--version-from",
    type=click.Choice(["release", "git", "date"]),
    default="release",
    show_default=True,
    help="git and date: a version that grows with every build.",
)
@click.option(
    "--builder",
    type=click.Choice(["docker", "host"]),
    envvar="PKGREL_BUILDER",
    help="Where a project is built: in images of the distros (default), or by this machine's mix.",
)
@click.option("--release", "release_name", default="", metavar="NAME", help="Release of mix.exs.")
@click.option(
    "--arch",
    type=click.Choice(["amd64", "arm64"]),
    help="Architecture to build a project for, if not that of the Docker daemon.",
)
@click.option(
    "-j", "--jobs", type=click.IntRange(1), help="Builds side by side; default: half the cores."
)
@click.option("--json", "as_json", is_flag=True, help="Print the packages as JSON.")
def command(
    source: Path,
    distros: tuple[str, ...],
    output: Path,
    config_file: Path | None,
    version_from: str,
    builder: str | None,
    release_name: str,
    arch: str | None,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Package the release SOURCE for each distro.

    SOURCE is a mix or rebar3 project, which is built in a Docker image of each distro first; or the
    tarball that `mix release` (with `steps: [:assemble, :tar]`), relx or Distillery wrote; or the
    unpacked release, such as _build/prod/rel/hello. The paths of the packages are printed, one a
    line. SOURCE_DATE_EPOCH is honoured.

    \b
    pkgrel build . --distro debian12 --distro ubuntu24 --distro el10
    pkgrel build hello-1.0.0.tar.gz --distro debian12
    pkgrel build _build/prod/rel/hello --distro all --output packages
    """
    from pkgrel.builder.options import Options
    from pkgrel.config.build import Builder

    options = Options(
        builder=Builder(builder) if builder else None,
        release=release_name,
        architecture=arch or "",
        jobs=jobs or 0,
        date=_source_date_epoch(),
        left_out=(output.resolve(),),
    )
    made: list[dict[str, Any]] = []
    try:
        for package, path in _build(source, distros, output, config_file, version_from, options):
            made.append(_as_json(package, path))
            if not as_json:
                click.echo(str(path))
    finally:
        # One distro's build may fail: the packages of the others are there.
        if as_json and (made or not sys.exc_info()[0]):
            click.echo(json.dumps(made, indent=2))


def _build(
    source: Path,
    distro_names: tuple[str, ...],
    output: Path,
    config_file: Path | None,
    version_from: str,
    options: "BuildOptions",
) -> Iterator[tuple["Package", Path]]:
    """Packages of SOURCE, whatever it is; each is yielded when its file is complete."""
    from pkgrel import config, distro
    from pkgrel.builder.project import find
    from pkgrel.cli import project as projects

    distro.select(distro_names)  # a typing error is said before a large release is read
    found = find(source)
    own = config.find_file(found.folder) if found else None
    settings = document(config_file or own, source)

    job = _Job(output, settings, version_from, _now())
    if found:
        write = partial(_package, job)
        yield from projects.packages(found, settings, distro_names, options, write)
    else:
        projects.refuse_options(options)
        yield from _package(job, source, distro_names, {}, options.date)


@dataclass(frozen=True, slots=True)
class _Job:
    """What is the same for all releases of one command."""

    output: Path
    settings: "Document"
    version_from: str
    now: datetime
    warned: set[str] = field(default_factory=set)
    """What has been said: the release for each distro has the same flaws."""

    def warn(self, text: str) -> None:
        if text not in self.warned:
            self.warned.add(text)
            console.warn(text)


def _package(
    job: _Job,
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
        _warn_of_old(distros)
        options = plan.Options(version=_version(job, read.version), build_time=build_time)
        drafts = plan.drafts(read, job.settings, distros, options)
        for draft in drafts:
            # Threads compress while the rest is planned.
            formats.writer(draft.format).start(draft, payloads)
        packages = [plan.package(draft) for draft in drafts]
        job.output.mkdir(parents=True, exist_ok=True)
        for package in packages:
            yield package, formats.write_package(package, job.output, payloads)


def _warn_of_old(distros: tuple["Distro", ...]) -> None:
    for distro in distros:
        if distro.ended(date.today()):
            more = f"; extended: {distro.eol_extended}" if distro.eol_extended else ""
            console.warn(
                f"{distro.id}: {distro.title} has had no standard support since {distro.eol}{more}"
            )


def _version(job: _Job, release_version: str) -> str | None:
    """The version, if it is neither the release's nor the configuration's."""
    from pkgrel import version

    base = job.settings.base.package.version or release_version
    if job.version_from == version.Source.GIT:
        return version.from_git(base, job.settings.folder)
    if job.version_from == version.Source.DATE:
        return version.from_date(base, job.now)
    return None


def _now() -> datetime:
    """SOURCE_DATE_EPOCH or the clock; not a commit's date, of which two builds are two versions."""
    epoch = _source_date_epoch()
    return datetime.now(UTC) if epoch is None else datetime.fromtimestamp(epoch, UTC)


def _source_date_epoch() -> int | None:
    """https://reproducible-builds.org/specs/source-date-epoch/; ConfigError if it is no number."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    # A .deb's ar and an .rpm's header have room for 32 bits.
    if not text.isascii() or not text.isdigit() or int(text) >= 1 << 32:
        raise ConfigError(f"SOURCE_DATE_EPOCH: `{text}` is no number of seconds since 1970")
    return int(text)


def _as_json(package: "Package", path: Path) -> dict[str, Any]:
    return {
        "path": str(path),
        "format": package.format,
        "distro": package.distro,
        "name": package.name,
        "version": str(package.version),
        "architecture": package.architecture,
        "size": path.stat().st_size,
    }
