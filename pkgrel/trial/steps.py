"""The steps of a trial, in their order, as an administrator or a bad day would do it.

A step is a function of the trial and a row of STEPS. It returns a sentence about what it saw, raises Failed, or
Unproven where this host cannot show it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pkgrel.trial import clones, lifecycle, running, sandbox
from pkgrel.trial.trial import Trial


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is tried."""

    id: str
    title: str
    run: Callable[[Trial], str]
    service: bool = True
    """Whether it is about a service, which not every package has."""
    fatal: bool = False
    """Whether there is nothing to be tried after it has failed."""
    begins: bool = True
    """Whether what goes wrong begins with it; not if it looks at what an earlier one has started."""


SECRETS = Step(
    "secrets", "hosts of one image have secrets of their own", clones.secrets, service=False
)

HOST = Step("host", "the host is of its distro", lifecycle.of_its_kind, service=False, fatal=True)

STEPS = (
    HOST,
    Step(
        "install",
        "installs with its own dependencies",
        lifecycle.installs,
        service=False,
        fatal=True,
        begins=False,
    ),
    Step("variables", "the variables that it needs are set", running.variables),
    Step("ready", "the service becomes ready", running.ready, fatal=True, begins=False),
    Step("files", "files, owners and modes are as packaged", lifecycle.files, service=False),
    Step("command", "its command reaches the running system", running.commands),
    Step("sandbox", "its sandbox and limits are in force", sandbox.in_force),
    Step("configuration", "edited settings survive", lifecycle.configuration),
    Step("restart", "it restarts", running.restart),
    Step("recovery", "it comes back when it is killed", running.recovery),
    Step("downgrade", "it goes back to the version before", lifecycle.downgrade),
    Step("upgrade", "it upgrades from the version before", lifecycle.upgrade),
    Step("stays", "it runs on by itself", running.runs_on, begins=False),
    Step("reboot", "it runs after a reboot", running.reboot),
    Step("writes", "it writes in its own directories only", running.writes),
    Step("memory", "it uses", running.memory),
    SECRETS,
    Step("script", "your own script succeeds", running.smoke, service=False),
    Step("remove", "it is removed", lifecycle.removal, service=False),
    Step("purge", "nothing is left when it is purged", lifecycle.purge, service=False),
)
