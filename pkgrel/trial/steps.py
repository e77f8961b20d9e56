"""The steps of a trial in order, as an administrator or an accident would cause them, and how they are run.

A step is a function of the trial in the table STEPS. It returns a sentence about what it saw, or raises Failed, or
Unproven if this host cannot show it.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pkgrel.errors import PkgrelError
from pkgrel.trial import clones, lifecycle, running, sandbox
from pkgrel.trial.explanations import explain
from pkgrel.trial.host import Ran
from pkgrel.trial.results import Outcome, Result
from pkgrel.trial.trial import Failed, Trial, Unproven


@dataclass(frozen=True, slots=True)
class Step:
    """One test of a trial."""

    id: str
    title: str
    run: Callable[[Trial], str]
    service: bool = True
    """Whether it needs a service, which not every package has."""
    fatal: bool = False
    """Whether its failure makes all later steps pointless."""
    begins: bool = True
    """Whether it causes what it observes; if not, an earlier step did, and the journal is shown from the beginning."""


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

_AT_THE_END = ("remove", "purge")


def run(
    trial: Trial,
    wanted: Sequence[Step],
    begin: Callable[[str], None],
    *,
    network: bool = False,
    shell: bool = False,
) -> tuple[Result, ...]:
    """Run the steps and return their results; `begin` is called with each title.

    `network`: keep the host's network after the installation. `shell`: open an interactive shell before the removal.
    """
    results: list[Result] = []
    stopped = False
    with ThreadPoolExecutor(1) as meanwhile:
        for step in wanted:
            if shell and step.id in _AT_THE_END:
                shell = False
                subprocess.run(trial.host.shell, check=False)
            if stopped or (step.service and not trial.unit):
                results.append(Result(id=step.id, title=step.title, outcome=Outcome.SKIPPED))
                continue
            begin(step.title)
            results.append(_one(trial, step))
            stopped = step.fatal and results[-1].outcome is Outcome.FAILED
            if step.id == "install" and not network and not stopped:
                trial.host.disconnect()
            if step.id == "ready" and not stopped and SECRETS in wanted:
                trial.clones = meanwhile.submit(clones.start_clones, trial)
        if shell:
            subprocess.run(trial.host.shell, check=False)
    return tuple(results)


def _one(trial: Trial, step: Step) -> Result:
    begun, since = time.monotonic(), int(time.time())
    outcome, detail, ran = Outcome.PASSED, "", Ran("", 0, "")
    try:
        detail = step.run(trial)
    except Unproven as e:
        outcome, detail = Outcome.UNPROVEN, str(e)
    except Failed as e:
        outcome, detail, ran = Outcome.FAILED, str(e), e.ran
    except PkgrelError as e:
        outcome, detail = Outcome.FAILED, str(e)
    seconds = time.monotonic() - begun
    journal = ""
    if outcome is Outcome.FAILED and (step.service or step.fatal):
        journal = trial.journal(since if step.begins else 0)
    output = _end(ran)
    explanation = ""
    if journal or output:
        text = f"{output}\n{detail}\n{journal}"
        denied = sandbox.denial(trial, text)
        explanation, look = (denied, "") if denied else explain(text)
        if look and not output:
            ran = trial.run(look)
    return Result(
        id=step.id,
        title=step.title,
        outcome=outcome,
        seconds=round(seconds, 1),
        detail=detail,
        command=ran.command,
        output=_end(ran),
        journal=journal,
        explanation=explanation,
    )


def _end(ran: Ran) -> str:
    lines = ran.output.strip().splitlines()
    # dpkg's progress counter, which it prints even without a terminal.
    return "\n".join([line for line in lines if not line.startswith("(Reading database")][-20:])
