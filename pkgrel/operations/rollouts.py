"""`pkgrel deploy`: one version to many hosts, batch by batch."""

from __future__ import annotations

import getpass
import math
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

from pkgrel.builder import parallel
from pkgrel.console import amount, counted, one_line
from pkgrel.errors import ConfigError, PkgrelError
from pkgrel.reporter import SILENT, Reporter
from pkgrel.rollout import steps
from pkgrel.rollout.hosts import Host
from pkgrel.rollout.ssh import Ran, Ssh, connected, remedy
from pkgrel.rollout.steps import Ready, Seen, bare, is_version

AT_A_TIME = 20
"""Connections while hosts are only looked at."""
_TRIES = 5
"""How often a host is asked whether it is ready while connections break."""
_LEAST_FREE, _LEAST_INODES = 50_000_000, 5_000
"""Bytes, and files; below that an installation may stop half-way, and what runs loses its logs."""
_MOST_SKEW = 300
"""Seconds; apt believes no index that is dated later than it is."""


class Outcome(StrEnum):
    """What became of a host."""

    UPGRADED = "upgraded"
    UNCHANGED = "unchanged"
    """It had the version."""
    BACK = "rolled back"
    FAILED = "failed"
    """It got no new version, or one that does not work, and the one before is not back."""
    UNTOUCHED = "untouched"
    """It was not its turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledOut:
    """A host at the end of a roll-out."""

    host: Host
    seen: Seen
    """At the beginning."""
    outcome: Outcome = Outcome.UNTOUCHED
    now: str = ""
    """What is installed at the end."""
    seconds: float = 0
    detail: str = ""
    """Why, if it failed."""
    output: str = ""
    journal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRequest:
    """What to roll out, where to, and how carefully."""

    name: str
    version: str = ""
    """As the release or the package has it; empty: the newest of the first host, and then this for all."""
    hosts: Sequence[Host]
    batch: str = "1"
    """Hosts at a time: a number, or a percentage of all."""
    wait: int = 10
    """Seconds for which a host must stay ready before the next batch begins."""
    ready: Ready = Ready()
    timeout: int = 1800
    """Seconds for one host's change."""
    rollback_all: bool = False
    """Not only the host that fails, but also those before it."""
    dry_run: bool = False
    ssh_config: Path | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    """Once set, no further host is begun."""


def roll_out(request: RolloutRequest, reporter: Reporter = SILENT) -> tuple[RolledOut, ...]:
    """Change one batch of hosts after the other; the first failure goes back and ends it.

    PkgrelError, and nothing is changed, if a host cannot take part. What then goes wrong is in the results.
    """
    _validate(request)
    with connected(request.ssh_config) as ssh, reporter.parts():
        rollout = _Rollout(request, ssh, reporter)
        done = {one.host: one for one in rollout.looked_at()}
        for one in tuple(done.values()) if request.dry_run else ():
            done[one.host] = replace(one, detail=_would(one, request))
            reporter.ended(one.host.name, done[one.host].detail)
        wanted = request.version
        for batch in () if request.dry_run else _batches(request):
            if request.stop.is_set():
                break
            tasks = [partial(rollout.changed, done[host], wanted) for host in batch]
            changed = parallel.run(tasks, len(tasks), lambda: None)
            done |= {one.host: one for one in changed}
            if any(one.outcome in (Outcome.FAILED, Outcome.BACK) for one in changed):
                if request.rollback_all:
                    done |= {one.host: one for one in rollout.undone(done.values())}
                break
            wanted = wanted or bare(changed[0].now)
    return tuple(done[host] for host in request.hosts)


def package_and_version(name: str, version: str) -> None:
    """ConfigError for what cannot be words of a command."""
    if not steps.PACKAGE.fullmatch(name):
        raise ConfigError(
            f"`{name}` is not the name of a package", hint="write NAME or NAME=VERSION"
        )
    if version and not steps.VERSION.fullmatch(version):
        raise ConfigError(f"`{version}` is not a version", hint=f"write {name}=1.2.3")


def _validate(request: RolloutRequest) -> None:
    package_and_version(request.name, request.version)
    if not re.fullmatch("[1-9][0-9]{0,5}%?", request.batch):
        raise ConfigError(f"`{request.batch}` is not a number of hosts", hint="write `5` or `25%`")
    if not request.hosts:
        raise ConfigError(
            "there are no hosts", hint="name some with `--host`, or a group with `--to`"
        )


def _batches(request: RolloutRequest) -> Iterator[Sequence[Host]]:
    hosts = list(request.hosts)
    text = request.batch
    size = math.floor(len(hosts) * int(text[:-1]) / 100) if text.endswith("%") else int(text)
    size = max(1, size)
    if not request.version:
        # What it takes is what all get.
        yield [hosts.pop(0)]
    for begin in range(0, len(hosts), size):
        yield hosts[begin : begin + size]


def _would(one: RolledOut, request: RolloutRequest) -> str:
    have = bare(one.seen.installed) or "nothing"
    if request.version and is_version(one.seen.installed, request.version):
        return f"has {have} already"
    return f"would go from {have} to {request.version or 'the newest'}"


@dataclass(frozen=True)
class _Rollout:
    """One roll-out, with its connections."""

    request: RolloutRequest
    ssh: Ssh
    reporter: Reporter

    def looked_at(self) -> tuple[RolledOut, ...]:
        """Every host, its lock taken; PkgrelError if one cannot take part."""
        tasks = [partial(self._looked_at, host) for host in self.request.hosts]
        seen = parallel.run(tasks, min(AT_A_TIME, len(tasks)), lambda: None)
        problems = [one for one in seen if isinstance(one, PkgrelError)]
        for problem in problems:
            self.reporter.failed(problem)
        if problems:
            raise PkgrelError(
                f"{counted(len(problems), 'host')} of {len(seen)} cannot take part, and nothing was changed",
                hint="put right what is said of them above, or leave them out",
            )
        return tuple(one for one in seen if isinstance(one, RolledOut))

    def _looked_at(self, host: Host) -> RolledOut | PkgrelError:
        self.reporter.step(host.name, "looking")
        if not self.request.dry_run and (problem := self._locked(host)):
            return problem
        ran, seen = steps.look(self.ssh, host, self.request.name, to_change=True)
        if ran.lost:
            return _unreachable(host, ran)
        if abs(seen.skew) > _MOST_SKEW:
            amiss = f"{abs(seen.skew) / 60:.0f} minutes {'ahead' if seen.skew > 0 else 'behind'}"
            self.reporter.warn(f"{host.name}: its clock is {amiss}, and may be believed by nobody")
        if problem := _unfit(host, seen, self.request, ran):
            return problem
        have = (
            f"{self.request.name} {seen.installed}" if seen.installed else f"no {self.request.name}"
        )
        self.reporter.step(host.name, f"{seen.distro}, {have}")
        return RolledOut(host=host, seen=seen, now=seen.installed)

    def _locked(self, host: Host) -> PkgrelError | None:
        ran = steps.lock(self.ssh, host, self.request.name, who())
        if ran.status == 0:
            return None
        if "holder" in ran.told or re.search("^pkgrel holder", ran.output, re.MULTILINE):
            return _held(host, ran.told.get("holder", ""))
        return _unreachable(host, ran)

    def changed(self, one: RolledOut, wanted: str) -> RolledOut:
        """The host with the wanted version, or back where it was."""
        host, before = one.host, one.seen.installed
        say = partial(self.reporter.step, host.name)
        if wanted and is_version(before, wanted) and not one.seen.broken:
            self.reporter.ended(host.name, f"has {bare(before)} already")
            return replace(one, outcome=Outcome.UNCHANGED)
        begun = time.monotonic()
        problem = None if self.ssh.holds(host) else self._locked(host)
        if problem:
            ran, after = Ran(1, str(problem)), one.seen
        else:
            say(f"{bare(before) or 'nothing'} -> {wanted or 'newest'}")
            ran = self._change(host, "upgrade", wanted)
            _, after = steps.settled(self.ssh, host, self.request.name, say)
        why = self._why(one, ran, after, wanted, say)
        if not why:
            same = after.installed == before and not one.seen.broken
            outcome = Outcome.UNCHANGED if same else Outcome.UPGRADED
            done = replace(one, outcome=outcome, now=after.installed)
        elif not after.distro:
            # It was tried for long enough; one that does not answer cannot go back either.
            done = replace(one, now="", detail=why, output=ran.said, outcome=Outcome.FAILED)
        else:
            worse = replace(one, now=after.installed, detail=why, output=ran.said)
            by_itself = ran.status == steps.BACK_BY_ITSELF
            done = self._back(
                worse, say, by_itself=by_itself, mend=bool(after.broken) and after.mends
            )
        done = replace(done, seconds=round(time.monotonic() - begun, 1))
        self.reporter.ended(
            host.name,
            f"{done.outcome}: {done.detail}" if why else f"{bare(done.now)} {done.outcome}",
        )
        return done

    def _why(
        self, one: RolledOut, ran: Ran, after: Seen, wanted: str, say: Callable[[str], None]
    ) -> str:
        """Why the host does not run what it should; empty if it does."""
        if not after.distro:
            return "the connection is lost"
        if ran.status and not ran.lost:
            return one_line(ran.last) or f"`{self.request.name} upgrade` exited {ran.status}"
        if after.broken:
            return f"its installation ended in the middle: it is {one_line(after.broken)}"
        if not after.installed or (wanted and not is_version(after.installed, wanted)):
            return f"{after.installed or 'nothing'} is installed"
        if not steps.VERSION.fullmatch(bare(after.installed)):
            # The others would be asked for it.
            return f"`{one_line(after.installed)}` is no version"
        # What somebody has stopped stays stopped.
        if not after.state or (one.seen.state == "inactive" and after.state == "inactive"):
            return ""
        say(f"{bare(after.installed)} is installed; {self.request.wait} s of being ready")
        seen = self._watched(one.host, say)
        return (one_line(seen.last) or "the connection is lost") if seen.status else ""

    def _watched(self, host: Host, say: Callable[[str], None]) -> Ran:
        """See a host become ready, and stay so; a connection that breaks meanwhile says nothing of the service."""
        request, end = self.request, time.monotonic() + self.request.wait
        tries = _TRIES
        while True:
            left = max(1, math.ceil(end - time.monotonic())) if request.wait else 0
            ran = steps.watch(self.ssh, host, request.name, request.ready, left)
            tries -= 1
            if not ran.lost or not tries:
                return ran
            say("not reachable, trying again")
            time.sleep(2)
            if not self.ssh.holds(host):
                self._locked(host)

    def _back(
        self,
        one: RolledOut,
        say: Callable[[str], None],
        *,
        by_itself: bool = False,
        mend: bool = False,
    ) -> RolledOut:
        """A host on which something went wrong, with the version that it had, if that can be."""
        before = one.seen.installed
        one = replace(one, journal=steps.journal(self.ssh, one.host, self.request.name))
        if before and (one.now != before or mend):
            say(f"back to {bare(before)}: {one.detail}")
            ran = self._change(one.host, "rollback", before)
            _, after = steps.settled(self.ssh, one.host, self.request.name, say)
            output = f"{one.output}\n{ran.said}".strip() if ran.status else one.output
            one = replace(one, now=after.installed, output=output)
            if after.broken:
                return replace(one, outcome=Outcome.FAILED)
        elif not by_itself:
            return replace(one, outcome=Outcome.FAILED)
        if one.now != before or not before:
            return replace(one, outcome=Outcome.FAILED)
        if one.seen.state != "active":
            return replace(one, outcome=Outcome.BACK)
        request = self.request
        ready = steps.watch(self.ssh, one.host, request.name, request.ready, 0)
        return replace(one, outcome=Outcome.FAILED if ready.status else Outcome.BACK)

    def undone(self, done: Iterable[RolledOut]) -> tuple[RolledOut, ...]:
        """Those that were upgraded before, back again."""
        tasks = [partial(self._undone, one) for one in done if one.outcome is Outcome.UPGRADED]
        return parallel.run(tasks, AT_A_TIME, lambda: None)

    def _undone(self, one: RolledOut) -> RolledOut:
        say = partial(self.reporter.step, one.host.name)
        done = self._back(replace(one, detail="another host has failed"), say)
        self.reporter.ended(one.host.name, f"{done.outcome}: {done.detail}")
        return done

    def _change(self, host: Host, verb: str, wanted: str) -> Ran:
        return steps.change(self.ssh, host, self.request.name, verb, wanted, self.request.timeout)


def who() -> str:
    """Who works here, and where, for others to read."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "somebody"
    return re.sub(r"[^A-Za-z0-9@._-]", "_", f"{user}@{socket.gethostname()}")[:100]


def _unreachable(host: Host, ran: Ran) -> PkgrelError:
    return PkgrelError(
        f"{host.name}: cannot be reached: {one_line(ran.last) or 'no answer'}",
        hint=remedy(host, ran) or None,
    )


def _held(host: Host, holder: str) -> PkgrelError:
    return PkgrelError(
        f"{host.name}: another roll-out is at it, by {holder or 'somebody'}",
        hint="wait until it has ended",
    )


def _unfit(host: Host, seen: Seen, request: RolloutRequest, ran: Ran) -> PkgrelError | None:
    """What can be known beforehand to go wrong."""
    if not seen.distro:
        return PkgrelError(
            f"{host.name}: does not answer as a Linux host does: {one_line(ran.last)}"
        )
    if request.dry_run and seen.holder:
        return _held(host, seen.holder)
    for problem, hint in _obstacles(host, seen, request):
        return PkgrelError(f"{host.name}: {problem}", hint=hint or None)
    return None


def _obstacles(host: Host, seen: Seen, request: RolloutRequest) -> Iterator[tuple[str, str]]:
    """What is in the way of a change, and what helps."""
    name = request.name
    if seen.busy:
        yield f"{name} is being upgraded or rolled back there", "wait until that has ended"
    if seen.broken and not seen.mends:
        yield (
            f"an installation of {name} ended in the middle: it is {one_line(seen.broken)}",
            f"there `dpkg --configure --pending` and `apt-get install --reinstall {name}`, or `dnf reinstall {name}`",
        )
    if seen.free < _LEAST_FREE:
        yield f"has only {amount(seen.free)} free in /usr or /var", "make room there"
    if seen.inodes is not None and seen.inodes < _LEAST_INODES:
        room = counted(seen.inodes, "file")
        yield (
            f"has room for only {room} more in /usr or /var",
            "`df -i` there says where; remove some",
        )
    if request.version and is_version(seen.installed, request.version) and not seen.broken:
        return
    if seen.refusal:
        refusal = one_line(seen.refusal)
        yield f"does not let you change a version: {refusal}", remedy(host, Ran(1, refusal))
    if seen.kept:
        unhold = f"there `apt-mark unhold {name}`, `dnf versionlock delete {name}` or `zypper removelock {name}`"
        yield f"an administrator holds {name} at {bare(seen.installed)}", unhold
