"""The steps of a roll-out on one host: look, lock, change, watch, read the journal."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pkgrel import version
from pkgrel.errors import ConfigError
from pkgrel.rollout.hosts import Host
from pkgrel.rollout.ssh import Ran, Ssh, Task
from pkgrel.templates import render, shell_quoted

Did = Callable[[Ran], Ran]
"""Checks the result of a step."""

_SECONDS = 60
"""Timeout of steps that change nothing."""
_PATIENCE = 1800
"""Seconds to wait for a change to end after the connection broke."""

BACK_BY_ITSELF = 3
"""The exit status of `NAME upgrade` if the new version failed and the previous one is running again."""

PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{0,100}")
VERSION = re.compile(r"[0-9][0-9A-Za-z.+~:^_-]{0,99}")
"""What the host's `NAME` command accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The state of a host and of the package on it, as the host reports it."""

    distro: str = ""
    installed: str = ""
    """The installed version with epoch and revision; empty if it is not installed."""
    candidate: str = ""
    """The newest version that its package manager knows."""
    broken: str = ""
    """The package's state after an interrupted installation; empty if it is intact."""
    mends: bool = False
    """Whether the package's command can repair that."""
    free: int = 0
    """Free bytes in /usr or /var, whichever has less."""
    inodes: int | None = None
    """Free inodes there; None if the file system has no limit."""
    skew: float = 0
    """Seconds by which its clock is ahead of this machine's."""
    state: str = ""
    """systemd's ActiveState; empty without a service."""
    since: float | None = None
    """When it became active, in seconds since the epoch."""
    history: str = ""
    """The last line of `NAME upgrades`."""
    held: str = ""
    """The version that `NAME rollback` pinned."""
    kept: bool = False
    """Whether an administrator holds the version with the package manager."""
    refusal: str = ""
    """Why the user may not change the version, by sudo's message; only asked before a change."""
    busy: bool = False
    """Whether an upgrade or rollback is running."""
    holder: str = ""
    """Who holds the lock."""

    @property
    def how(self) -> str:
        """How the running version was started."""
        if self.held and self.held == self.installed:
            return "rolled back"
        if not self.since:
            return ""
        # The format of scripts/hot-upgrade; a later start of the service overrides it.
        found = re.match(r"(\S+Z) .*, upgraded while it ran$", self.history)
        if found and _seconds(found[1]) >= self.since:
            return "hot upgrade"
        return "started"


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0


def _script(step: str, name: str, **values: object) -> str:
    names = {"name": shell_quoted(name), **values}
    return f"{render('rollout/tell', **names)}\n{render(f'rollout/{step}', **names)}"


def look(ssh: Ssh, host: Host, name: str, *, to_change: bool = False) -> tuple[Ran, Seen]:
    """Read the state of a host; empty if there is no connection."""
    words = ("change",) if to_change else ()
    task = Task(script=_script("look", name), words=words, request=("look",))
    ran = ssh.run(host, task, seconds=_SECONDS)
    told = ran.told
    loaded = told.get("loaded") == "loaded"
    entered, uptime, clock = (_number(told.get(key, "")) for key in ("entered", "uptime", "clock"))
    active = loaded and told.get("state") == "active" and entered
    return ran, Seen(
        distro=told.get("distro", ""),
        installed=told.get("installed", ""),
        candidate=told.get("candidate", "").replace("(none)", ""),
        broken=told.get("broken", ""),
        mends=bool(told.get("mends")),
        free=int(_number(told.get("free", "")) * 1024),
        inodes=int(told["inodes"]) if told.get("inodes", "").isdecimal() else None,
        skew=clock - time.time() if clock else 0,
        state=told.get("state", "") if loaded else "",
        since=round(clock - uptime + entered / 1e6) if active else None,
        history=told.get("history", ""),
        held=told.get("held", ""),
        kept=bool(told.get("kept")),
        refusal=told.get("refusal", ""),
        busy=bool(told.get("busy")),
        holder=told.get("holder", ""),
    )


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,9})?", text) else 0


def lock(ssh: Ssh, host: Host, name: str, who: str) -> Ran:
    """Take the host's lock against other roll-outs of the package, for as long as the connection lasts."""
    task = Task(
        script=_script("lock", name),
        words=(f"pkgrel-lock-{name}", who),
        request=("lock", who),
    )
    return ssh.hold(host, task, seconds=_SECONDS)


def change(ssh: Ssh, host: Host, name: str, verb: str, wanted: str, seconds: float) -> Ran:
    """Run `NAME upgrade` or `NAME rollback`; or the package manager, if the package is too old to have them."""
    words = (verb, wanted) if wanted else (verb,)
    task = Task(script=_script("change", name), words=words, request=words)
    return ssh.run(host, task, seconds=seconds)


def script(text: str, *words: str) -> Task:
    """A task for a script that keys restricted to /usr/libexec/NAME/deploy do not accept."""
    return Task(script=text, words=words, request=("setup",))


def authorize(name: str, user: str, command: str, key: str, *, dry: bool) -> Task:
    """A task that authorizes a key to run only the given command, as the user."""
    words = (user, "yes" if dry else "no", command, key)
    return Task(script=_script("authorize", name), words=words, request=("setup",))


def settled(ssh: Ssh, host: Host, name: str, say: Callable[[str], None]) -> tuple[Ran, Seen]:
    """Wait until no installation is running on a host, as one continues after the connection broke, and look at it."""
    deadline = time.monotonic() + _PATIENCE
    alone = time.monotonic() + _SECONDS * 2
    while True:
        ran, seen = look(ssh, host, name)
        now = time.monotonic()
        if not ran.lost and not seen.busy:
            return ran, seen
        if now > (alone if ran.lost else deadline):
            return ran, seen
        say("not reachable, trying again" if ran.lost else "waiting for the package manager")
        time.sleep(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """How to test that a service answers, in addition to systemd's state."""

    url: str = ""
    tcp: int = 0
    patience: int = 60
    """Seconds that it may take to become ready."""


def watch(ssh: Ssh, host: Host, name: str, ready: Ready, soak: int) -> Ran:
    """Wait until the service is ready, and check that it stays ready for `soak` seconds."""
    url = shell_quoted(ready.url) if ready.url else ""
    words = (str(ready.patience), str(soak))
    task = Task(
        script=_script("watch", name, url=url, tcp=ready.tcp),
        words=words,
        # Without URL and port: the package itself knows what to test.
        request=("watch", *words),
    )
    return ssh.run(host, task, seconds=(ready.patience + soak) * 2 + _SECONDS)


def journal(ssh: Ssh, host: Host, name: str) -> str:
    """The last lines of the service's journal, if the user may read it."""
    task = Task(script=_script("journal", name), request=("logs",))
    return ssh.run(host, task, seconds=_SECONDS).said


def bare(full: str) -> str:
    """The version without epoch and revision, which differ between distros."""
    text = full.partition(":")[2] or full
    return text.rpartition("-")[0] or text


def is_version(full: str, wanted: str) -> bool:
    """Whether a package's version is the wanted one, which may be a full version, or the release's."""
    try:
        as_upstream = version.upstream(wanted)
    except ConfigError:
        as_upstream = wanted
    return wanted in (full, full.partition(":")[2]) or bare(full) in (wanted, as_upstream)
