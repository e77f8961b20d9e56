"""What of a unit's sandbox and limits is in force for its process: a container may lack what enforces some of it.

Source: systemd.exec(5), systemd.resource-control(5); proc(5), /proc/PID/status.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from shlex import quote

from pkgrel.trial.trial import Trial, Unproven

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


_MARK = "--- pkgrel"


def in_force(trial: Trial) -> str:
    """All that the unit asks for is in force, as far as the kernel says it."""
    unit = quote(trial.unit)
    shown = trial.must(
        f"systemctl cat {unit} && pid=$(systemctl show --property=MainPID {unit}) && echo {_MARK} &&"
        f" cat /proc/${{pid#MainPID=}}/status && echo {_MARK} && {{ cat /sys/fs/cgroup/cgroup.controllers || true; }}",
        "systemd does not show its unit, or its process is not there",
    ).output
    text, status, controllers = shown.split(f"{_MARK}\n")
    asked = set(re.findall(r"^([A-Z][A-Za-z]+)=.+$", text, re.MULTILINE))
    if missing := sorted(asked & set(_missing(status, controllers))):
        raise Unproven(f"not in force on a host of this kind: {', '.join(missing)}")
    return "as far as the kernel tells"


def _missing(status: str, controllers: str) -> Iterator[str]:
    """Directives that nothing enforces here."""
    for controller, directives in _CONTROLLERS.items():
        if controller not in controllers.split():
            yield from directives.split()
    said = dict(line.partition(":\t")[::2] for line in status.splitlines())
    if said.get("Seccomp", "0").strip() == "0":
        yield from _SECCOMP.split()
    if said.get("NoNewPrivs", "0").strip() == "0":
        yield "NoNewPrivileges"
