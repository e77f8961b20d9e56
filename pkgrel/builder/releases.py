"""Builds the releases of a project: a tarball for each distro, or an error.

with releases.built(project, document, distros, options) as outcomes:
    for outcome in outcomes: ...
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from pkgrel import scratch
from pkgrel.builder import (
    docker_daemon,
    host,
    in_docker,
    parallel,
    reaper,
    secrets,
    sources,
    toolchain,
)
from pkgrel.builder.hex_metadata import Licences
from pkgrel.builder.image_inventory import Image
from pkgrel.builder.project import Options, Project, ReleaseRequest, source_date
from pkgrel.config import Document
from pkgrel.config.delivery import Builder, BuildSettings
from pkgrel.distro import Distro
from pkgrel.errors import PkgrelError
from pkgrel.reporter import Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The release for one or more distros, or an error."""

    distros: tuple[Distro, ...]
    measured: bool = False
    """`distros` have the versions of the image that it was built in."""
    date: int
    """Modification time of the sources, seconds since 1970."""
    file: Path | None = None
    drift: tuple[str, ...] = ()
    sources: str = ""
    """SHA-256 of the sources."""
    image: Image | None = None
    """The image that it was built in."""
    base: str = ""
    """The base image in its registry, `NAME@sha256:…`."""
    licences: Licences = field(default_factory=dict)
    """Licences of Hex packages."""
    error: PkgrelError | None = None


def builder(document: Document, options: Options) -> Builder:
    """Where a project is built."""
    return options.builder or document.base.build.builder


@contextmanager
def built(
    project: Project,
    document: Document,
    distros: tuple[Distro, ...],
    options: Options,
    reporter: Reporter,
) -> Iterator[tuple[Outcome, ...]]:
    """Build for each distro, in order; the tarballs are removed at the end of the `with` block.

    BuildError if nothing can be built at all; an error for one distro is in its Outcome.
    """
    date = source_date(project) if options.date is None else options.date
    include = [document.folder.resolve() / path for path in document.base.build.include]
    with (
        sources.snapshot(project, date, options.left_out, include) as snapshot,
        scratch.folder() as folder,
    ):
        for warning in snapshot.warnings:
            reporter.warn(warning)

        def request_for(settings: BuildSettings, name: str) -> ReleaseRequest:
            return ReleaseRequest(
                project=project,
                snapshot=snapshot,
                settings=replace(settings, release=options.release or settings.release),
                folder=document.folder,
                architecture=options.architecture,
                fresh=options.fresh,
                file=folder / f"{name}.tar",
            )

        if builder(document, options) is Builder.HOST:
            yield (_on_host(request_for(document.base.build, host.NAME), distros, reporter),)
            return
        requests = {row: request_for(document.resolve(row).build, row.id) for row in distros}
        _report_environment(project, [made.settings for made in requests.values()], reporter)
        yield _in_docker(requests, options.jobs, reporter)


def _report_environment(
    project: Project, settings: Sequence[BuildSettings], reporter: Reporter
) -> None:
    """Say what of this machine builds in Docker can use, and which variables they may miss."""
    given = {name for one in settings for name in _given(one)}
    if names := tuple(toolchain.withheld(project.folder, given)):
        reporter.warn(_withheld(names))
    for lent in dict.fromkeys(map(secrets.lent, settings)):
        if lent:
            reporter.note(f"the build can use of this machine: {lent}")


def _given(settings: BuildSettings) -> tuple[str, ...]:
    return (*settings.environment, *settings.env)


def _withheld(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"`{name}`" for name in names)
    listed = ", ".join(f'"{name}"' for name in names)
    return (
        f"mix.exs or the configuration asks for {shown}, set in this shell and not in the build:"
        f" `env = [{listed}]` in [build] hands over what it is to see"
    )


def _on_host(request: ReleaseRequest, distros: tuple[Distro, ...], reporter: Reporter) -> Outcome:
    with reporter.parts():
        licences = host.build(request, lambda text: reporter.step(host.NAME, text))
        reporter.ended(host.NAME, "built")
    snapshot = request.snapshot
    return Outcome(
        distros=distros,
        date=snapshot.date,
        file=request.file,
        sources=snapshot.digest,
        licences=licences,
    )


def _in_docker(
    requests: dict[Distro, ReleaseRequest], jobs: int, reporter: Reporter
) -> tuple[Outcome, ...]:
    """Build in parallel; no container is left running at the end, also after an exception."""
    with docker_daemon.connected() as client:
        reaper.remove_abandoned(client)
    containers = reaper.ContainerReaper()
    tasks = [
        partial(_outcome, request, distro, containers, reporter)
        for distro, request in requests.items()
    ]
    with reporter.parts():
        return parallel.run(tasks, jobs, containers.stop)


def _outcome(
    request: ReleaseRequest, distro: Distro, containers: reaper.ContainerReaper, reporter: Reporter
) -> Outcome:
    date = request.snapshot.date
    try:
        found = in_docker.build(
            request, distro, containers, lambda text: reporter.step(distro.id, text)
        )
    except PkgrelError as e:
        reporter.ended(distro.id, "stopped" if containers.stopped else "failed")
        return Outcome(distros=(distro,), date=date, error=e)
    reporter.ended(distro.id, "built")
    return Outcome(
        distros=(found.distro,),
        measured=True,
        date=date,
        file=request.file,
        drift=found.drift,
        sources=request.snapshot.digest,
        image=found.image,
        base=found.base,
        licences=found.licences,
    )
