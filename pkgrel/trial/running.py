"""What is tried with the service as it runs: ready, asked, restarted, killed, booted with its host."""

from __future__ import annotations

import re
import time
from shlex import quote

from pkgrel.trial.trial import Failed, Trial, Unproven

READY_SECONDS = 90
"""For a service to become ready, whatever its unit allows."""
LISTEN_SECONDS = 30
ANSWER_SECONDS = 15


def variables(trial: Trial) -> str:
    """Variables that the release needs are set."""
    if not trial.command or not trial.run(f"{trial.command} --help | grep -q 'config check'"):
        return "nothing is asked for"
    done = trial.run(f"{trial.command} config check")
    if not done:
        raise Failed("variables that it needs are not set", done)
    return "all are set"


def ready(trial: Trial) -> str:
    """The service becomes ready: it listens, or runs on without a restart."""
    begun = time.monotonic()
    settled = 0.0
    restarts = None
    while time.monotonic() - begun < READY_SECONDS:
        state = trial.state()
        restarts = state.get("NRestarts", "0") if restarts is None else restarts
        if state.get("ActiveState") == "failed":
            raise Failed(f"{trial.unit} has failed: {state.get('Result')}")
        if state.get("NRestarts", "0") != restarts:
            raise Failed(f"{trial.unit} ends and is started again")
        if state.get("ActiveState") == "active":
            settled = settled or time.monotonic()
            if port := _listening(trial):
                trial.port = port
                return f"listens on port {port}"
            # What has listened before is expected to do so again, and may take its time.
            settle = max(trial.settle, LISTEN_SECONDS) if trial.port else trial.settle
            if time.monotonic() - settled >= settle:
                return f"has run for {settle:g} s"
        time.sleep(0.2)
    raise Failed(f"{trial.unit} is `{trial.state().get('ActiveState')}` after {READY_SECONDS} s")


_EPMD = 4369
_NODE_PORTS = range(23000, 27000)
"""Where pkgrel puts nodes of Erlang, which speak to no client."""


def _listening(trial: Trial) -> int:
    """A port on which the service's user listens for clients; 0 if there is none yet."""
    user = user_of(trial) or "root"
    # By the user: which process it is needs rights that a container may not have.
    uid = trial.run(f"id --user {quote(user)}").output.strip()
    found = []
    for line in trial.run("ss -H -l -t -n -e").output.splitlines():
        owner = re.search(r"uid:(\d+)", line)
        address = line.split()[3:4]
        if address and (owner[1] if owner else "0") == uid:
            port = int(address[0].rpartition(":")[2])
            if port != _EPMD and port not in _NODE_PORTS:
                found.append(port)
    return min(found, default=0)


def user_of(trial: Trial) -> str:
    """As whom the service runs; empty for root."""
    shown = trial.run(f"systemctl show --property=User --value {quote(trial.unit)}")
    return shown.output.strip()


def commands(trial: Trial) -> str:
    """The package's own command speaks to the running system."""
    if not trial.command:
        return "the package has none"
    if not trial.mix:
        _answers(trial, f"{trial.command} ping", "")
        return "answers a ping"
    said = trial.must(f"{trial.command} version", f"`{trial.command} version` fails").output
    if "rpc" in trial.run(f"{trial.command} --help").output:
        _answers(trial, f"{trial.command} rpc 'IO.puts(6 * 7)'", "42")
    return said.strip().splitlines()[-1] if said.strip() else "answers"


def _answers(trial: Trial, command: str, wanted: str) -> None:
    """A service that listens nowhere may still be starting."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while not (done := trial.run(command)) or wanted not in done.output:
        if time.monotonic() > deadline:
            raise Failed(f"`{command}` does not answer (exit status {done.status})", done)
        time.sleep(0.5)


def restart(trial: Trial) -> str:
    """Stopped and started again by its administrator."""
    trial.must(f"systemctl restart {quote(trial.unit)}", "it does not start again")
    return ready(trial)


def recovery(trial: Trial) -> str:
    """Killed, it comes back by itself."""
    before = trial.state().get("MainPID", "0")
    trial.must(f"kill -KILL {quote(before)}", "it cannot be killed")
    deadline = time.monotonic() + 60
    begun = time.monotonic()
    while time.monotonic() < deadline:
        state = trial.state()
        if state.get("MainPID") not in (before, "0", None) and state.get("ActiveState") == "active":
            ready(trial)
            return f"after {time.monotonic() - begun:.1f} s"
        time.sleep(0.2)
    raise Failed("it stays down after `kill -KILL`: `restart` of [service] decides that")


def reboot(trial: Trial) -> str:
    """The host boots again, and the service with it."""
    trial.host.reboot()
    return ready(trial)


def writes(trial: Trial) -> str:
    """The service has written nothing outside of its directories."""
    user = user_of(trial)
    if user in ("", "root"):
        raise Unproven("it runs as root")
    own = " ".join(f"-not -path '{root}/{trial.name}*'" for root in ("/var/lib", "/var/log", "/var/cache", "/run"))  # fmt: skip
    found = trial.run(f"find / -xdev -user {quote(user)} -not -path '/proc/*' {own}", seconds=60)
    if found.output.strip():
        raise Failed(f"files of {user} are outside of its directories", found)
    return f"nothing of {user}'s elsewhere"


def memory(trial: Trial) -> str:
    """What its first process takes."""
    pid = trial.state().get("MainPID", "0")
    shown = trial.must(f"grep VmRSS /proc/{quote(pid)}/status", "it does not run").output
    return f"{int(shown.split()[1]) / 1024:.0f} MiB"


def smoke(trial: Trial) -> str:
    """The user's own script."""
    if not trial.script:
        raise Unproven("no script: name one with `--script`")
    words = {"NAME": trial.name, "VERSION": str(trial.artifact.version), "PORT": str(trial.port)}
    given = " ".join(f"PKGREL_{name}={quote(text)}" for name, text in words.items())
    done = trial.must(f"env {given} sh {quote(trial.script)}", "the script fails", seconds=600)
    return done.output.strip().splitlines()[-1] if done.output.strip() else "succeeds"
