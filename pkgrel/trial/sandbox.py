"""What of a unit's sandbox and limits is in force for its process: a container may lack what enforces some of it.

Source: systemd.exec(5), systemd.resource-control(5); proc(5), /proc/PID/status.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from shlex import quote

from pkgrel.trial.trial import Failed, Trial, Unproven

_CONTROLLERS = {
    "memory": "MemoryMax MemoryHigh MemoryLow MemoryMin MemorySwapMax",
    "cpu": "CPUQuota CPUWeight",
    "io": "IOWeight IOReadBandwidthMax IOWriteBandwidthMax",
    "pids": "TasksMax",
}
_SECCOMP = (
    "SystemCallFilter SystemCallArchitectures RestrictAddressFamilies RestrictNamespaces RestrictRealtime"
    " RestrictSUIDSGID LockPersonality MemoryDenyWriteExecute ProtectClock ProtectKernelLogs ProtectHostname"
)


def in_force(trial: Trial) -> str:
    """All that the unit asks for is in force, as far as the kernel says it."""
    shown = trial.must(
        f"systemctl cat {quote(trial.unit)}", "systemd does not show its unit"
    ).output
    asked = set(re.findall(r"^([A-Z][A-Za-z]+)=.+$", shown, re.MULTILINE))
    if missing := sorted(asked & set(_missing(trial))):
        raise Unproven(f"not in force on a host of this kind: {', '.join(missing)}")
    return "as far as the kernel tells"


def _missing(trial: Trial) -> Iterator[str]:
    """Directives that nothing enforces here."""
    there = trial.run("cat /sys/fs/cgroup/cgroup.controllers").output.split()
    for controller, directives in _CONTROLLERS.items():
        if controller not in there:
            yield from directives.split()
    pid = quote(trial.state().get("MainPID", "0"))
    status = trial.run(f"cat /proc/{pid}/status")
    if not status:
        raise Failed("its process is not there", status)
    said = dict(line.partition(":\t")[::2] for line in status.output.splitlines())
    if said.get("Seccomp", "0").strip() == "0":
        yield from _SECCOMP.split()
    if said.get("NoNewPrivs", "0").strip() == "0":
        yield "NoNewPrivileges"
