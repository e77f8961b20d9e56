"""Whether a unit's sandbox and limits are in force, since a container may lack what enforces them, and which of its
directives denied something to the service.

Source: systemd.exec(5), systemd.resource-control(5); proc(5), /proc/PID/status.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from shlex import quote
from typing import NamedTuple

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
    """All directives of the unit are in force, as far as the kernel shows it."""
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
    """Directives that nothing enforces on this host."""
    for controller, directives in _CONTROLLERS.items():
        if controller not in controllers.split():
            yield from directives.split()
    said = dict(line.partition(":\t")[::2] for line in status.splitlines())
    if said.get("Seccomp", "0").strip() == "0":
        yield from _SECCOMP.split()
    if said.get("NoNewPrivs", "0").strip() == "0":
        yield "NoNewPrivileges"


class _Place(NamedTuple):
    """Paths that a directive protects from the service, and the values for which it does."""

    directive: str
    below: str
    values: str
    says: str = "erofs"
    """The errors that the service gets."""


# The first match counts. ReadOnlyPaths= and InaccessiblePaths= list their paths themselves.
_PLACES = (
    _Place("ProtectHome", "/home /root /run/user", "yes tmpfs", "eacces"),
    _Place("ProtectHome", "/home /root /run/user", "read-only"),
    _Place("PrivateDevices", "/dev", "yes", "erofs eacces"),
    _Place("ProtectControlGroups", "/sys/fs/cgroup", "yes"),
    _Place("ProtectKernelTunables", "/proc /sys", "yes"),
    _Place("ProtectKernelModules", "/usr/lib/modules /lib/modules", "yes", "eacces"),
    _Place("ProtectSystem", "/usr /boot /efi", "yes full strict"),
    _Place("ProtectSystem", "/etc", "full strict"),
    _Place("ProtectSystem", "/", "strict"),
)
_READ_ONLY = r"read-only file ?system|\berofs\b"
_DENIED = re.compile(
    rf"(/[\w.+@/-]+)[^/\n]*?(?:({_READ_ONLY})|permission denied|\beacces\b)", re.IGNORECASE
)

# Patterns of messages about a call that is not permitted, for each directive.
_CALLS = (
    ("MemoryDenyWriteExecute", r"mmap|mprotect|executable memory|allocate exec|\bjit\b"),
    ("RestrictNamespaces", r"unshare|setns|\bclone\b|namespace"),
    ("RestrictRealtime", r"sched_set|real-?time"),
    ("LockPersonality", r"personality"),
    ("ProtectClock", r"clock_(?:set|adj)time|settimeofday|adjtime"),
    ("ProtectHostname", r"sethostname|setdomainname"),
    ("RestrictSUIDSGID", r"\bchmod|set-?[ug]id bit"),
    ("CapabilityBoundingSet", r"raw socket|SOCK_RAW|\bchown|setrlimit|\bchroot"),
)
_NOT_PERMITTED = re.compile(r".*(?:operation not permitted|\beperm\b|cannot allocate).*", re.I)


def denial(trial: Trial, text: str) -> str:
    """The directive of the unit that caused the denial described in the text, with a hint; empty if unknown."""
    found, call = _DENIED.search(text), _NOT_PERMITTED.search(text)
    if not trial.unit or not (found or call):
        return ""
    names = {place.directive for place in _PLACES} | {name for name, _ in _CALLS}
    asked = ",".join(sorted(names | {"ReadOnlyPaths", "InaccessiblePaths"}))
    shown = trial.run(f"systemctl show --property={asked} {quote(trial.unit)}").output
    unit = dict(line.partition("=")[::2] for line in shown.splitlines())
    if found and (directive := _of_path(found[1], unit, read_only=bool(found[2]))):
        return (
            f"`{directive}` of its unit keeps `{found[1]}` from it: have it write in /var/lib/{trial.name}, name the path in"
            f" `read-write-paths` of [service], or set `{directive.partition('=')[0]}` in [service.sandbox]"
        )
    line = call[0] if call else ""
    for name, sign in _CALLS:
        if unit.get(name, "no") not in ("no", "") and re.search(sign, line, re.IGNORECASE):
            return f"`{name}` of its unit denies it what it asks the kernel for: set it in [service.sandbox]"
    return ""


def _of_path(path: str, unit: Mapping[str, str], *, read_only: bool) -> str:
    def below(root: str) -> bool:
        return path == root or path.startswith(f"{root.rstrip('/')}/")

    for name in ("ReadOnlyPaths", "InaccessiblePaths"):
        for root in unit.get(name, "").split():
            # `-`: ignored if missing; `+`: relative to RootDirectory=.
            if below(root.lstrip("-+")) and read_only == (name == "ReadOnlyPaths"):
                return f"{name}={root}"
    said = "erofs" if read_only else "eacces"
    for place in _PLACES:
        value = unit.get(place.directive, "")
        fits = value in place.values.split() and said in place.says.split()
        if fits and any(map(below, place.below.split())):
            return f"{place.directive}={value}"
    return ""
