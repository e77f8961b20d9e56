"""`pkgrel deploy`: rolls out one version to many hosts, batch by batch."""

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
"""Parallel connections for steps that change nothing."""
_TRIES = 5
"""How often to test whether a host is ready if connections break."""
_LEAST_FREE, _LEAST_INODES = 50_000_000, 5_000
"""Bytes and inodes; with less, an installation may stop half-way, and the service lose its logs."""
_MOST_SKEW = 300
"""Seconds; apt rejects an index that is dated in the future."""


class Outcome(StrEnum):
    """The outcome of a roll-out on a host."""

    UPGRADED = "upgraded"
    UNCHANGED = "unchanged"
    """It already had the version."""
    BACK = "rolled back"
    FAILED = "failed"
    """It got no new version, or a broken one, and the previous one could not be restored."""
    UNTOUCHED = "untouched"
    """Its turn did not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledOut:
    """The result for a host."""

    host: Host
    seen: Seen
    """Its state at the beginning."""
    outcome: Outcome = Outcome.UNTOUCHED
    now: str = ""
    """The version installed at the end."""
    seconds: float = 0
    detail: str = ""
    """The reason for a failure."""
    output: str = ""
    journal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRequest:
    """What to roll out, to which hosts, and how."""

    name: str
    version: str = ""
    """The version of the release or of the package; empty: the newest for the first host, then the same for all."""
    hosts: Sequence[Host]
    batch: str = "1"
    """Hosts per batch: a number, or a percentage of all."""
    wait: int = 10
    """Seconds for which a host must stay ready before the next batch starts."""
    ready: Ready = Ready()
    timeout: int = 1800
    """Timeout in seconds for the change of one host."""
    rollback_all: bool = False
    """After a failure, also roll back the hosts of earlier batches."""
    dry_run: bool = False
    ssh_config: Path | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    """Set to stop before the next batch."""


def roll_out(request: RolloutRequest, reporter: Reporter = SILENT) -> tuple[RolledOut, ...]:
    """Change the hosts batch by batch; after the first failure roll back that host, and stop.

    PkgrelError if a host cannot take part; then nothing is changed. Later failures are in the results.
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
    """ConfigError for a name or version that is not a safe argument of a command."""
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
        # All others get the version that the first host gets.
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
    """A roll-out in progress."""

    request: RolloutRequest
    ssh: Ssh
    reporter: Reporter

    def looked_at(self) -> tuple[RolledOut, ...]:
        """Lock and examine all hosts; PkgrelError if one cannot take part."""
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
        """Change a host to the wanted version, or roll it back after a failure."""
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
            # `settled` has retried long enough; without a connection there is no rollback either.
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
        """Why the host does not run the wanted version; empty if it does."""
        if not after.distro:
            return "the connection is lost"
        if ran.status and not ran.lost:
            return one_line(ran.last) or f"`{self.request.name} upgrade` exited {ran.status}"
        if after.broken:
            return f"its installation ended in the middle: it is {one_line(after.broken)}"
        if not after.installed or (wanted and not is_version(after.installed, wanted)):
            return f"{after.installed or 'nothing'} is installed"
        if not steps.VERSION.fullmatch(bare(after.installed)):
            # It would be requested from all other hosts.
            return f"`{one_line(after.installed)}` is no version"
        # A service that the administrator has stopped stays stopped.
        if not after.state or (one.seen.state == "inactive" and after.state == "inactive"):
            return ""
        say(f"{bare(after.installed)} is installed; {self.request.wait} s of being ready")
        seen = self._watched(one.host, say)
        return (one_line(seen.last) or "the connection is lost") if seen.status else ""

    def _watched(self, host: Host, say: Callable[[str], None]) -> Ran:
        """Wait until a host is ready and stays so; retries if the connection breaks."""
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
        """Roll back a host after a failure, if possible."""
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
        """Roll back the hosts that were upgraded before."""
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
    """User and host name of this process, for the lock and for messages."""
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
    """A problem that would make the roll-out fail on this host."""
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
    """Problems that would make a change fail, each with a hint."""
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
