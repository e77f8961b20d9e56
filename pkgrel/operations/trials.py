"""`pkgrel try`: tests each package step by step on a fresh host of its distro."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pkgrel import artifact, config, distro
from pkgrel.artifact import Artifact
from pkgrel.builder import docker_daemon, parallel
from pkgrel.builder import project as projects
from pkgrel.builder.reaper import ContainerReaper, remove_abandoned
from pkgrel.config.delivery import TrySettings
from pkgrel.distro import Distro
from pkgrel.errors import BuildError, ConfigError, did_you_mean
from pkgrel.operations.building import BuildRequest, build
from pkgrel.operations.repositories import list_packages, open_repository
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository import publishing, recognition
from pkgrel.signing import Signer
from pkgrel.trial import docker_host, nspawn, services, statements, steps
from pkgrel.trial.explanations import unproven
from pkgrel.trial.host import Host, Machines
from pkgrel.trial.results import Tried
from pkgrel.trial.steps import HOST, STEPS, Step
from pkgrel.trial.trial import Trial

if TYPE_CHECKING:
    from docker import DockerClient


class On(StrEnum):
    """What the hosts run in."""

    DOCKER = "docker"
    NSPAWN = "nspawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class TryRequest:
    """What to test, and how."""

    given: Sequence[Path]
    """Packages, or what to build them from first: projects, releases and their tarballs."""
    distros: Sequence[str] = ()
    """Distros to build for; for a package, only if its revision does not name its distro."""
    output: Path = Path("dist")
    """Folder for packages that are built."""
    config_file: Path | None = None
    """Settings; by default the pkgrel.toml in this folder, in the project's, or in a parent of one."""
    older: Sequence[str] = ()
    """What to upgrade from: files of the previous version, or repositories that have it."""
    channel: str | None = None
    """The channel of these repositories; None for all."""
    env_file: Path | None = None
    """Environment variables of the service, in addition to those of [try]."""
    script: Path | None = None
    only: Sequence[str] = ()
    skip: Sequence[str] = ()
    settle: float = 5
    on: On = On.DOCKER
    image: str = ""
    """Base of the hosts instead of the distro's official image; a directory or a tar for nspawn."""
    network: bool = False
    """Do not disconnect the service from the network."""
    keep: bool = False
    """Keep the host running."""
    shell: bool = False
    """Open an interactive shell on each host, one host after the other, before the package is removed."""
    jobs: int = 0
    signer: Signer | None = None
    """Signs the results, in a statement beside the package."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """A package to test on a host, with its settings."""

    artifact: Artifact
    distro: Distro
    settings: TrySettings
    environment: Mapping[str, str]
    script: Path | None
    older: Artifact | None = None
    beside: tuple[Artifact, ...] = ()
    """Its dependencies among the packages of the same run."""


def try_packages(request: TryRequest, reporter: Reporter = SILENT) -> tuple[Tried, ...]:
    """Test each package on a separate host, after building it if necessary; PkgrelError if no host boots.

    Problems of a package are in the results. Hosts left behind by a killed run are removed.
    """
    wanted = _steps(request)
    distro.select(request.distros)
    subjects = [each for given in request.given for each in _subjects(given, request, reporter)]
    reaper = ContainerReaper()
    with TemporaryDirectory(prefix="pkgrel-") as folder, ExitStack() as stack:
        older = [
            artifact.read(file, unpack=False) for file in _older(request, subjects, Path(folder))
        ]
        subjects = [
            replace(
                each,
                older=_before(each.artifact, older),
                beside=_needed(
                    each.artifact, [one.artifact for one in subjects if one.distro == each.distro]
                ),
            )
            for each in subjects
        ]
        machines_for = stack.enter_context(_machines(request, reaper))
        tasks = [
            partial(_tried, machines_for, request, subject, wanted, reporter, reaper)
            for subject in subjects
        ]
        with nullcontext() if request.shell else reporter.parts():
            return parallel.run(tasks, 1 if request.shell else request.jobs, reaper.stop)


def _steps(request: TryRequest) -> tuple[Step, ...]:
    known = [step.id for step in STEPS]
    for name in (*request.only, *request.skip):
        if name not in known:
            raise ConfigError(
                f"there is no step `{name}`",
                hint=did_you_mean(name, known, otherwise=f"there are {', '.join(known)}"),
            )
    wanted = [step for step in STEPS if not request.only or step.id in request.only or step.fatal]
    return (HOST, *(step for step in wanted if step.id not in request.skip and step != HOST))


def _subjects(given: Path, request: TryRequest, reporter: Reporter) -> Iterator[_Subject]:
    """The given package, or those built from a source, for each distro."""
    project = projects.find(given) if given.is_dir() else None
    found = config.find_file(project.folder) if project else None
    document = config.of(given, request.config_file or found)
    pairs: list[tuple[Artifact, Distro]] = []
    if is_package(given):
        read = artifact.read(given)
        asked = distro.select(request.distros)
        pairs += [(read, row) for row in recognition.distros_of(read, asked)]
    else:
        if not request.distros:
            raise ConfigError(
                f"{given}: nothing says which distros to build it for",
                hint="name them with `--distro`",
            )
        wanted = BuildRequest(
            given, request.distros, request.output, request.config_file, signer=request.signer
        )
        for built in build(wanted, reporter):
            pairs.append((artifact.read(built.file), distro.find(built.package.distro)))
    for one, row in pairs:
        settings = document.resolve(row).try_
        variables = dict(settings.environment)
        for file in (settings.env_file and document.folder / settings.env_file, request.env_file):
            variables |= read_variables(file) if file else {}
        script = request.script or (document.folder / settings.script if settings.script else None)
        if script and not script.is_file():
            raise ConfigError(f"{script}: there is no such script", hint="see `script` of [try]")
        if settings.services and request.on is On.NSPAWN:
            raise ConfigError(
                f"{document.file}: [try.services] are containers of the Docker daemon",
                hint="leave `--on nspawn` out, or have a pkgrel.toml without them (`--config`) for it; with `--network`"
                " the service reaches what runs on this machine at 127.0.0.1",
            )
        yield _Subject(one, row, settings, variables, script)


def is_package(given: Path) -> bool:
    """Whether it is a package, not a source to build one from."""
    return not given.is_dir() and not re.search(r"\.(tar|t[gxz]z|tzst)(\.\w+)?$", given.name)


def read_variables(file: Path) -> dict[str, str]:
    """Read a file of NAME=VALUE lines; ConfigError for an invalid line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        why = e.strerror if isinstance(e, OSError) else "it is not UTF-8"
        raise ConfigError(f"{file}: {why}", hint="see `env-file` of [try]") from None
    found = {}
    for number, line in enumerate(lines, 1):
        name, equals, value = line.strip().partition("=")
        if not name or name.startswith("#"):
            continue
        # The message does not show the value, which may be a secret.
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ConfigError(
                f"{file}:{number}: this is not NAME=VALUE", hint="write one variable a line"
            )
        quotes = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        found[name] = value[1:-1] if quotes else value
    return found


def _older(request: TryRequest, subjects: Sequence[_Subject], folder: Path) -> Iterator[Path]:
    """The given files, and from each repository the newest other version of each package."""
    for given in request.older:
        if Path(given).is_file():
            yield Path(given)
            continue
        repository = open_repository(given, tolerant=True)
        for one, row in ((each.artifact, each.distro) for each in subjects):
            listed = list_packages(repository, channel=request.channel, distros=[row.id])
            found = [each.record for each in listed if each.record.name == one.name]
            other = [record for record in found if record.version != str(one.version)]
            if not other:
                continue
            yield publishing.download(repository, other[0], folder)


def _before(one: Artifact, older: Sequence[Artifact]) -> Artifact | None:
    """The previous version of the package, with the same name, format and distro."""
    same = [
        other
        for other in older
        if (other.name, other.format) == (one.name, one.format)
        and other.sha256 != one.sha256
        and recognition.recognise(other) == recognition.recognise(one)
    ]
    return same[-1] if same else None


_INSTEAD = "or, as root on Linux, boot hosts without it: `--on nspawn --image DIRECTORY`"


_ASKED_FOR = ("Depends", "Pre-Depends", "Requires")
_ANY = ("all", "noarch")


def _needed(one: Artifact, others: Sequence[Artifact]) -> tuple[Artifact, ...]:
    """Its direct and indirect dependencies among the other packages."""
    found = {one.name: one}
    waiting = [one]
    while waiting:
        relations = waiting.pop().relations
        lines = [
            line for kind in relations if kind.startswith(_ASKED_FOR) for line in relations[kind]
        ]
        wanted = {name for line in lines for name in re.split(r"[ ,|(:]+", line)}
        for other in others:
            same = {one.architecture, other.architecture}
            fits = len(same) == 1 or not same.isdisjoint(_ANY)
            if fits and other.name in wanted and other.name not in found:
                found[other.name] = other
                waiting.append(other)
    return tuple(found.values())[1:]


@contextmanager
def _machines(
    request: TryRequest, reaper: ContainerReaper
) -> Iterator[Callable[[_Subject, ExitStack], Machines]]:
    """A function that returns the machines for a subject, valid until the given stack is closed."""
    match request.on:
        case On.NSPAWN:
            with nspawn.machines(
                request.image, network=request.network, keep=request.keep
            ) as machines:
                yield lambda _, __: machines
        case On.DOCKER:
            with docker_daemon.connected(_INSTEAD) as client:
                remove_abandoned(client)
                yield lambda subject, stack: _in_docker(client, request, subject, reaper, stack)


def _in_docker(
    client: DockerClient,
    request: TryRequest,
    subject: _Subject,
    reaper: ContainerReaper,
    stack: ExitStack,
) -> Machines:
    image = docker_host.image(client, subject.distro, request.image)
    running = services.running(client, subject.settings.services, reaper, keep=request.keep)
    return docker_host.DockerMachines(client, image, reaper, stack.enter_context(running))


def _tried(
    machines_for: Callable[[_Subject, ExitStack], Machines],
    request: TryRequest,
    subject: _Subject,
    wanted: Sequence[Step],
    reporter: Reporter,
    reaper: ContainerReaper,
) -> Tried:
    one, row = subject.artifact, subject.distro
    part = one.file.name
    reporter.step(part, f"a host of {row.title}")

    def begin(title: str) -> None:
        if reaper.stopped:
            # Failures after an interrupt say nothing about the package.
            raise BuildError("interrupted")
        if title:
            reporter.step(part, title)

    with ExitStack() as stack:
        machines = machines_for(subject, stack)
        host = stack.enter_context(machines.boot(keep=request.keep))
        trial = _prepared(host, machines, request, subject)
        network = request.network or subject.settings.network
        results = steps.run(trial, wanted, begin, network=network, shell=request.shell)
        begin("")
        tried = Tried(
            artifact=one,
            distro=row,
            results=results,
            unproven=unproven(trial.journal()),
            shell=host.shell if request.keep else (),
            removal=host.removal if request.keep else "",
        )
    if request.signer:
        statements.write(tried, request.signer)
    reporter.ended(part, "passed" if tried.passed else "failed")
    return tried


def _prepared(host: Host, machines: Machines, request: TryRequest, subject: _Subject) -> Trial:
    """A trial with all files copied to the host, and nothing installed yet."""
    files = [each for each in (subject.artifact, subject.older, *subject.beside) if each]
    trial = Trial(
        host,
        machines,
        subject.distro,
        subject.artifact,
        older=subject.older,
        beside=subject.beside,
        environment=subject.environment,
        settle=request.settle,
        script=host.put(subject.script, "/root/try") if subject.script else "",
        # A folder for each, since two versions may have the same file name.
        paths={one.sha256: host.put(one.file, f"/root/try/{one.sha256[:8]}") for one in files},
    )
    trial.configure()
    trial.before = trial.paths_there()
    return trial
