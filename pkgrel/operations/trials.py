"""`pkgrel try`: each package on a fresh host of its distro, step by step."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from pkgrel import artifact
from pkgrel.artifact import Artifact
from pkgrel.builder import docker_daemon, parallel
from pkgrel.builder.reaper import ContainerReaper, remove_abandoned
from pkgrel.distro import Distro
from pkgrel.errors import ConfigError, PkgrelError, did_you_mean
from pkgrel.operations.repositories import list_packages, open_repository
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository import recognition
from pkgrel.trial import host as hosts
from pkgrel.trial.explanations import explain, unproven
from pkgrel.trial.host import Host, Ran
from pkgrel.trial.steps import STEPS, Failed, Step, Trial, Unproven, paths_of

if TYPE_CHECKING:
    from docker import DockerClient


class Outcome(StrEnum):
    """How a step went."""

    PASSED = "passed"
    FAILED = "failed"
    UNPROVEN = "not proven"
    """A host of this kind cannot show it, or there was nothing to show it with."""
    SKIPPED = "skipped"
    """Not asked for, or not possible after what failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one step showed."""

    id: str
    title: str
    outcome: Outcome
    seconds: float = 0
    detail: str = ""
    command: str = ""
    """That failed."""
    output: str = ""
    """The end of what it printed."""
    journal: str = ""
    """The last lines of the service."""
    explanation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A package and what was seen of it."""

    artifact: Artifact
    distro: Distro
    results: tuple[Result, ...]
    unproven: tuple[str, ...] = ()
    """What of the sandbox the host did not enforce."""
    container: str = ""
    """The host's, if it was kept."""

    @property
    def passed(self) -> bool:
        """Whether no step has failed."""
        return all(result.outcome is not Outcome.FAILED for result in self.results)


@dataclass(frozen=True, slots=True, kw_only=True)
class TryRequest:
    """What to try, and how."""

    packages: Sequence[Path]
    distro: str = ""
    """Where the revision does not say it."""
    older: Sequence[str] = ()
    """To upgrade from: files of the version before, or repositories that have it."""
    channel: str | None = None
    """Of these repositories; None for all."""
    environment: Mapping[str, str] = field(default_factory=dict)
    script: Path | None = None
    only: Sequence[str] = ()
    skip: Sequence[str] = ()
    settle: float = 5
    image: str = ""
    """To make hosts from instead of the distro's official one."""
    network: bool = False
    """Leave the service a network."""
    keep: bool = False
    """Leave the host running."""
    jobs: int = 0


def try_packages(request: TryRequest, reporter: Reporter = SILENT) -> tuple[Tried, ...]:
    """Try each package on a host of its own; PkgrelError if there can be no host.

    What is wrong with a package is in the results. Hosts that a killed run left are removed.
    """
    steps = _steps(request)
    pairs = [_pair(file, request) for file in request.packages]
    reaper = ContainerReaper()
    with TemporaryDirectory(prefix="pkgrel-") as folder, docker_daemon.connected() as client:
        older = [artifact.read(file, unpack=False) for file in _older(request, pairs, Path(folder))]
        remove_abandoned(client)
        tasks = [
            partial(
                _tried, client, request, one, distro, _before(one, older), steps, reaper, reporter
            )
            for one, distro in pairs
        ]
        try:
            with reporter.parts():
                return parallel.run(tasks, request.jobs, lambda: None)
        finally:
            if not request.keep:
                reaper.stop()


def _steps(request: TryRequest) -> tuple[Step, ...]:
    known = [step.id for step in STEPS]
    for name in (*request.only, *request.skip):
        if name not in known:
            raise ConfigError(
                f"there is no step `{name}`",
                hint=did_you_mean(name, known, otherwise=f"there are {', '.join(known)}"),
            )
    wanted = [step for step in STEPS if not request.only or step.id in request.only or step.fatal]
    return tuple(step for step in wanted if step.id not in request.skip)


def _pair(file: Path, request: TryRequest) -> tuple[Artifact, Distro]:
    from pkgrel import distro

    read = artifact.read(file)
    if request.distro:
        return read, distro.find(request.distro)
    if row := recognition.recognise(read):
        return read, row
    raise ConfigError(
        f"{file}: its revision does not say which distro it is for", hint="name it with `--distro`"
    )


def _older(
    request: TryRequest, pairs: Sequence[tuple[Artifact, Distro]], folder: Path
) -> Iterator[Path]:
    """The files, and from each repository the newest version of each package that is not the same one."""
    for given in request.older:
        if Path(given).is_file():
            yield Path(given)
            continue
        repository = open_repository(given, tolerant=True)
        for one, row in pairs:
            listed = list_packages(repository, channel=request.channel, distros=[row.id])
            found = [each.record for each in listed if each.record.name == one.name]
            other = [record for record in found if record.version != str(one.version)]
            if not other:
                continue
            content = repository.store.get(other[0].path)
            file = folder / other[0].path.rpartition("/")[2]
            if content is None or hashlib.sha256(content.data).hexdigest() != other[0].sha256:
                raise ConfigError(
                    f"{given}: `{other[0].path}` is missing or damaged",
                    hint=f"run `pkgrel repo verify {given}`",
                )
            file.write_bytes(content.data)
            yield file


def _before(one: Artifact, older: Sequence[Artifact]) -> Artifact | None:
    """The package of the version before: of the same name, format and distro."""
    same = [
        other
        for other in older
        if (other.name, other.format) == (one.name, one.format)
        and other.sha256 != one.sha256
        and recognition.recognise(other) == recognition.recognise(one)
    ]
    return same[-1] if same else None


def _tried(
    client: DockerClient,
    request: TryRequest,
    one: Artifact,
    distro: Distro,
    older: Artifact | None,
    steps: Sequence[Step],
    reaper: ContainerReaper,
    reporter: Reporter,
) -> Tried:
    part = one.file.name
    reporter.step(part, f"a host of {distro.title}")
    image = hosts.image(client, distro, request.image)
    with ExitStack() as stack:
        boot = partial(hosts.booted, client, image, distro.id, reaper)
        host = stack.enter_context(boot(keep=request.keep))
        trial = Trial(
            host,
            distro,
            one,
            older,
            request.environment,
            request.settle,
            script=host.put(request.script, "/root/try") if request.script else "",
            paths=_copied(host, one, older),
        )
        trial.other = lambda: _second(stack.enter_context(boot()), one)
        trial.before = paths_of(trial)
        results = _run(trial, steps, request, lambda title: reporter.step(part, title))
        tried = Tried(
            artifact=one,
            distro=distro,
            results=results,
            unproven=unproven(_journal(trial)),
            container=host.container.short_id if request.keep else "",
        )
    reporter.ended(part, "passed" if tried.passed else "failed")
    return tried


def _copied(host: Host, *files: Artifact | None) -> dict[str, str]:
    # A folder for each: two versions may have one file name.
    return {
        each.sha256: host.put(each.file, f"/root/try/{each.sha256[:8]}") for each in files if each
    }


def _second(host: Host, one: Artifact) -> Host:
    _copied(host, one)
    return host


def _run(
    trial: Trial, steps: Sequence[Step], request: TryRequest, say: Callable[[str], None]
) -> tuple[Result, ...]:
    results: list[Result] = []
    stopped = False
    for step in steps:
        if stopped or (step.service and not trial.unit):
            results.append(Result(id=step.id, title=step.title, outcome=Outcome.SKIPPED))
            continue
        say(step.title)
        result = _one(trial, step)
        results.append(result)
        stopped = step.fatal and result.outcome is Outcome.FAILED
        if step.id == "install" and not request.network and not stopped:
            trial.host.disconnect()
    return tuple(results)


def _one(trial: Trial, step: Step) -> Result:
    begun = time.monotonic()
    outcome, detail, ran = Outcome.PASSED, "", Ran("", 0, "")
    try:
        detail = step.run(trial)
    except Unproven as e:
        outcome, detail = Outcome.UNPROVEN, str(e)
    except (Failed, PkgrelError) as e:
        outcome, detail = Outcome.FAILED, str(e)
        ran = getattr(e, "ran", None) or ran
    seconds = time.monotonic() - begun
    journal = _journal(trial) if outcome is Outcome.FAILED else ""
    output = "\n".join(ran.output.strip().splitlines()[-20:])
    return Result(
        id=step.id,
        title=step.title,
        outcome=outcome,
        seconds=round(seconds, 1),
        detail=detail,
        command=ran.command,
        output=output,
        journal=journal,
        explanation=explain(f"{output}\n{detail}\n{journal}") if journal or output else "",
    )


def _journal(trial: Trial) -> str:
    if not trial.unit:
        return ""
    command = f"journalctl --no-pager --lines=30 --output=cat --unit={quote(trial.unit)}"
    return trial.run(command, seconds=20).output.strip()


def junit(tried: Sequence[Tried]) -> str:
    """The report that CI systems read: a suite for each package, a case for each step.

    Source: the schema of Jenkins' xunit plugin, which all take.
    """
    root = ElementTree.Element("testsuites", name="pkgrel try")
    for one in tried:
        failed = sum(result.outcome is Outcome.FAILED for result in one.results)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=f"{one.artifact.file.name} on {one.distro.id}",
            tests=str(len(one.results)),
            failures=str(failed),
            time=f"{sum(result.seconds for result in one.results):.1f}",
        )
        for result in one.results:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=f"{one.artifact.name}.{one.distro.id}",
                name=result.title,
                time=f"{result.seconds:.1f}",
            )
            match result.outcome:
                case Outcome.FAILED:
                    found = ElementTree.SubElement(case, "failure", message=result.detail)
                    found.text = _plain(
                        "\n".join((result.explanation, result.output, result.journal))
                    )
                case Outcome.UNPROVEN | Outcome.SKIPPED:
                    ElementTree.SubElement(case, "skipped", message=result.detail)
                case Outcome.PASSED:
                    ElementTree.SubElement(case, "system-out").text = _plain(result.detail)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _plain(text: str) -> str:
    """Without what XML cannot say."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t").strip()
