"""What is done on one host: it is looked at, changed, watched, asked for its journal."""

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
"""Looks at what a step said."""

_SECONDS = 60
"""For what asks and changes nothing."""
_PATIENCE = 1800
"""Seconds that a change may go on without us, after a connection has broken."""

BACK_BY_ITSELF = 3
"""The exit status of `NAME upgrade` when the new version failed and the one before it is back."""

PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{0,100}")
VERSION = re.compile(r"[0-9][0-9A-Za-z.+~:^_-]{0,99}")
"""As the host's own command wants it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a host says of itself and of the package."""

    distro: str = ""
    installed: str = ""
    """With epoch and revision; empty if it is not installed."""
    candidate: str = ""
    """The newest that its package manager has heard of."""
    broken: str = ""
    """In which state an installation that ended in the middle has left it."""
    mends: bool = False
    """Whether the package's own command puts that right."""
    free: int = 0
    """Bytes, where there are the fewest of /usr and /var."""
    inodes: int | None = None
    """Files that can still be made there; None where that has no bound."""
    skew: float = 0
    """Seconds by which its clock is ahead of this machine's."""
    state: str = ""
    """systemd's ActiveState; empty without a service."""
    since: float | None = None
    """When it became active; seconds since 1970."""
    history: str = ""
    """The last line of `NAME upgrades`."""
    held: str = ""
    """The version that `NAME rollback` stays with."""
    kept: bool = False
    """An administrator holds the version."""
    refusal: str = ""
    """Why the user may not change it, in sudo's words; only asked if that is meant."""
    busy: bool = False
    """Another version is being installed."""
    holder: str = ""
    """Who holds the lock."""

    @property
    def how(self) -> str:
        """How the version came to run."""
        if self.held and self.held == self.installed:
            return "rolled back"
        if not self.since:
            return ""
        # As scripts/hot-upgrade writes it; a start after it counts for more.
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
    """Ask a host; without a connection nothing is seen."""
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
    """Keep other roll-outs of the package away from the host, as long as the connection stands."""
    task = Task(
        script=_script("lock", name),
        words=(f"pkgrel-lock-{name}", who),
        request=("lock", who),
    )
    return ssh.hold(host, task, seconds=_SECONDS)


def change(ssh: Ssh, host: Host, name: str, verb: str, wanted: str, seconds: float) -> Ran:
    """`NAME upgrade` or `NAME rollback`; by the package manager where a package is too old to have them."""
    words = (verb, wanted) if wanted else (verb,)
    task = Task(script=_script("change", name), words=words, request=words)
    return ssh.run(host, task, seconds=seconds)


def script(text: str, *words: str) -> Task:
    """A script of its own, which no key for /usr/libexec/NAME/deploy takes."""
    return Task(script=text, words=words, request=("setup",))


def authorize(name: str, user: str, command: str, key: str, *, dry: bool) -> Task:
    """Have a key do what the command does, as the user."""
    words = (user, "yes" if dry else "no", command, key)
    return Task(script=_script("authorize", name), words=words, request=("setup",))


def settled(ssh: Ssh, host: Host, name: str, say: Callable[[str], None]) -> tuple[Ran, Seen]:
    """Look at a host when nothing is being installed on it any more, which a broken connection does not end."""
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
    """How to tell that a service answers, beside what systemd says."""

    url: str = ""
    tcp: int = 0
    patience: int = 60
    """Seconds for it to become ready."""


def watch(ssh: Ssh, host: Host, name: str, ready: Ready, soak: int) -> Ran:
    """Wait until the service is ready, and see that it stays so for a while."""
    url = shell_quoted(ready.url) if ready.url else ""
    words = (str(ready.patience), str(soak))
    task = Task(
        script=_script("watch", name, url=url, tcp=ready.tcp),
        words=words,
        # What to ask then, the package knows itself.
        request=("watch", *words),
    )
    return ssh.run(host, task, seconds=(ready.patience + soak) * 2 + _SECONDS)


def journal(ssh: Ssh, host: Host, name: str) -> str:
    """The last lines of the service, if the user may read them."""
    task = Task(script=_script("journal", name), request=("logs",))
    return ssh.run(host, task, seconds=_SECONDS).said


def bare(full: str) -> str:
    """A package's version without epoch and revision, which differ from distro to distro."""
    text = full.partition(":")[2] or full
    return text.rpartition("-")[0] or text


def is_version(full: str, wanted: str) -> bool:
    """Whether a package's version is the one that was asked for, whole, or as the release has it."""
    try:
        as_upstream = version.upstream(wanted)
    except ConfigError:
        as_upstream = wanted
    return wanted in (full, full.partition(":")[2]) or bare(full) in (wanted, as_upstream)
