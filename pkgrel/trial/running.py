"""Steps that test the running service: readiness, requests, restart, recovery after a kill, reboot."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from shlex import quote

from pkgrel.trial.host import Ran
from pkgrel.trial.trial import Failed, Look, Trial, Unproven

READY_SECONDS = 90
"""How long a service may take to become active, or to be given up by systemd."""
_STATE_SECONDS = {"activating": 900, "inactive": 1}
"""The same in these states: while starting, which the unit limits itself, and while systemd does nothing about it."""
LISTEN_SECONDS = 30
ANSWER_SECONDS = 15
SHORTLY = 1.0
"""How long a service without a port must run after a change that does not concern its code."""


def variables(trial: Trial) -> str:
    """The variables that the release needs are set."""
    if not trial.command or not trial.run(f"{trial.command} --help | grep -q 'config check'"):
        return "nothing is asked for"
    done = trial.run(f"{trial.command} config check")
    if not done:
        raise Failed("variables that it needs are not set", done)
    empty = [name for name, text in trial.environment.items() if not text]
    return f"all are set, though {', '.join(empty)} to nothing" if empty else "all are set"


def ready(trial: Trial, settle: float | None = None) -> str:
    """The service becomes ready: it listens on a port, or keeps running without a restart.

    `settle`: seconds for which it must keep running if it does not listen.
    """
    settle = trial.settle if settle is None else min(settle, trial.settle)
    # A service that has listened before must listen again, and gets time to do so.
    settle = max(settle, LISTEN_SECONDS) if trial.port else settle
    begun = time.monotonic()
    active = 0.0
    restarts = None
    while True:
        seen = trial.look()
        restarts = seen.restarts if restarts is None else restarts
        if seen.state == "failed":
            raise Failed(f"{trial.unit} has failed: {seen.result}")
        if seen.restarts != restarts or seen.substate == "auto-restart":
            raise Failed(f"{trial.unit} ends and is started again")
        if seen.state == "active":
            active = trial.since = active or time.monotonic()
            if _finds_port(trial, seen):
                return f"listens on port {trial.port}"
            if time.monotonic() - active >= settle:
                break
        # systemd itself stops a service that exceeds the start timeout of its unit.
        limit = _STATE_SECONDS.get(seen.state, READY_SECONDS) + settle
        if time.monotonic() - begun > limit:
            raise Failed(
                f"{trial.unit} is `{seen.state}` after {limit:g} s",
                trial.installation if seen.state == "inactive" else None,
            )
        time.sleep(0.1)
    if trial.asks:
        # A VM that is told to stop before it handles signals takes a minute.
        _answers(trial, *trial.asks)
    return f"has run for {settle:g} s, and listens on no port"


def _finds_port(trial: Trial, seen: Look) -> bool:
    address = _for_clients(seen.listening)
    if address:
        trial.address, trial.port = address
    return bool(address)


def _for_clients(listening: Collection[tuple[str, int]]) -> tuple[str, int] | None:
    """The address for clients on the host, at the service's lowest port."""
    if not listening:
        return None
    port = min(port for _, port in listening)
    addresses = {address for address, other in listening if other == port}
    everywhere = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "[::]": "[::1]"}
    # IPv4 first: `[::]` beside `0.0.0.0` accepts only IPv6.
    address = min(addresses, key=lambda each: ("[" in each, each))
    return everywhere.get(address, address), port


def commands(trial: Trial) -> str:
    """The package's command reaches the running system."""
    if not trial.command:
        return "the package has none"
    if not trial.mix:
        trial.asks = (f"{trial.command} ping", "")
        _answers(trial, *trial.asks)
        return "answers a ping"
    said = trial.must(f"{trial.command} version", f"`{trial.command} version` fails").output
    if "rpc" in trial.run(f"{trial.command} --help").output:
        trial.asks = (f"{trial.command} rpc 'IO.puts(6 * 7)'", "42")
        _answers(trial, *trial.asks)
        # A slow service may only listen by now.
        _finds_port(trial, trial.look())
    return said.strip().splitlines()[-1] if said.strip() else "answers"


def _answers(trial: Trial, command: str, wanted: str) -> None:
    """Retries, since a service without a port may still be starting."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while not (done := trial.run(command)) or wanted not in done.output:
        if time.monotonic() > deadline:
            raise Failed(f"`{command}` does not answer (exit status {done.status})", done)
        time.sleep(0.5)


def restart(trial: Trial) -> str:
    """The service restarts when the administrator asks for it."""
    trial.must(f"systemctl restart {quote(trial.unit)}", "it does not start again")
    return ready(trial, SHORTLY)


_SOONER = "/run/systemd/system/{unit}.d/pkgrel-try.conf"


def recovery(trial: Trial) -> str:
    """The service recovers after SIGKILL."""
    before = trial.look()
    if not before.pid:
        raise Failed(
            f"systemd knows no process of {trial.unit}: see PIDFile= in systemd.service(5)"
        )
    delay = trial.run(f"systemctl show --property=RestartUSec --value {quote(trial.unit)}")
    file = quote(_SOONER.format(unit=trial.unit))
    if waits := not re.fullmatch(r"(0|\d+ms|1s)?", delay.output.strip()):
        # A long RestartSec= is shortened: waiting for it proves nothing.
        sooner = f"mkdir -p $(dirname {file}) && printf '[Service]\\nRestartSec=100ms\\n' >{file} && systemctl daemon-reload"
        trial.must(sooner, f"{file} cannot be written")
    begun = time.monotonic()
    trial.must(f"kill -KILL {before.pid}", "it cannot be killed")
    try:
        _comes_back(trial, before.pid)
        ready(trial, SHORTLY)
    finally:
        seconds = time.monotonic() - begun
        if waits:
            trial.run(f"rm -r $(dirname {file}) && systemctl daemon-reload")
    after = f"after {delay.output.strip()}, which is not waited for here, and" if waits else "after"
    return f"{after} {seconds:.1f} s"


def _comes_back(trial: Trial, pid: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        seen = trial.look()
        if seen.pid not in (pid, 0) and seen.state in ("active", "activating"):
            trial.kills += 1
            return
        if seen.state in ("failed", "inactive"):
            break
        time.sleep(0.1)
    raise Failed("it stays down after `kill -KILL`: `restart` of [service] decides that")


def runs_on(trial: Trial) -> str:
    """The service keeps running, without restarts other than those after kills by this trial."""
    time.sleep(max(0, trial.since + trial.settle - time.monotonic()))
    if (seen := trial.look()).state != "active":
        raise Failed(f"{trial.unit} is `{seen.state}`: {seen.result}")
    log = trial.run(f"journalctl --no-pager --output=cat --unit={quote(trial.unit)}")
    restarts = [line for line in log.output.splitlines() if _RESTARTS.search(line)]
    if len(restarts) > trial.kills:
        raise Failed(f"{trial.unit} ends and is started again", Ran(log.command, 0, restarts[-1]))
    return f"for {time.monotonic() - trial.since:.0f} s"


# Messages of systemd since 235, and before.
_RESTARTS = re.compile(r"Scheduled restart job|time over, scheduling restart")


def reboot(trial: Trial) -> str:
    """The host reboots, and the service starts with it."""
    trial.host.reboot()
    return ready(trial)


def writes(trial: Trial) -> str:
    """The service has not written outside of its directories."""
    user = trial.look().user
    if user in ("", "root"):
        raise Unproven("it runs as root")
    own = " ".join(f"-not -path '{root}/{trial.name}*'" for root in ("/var/lib", "/var/log", "/var/cache", "/run"))  # fmt: skip
    found = trial.run(f"find / -xdev -user {quote(user)} -not -path '/proc/*' {own}", seconds=60)
    if found.output.strip():
        raise Failed(f"files of {user} are outside of its directories", found)
    return f"nothing of {user}'s elsewhere"


def memory(trial: Trial) -> str:
    """How much memory the main process uses."""
    pid = trial.look().pid
    shown = trial.must(f"grep VmRSS /proc/{pid}/status", "it does not run").output
    return f"{int(shown.split()[1]) / 1024:.0f} MiB"


def smoke(trial: Trial) -> str:
    """The user's own script succeeds."""
    if not trial.script:
        raise Unproven("no script: name one with `--script`")
    words = {"NAME": trial.name, "VERSION": str(trial.artifact.version), "PORT": str(trial.port)}
    given = " ".join(f"PKGREL_{name}={quote(text)}" for name, text in words.items())
    done = trial.must(f"env {given} sh {quote(trial.script)}", "the script fails", seconds=600)
    return done.output.strip().splitlines()[-1] if done.output.strip() else "succeeds"
