"""Builds a mix or rebar3 project into release tarballs, in images of the target distros or on this
machine.

    with builder.releases(project, document, distros, options) as outcomes:
        for outcome in outcomes: ...
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pkgrel.builder import host, leftovers, one, source
from pkgrel.builder.progress import Progress
from pkgrel.builder.project import Project, find, source_date
from pkgrel.config import Document
from pkgrel.config.build import Builder, BuildSettings
from pkgrel.distro import Distro
from pkgrel.errors import BuildError, PkgrelError

__all__ = ["Options", "Outcome", "Project", "find", "releases"]

_SECONDS_TO_STOP = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says."""

    builder: Builder | None = None
    release: str = ""
    architecture: str = ""
    """As Docker calls it: `amd64`, `arm64`; empty: that of the daemon's machine."""
    jobs: int = 0
    """How many builds run side by side; 0: by the number of processors."""
    date: int | None = None
    """SOURCE_DATE_EPOCH; by default that of the last commit."""
    left_out: tuple[Path, ...] = ()
    """Absolute folders of output, which are no sources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A release for one distro or several, or why there is none."""

    distros: tuple[Distro, ...]
    measured: bool = False
    """`distros` have the real numbers of the image that it was built in."""
    date: int
    """When the sources were changed last, seconds since 1970."""
    file: Path | None = None
    drift: tuple[str, ...] = ()
    error: PkgrelError | None = None


Task = Callable[[], Outcome]


@contextmanager
def releases(
    project: Project, document: Document, distros: tuple[Distro, ...], options: Options
) -> Iterator[tuple[Outcome, ...]]:
    """Build for each distro, in their order; the tarballs go with the `with` block.

    BuildError if nothing can be built at all; what fails for one distro is in its Outcome.
    """
    date = source_date(project) if options.date is None else options.date
    with (
        source.snapshot(project, date, options.left_out) as snapshot,
        TemporaryDirectory(prefix="pkgrel-") as folder,
    ):

        def order(settings: BuildSettings, name: str) -> one.Order:
            return one.Order(
                project=project,
                snapshot=snapshot,
                settings=replace(settings, release=options.release or settings.release),
                architecture=options.architecture,
                file=Path(folder, f"{name}.tar"),
            )

        if (options.builder or document.base.build.builder) is Builder.HOST:
            yield (_on_host(order(document.base.build, host.NAME), distros),)
        else:
            orders = {row: order(document.resolve(row).build, row.id) for row in distros}
            yield _in_docker(orders, options.jobs)


def _on_host(order: one.Order, distros: tuple[Distro, ...]) -> Outcome:
    if order.architecture:
        raise BuildError(
            "--arch: this machine builds for its own architecture only",
            hint="leave it out, or build in Docker: `--builder docker`",
        )
    host.refuse_without_tools(order.project)
    with Progress() as progress:
        built = one.on_host(order, lambda text: progress.say(host.NAME, text))
        progress.end(host.NAME, "built")
    return Outcome(distros=distros, date=order.snapshot.date, file=built.file)


def _in_docker(orders: dict[Distro, one.Order], jobs: int) -> tuple[Outcome, ...]:
    """Build side by side; nothing of ours runs any more when this ends, however it does."""
    from pkgrel.builder import daemon

    client = daemon.connect()
    try:
        leftovers.remove(client)
    finally:
        client.close()
    own = leftovers.Own()
    with Progress() as progress:
        tasks = [_task(order, distro, own, progress) for distro, order in orders.items()]
        return _side_by_side(tasks, jobs or max(1, (os.cpu_count() or 2) // 2), own.stop)


def _task(order: one.Order, distro: Distro, own: leftovers.Own, progress: Progress) -> Task:
    def build() -> Outcome:
        date = order.snapshot.date
        try:
            built = one.in_docker(order, distro, own, lambda text: progress.say(distro.id, text))
        except PkgrelError as e:
            progress.end(distro.id, "stopped" if own.stopped else "failed")
            return Outcome(distros=(distro,), date=date, error=e)
        progress.end(distro.id, "built")
        return Outcome(
            distros=(built.distro or distro,),
            measured=built.distro is not None,
            date=date,
            file=built.file,
            drift=built.drift,
        )

    return build


def _side_by_side(tasks: list[Task], jobs: int, stop: Callable[[], None]) -> tuple[Outcome, ...]:
    """Run the tasks in threads, `jobs` at a time; an unforeseen exception of one is raised here.

    Whatever happens, `stop` is called. The threads do not keep the process from ending for long: a
    download may take its time to notice.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Outcome | BaseException]] = queue.SimpleQueue()
    for number in range(len(tasks)):
        waiting.put(number)

    def work() -> None:
        while True:
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((number, tasks[number]()))
            except BaseException as e:
                done.put((number, e))

    threads = [threading.Thread(target=work, daemon=True) for _ in tasks[:jobs]]
    outcomes: dict[int, Outcome] = {}
    try:
        for thread in threads:
            thread.start()
        while len(outcomes) < len(tasks):
            number, result = done.get()
            if isinstance(result, BaseException):
                raise result
            outcomes[number] = result
    finally:
        while not waiting.empty():
            waiting.get_nowait()
        stop()
        deadline = time.monotonic() + _SECONDS_TO_STOP
        for thread in threads:
            thread.join(max(0, deadline - time.monotonic()))
    return tuple(outcomes[number] for number in range(len(tasks)))
