"""Sections of unit files, in the words that the target's systemd knows, and those of the sandbox.

Where systemd had another name for a directive the older one is used, its value on the older scale.

Source: systemd.exec(5); what the Erlang VM bears was measured, see `docs/architecture.md`.
"""

from collections.abc import Callable, Iterable, Iterator

from pkgrel.config.service import Hardening
from pkgrel.distro import Distro
from pkgrel.distro.directives import knows, knows_value
from pkgrel.plan.inputs import Inputs

Directive = tuple[str, str]


def _same(value: str) -> str:
    return value


# systemd.resource-control(5): a weight of 100 was 1024 shares, and 500 of the block IO weight.
_OLDER: dict[tuple[str, str], tuple[str, Callable[[str], str]]] = {
    ("Service", "ReadWritePaths"): ("ReadWriteDirectories", _same),
    ("Service", "ReadOnlyPaths"): ("ReadOnlyDirectories", _same),
    ("Service", "InaccessiblePaths"): ("InaccessibleDirectories", _same),
    ("Service", "MemoryMax"): ("MemoryLimit", _same),
    ("Service", "CPUWeight"): ("CPUShares", lambda weight: str(max(2, int(weight) * 1024 // 100))),
    ("Service", "IOWeight"): (
        "BlockIOWeight",
        lambda weight: str(min(1000, max(10, int(weight) * 5))),
    ),
}

# It moved from [Service] to [Unit] in systemd 230.
_START_LIMIT = {"StartLimitIntervalSec": "StartLimitInterval", "StartLimitBurst": "StartLimitBurst"}


def section(name: str, directives: Iterable[Directive], distro: Distro) -> str:
    """One section, without what the distro's systemd does not know."""
    lines = (f"{key}={value}\n" for key, value in _spelled(name, directives, distro))
    return f"[{name}]\n" + "".join(lines)


def _spelled(name: str, directives: Iterable[Directive], distro: Distro) -> Iterator[Directive]:
    for key, value in directives:
        if knows(distro, name, key):
            yield key, value
        elif (name, key) in _OLDER:
            older, scale = _OLDER[name, key]
            yield older, scale(value)


def start_limits(
    distro: Distro, interval: int, burst: int
) -> tuple[list[Directive], list[Directive]]:
    """What [Unit] and what [Service] say of how often a start is tried; 0 is systemd's default."""
    given = [
        (key, str(value))
        for key, value in (("StartLimitIntervalSec", interval), ("StartLimitBurst", burst))
        if value
    ]
    if knows(distro, "Unit", "StartLimitIntervalSec"):
        return given, []
    return [], [(_START_LIMIT[key], value) for key, value in given]


def understands(distro: Distro, name: str, value: str) -> bool:
    """Whether [Service] of the distro's systemd takes this, in whatever spelling."""
    return knows_value(distro, "Service", name, value) or ("Service", name) in _OLDER


def escaped(text: str) -> str:
    """Text in which systemd shall expand no `%`; systemd.unit(5)."""
    return text.replace("%", "%%")


def quoted(text: str) -> str:
    """One word of a unit file, which systemd splits at spaces; systemd.syntax(7)."""
    text = escaped(text)
    if text and not any(character in text for character in " \t\"'\\"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# Every one of them was seen to work with the JIT, NIFs, rpc and remote. ProcSubset=pid is not among
# them, because os_mon reads /proc/meminfo; nor MemoryDenyWriteExecute, because NIFs may bring a JIT.
_BASELINE = (
    ("NoNewPrivileges", "yes"),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("PrivateDevices", "yes"),
    ("PrivateMounts", "yes"),
    ("DevicePolicy", "closed"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectProc", "invisible"),
    ("PrivateIPC", "yes"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    # inet:getifaddrs needs AF_NETLINK.
    ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
    ("LockPersonality", "yes"),
    ("RemoveIPC", "yes"),
    ("KeyringMode", "private"),
    ("SystemCallArchitectures", "native"),
)

_STRICT = (
    ("ProcSubset", "pid"),
    ("MemoryDenyWriteExecute", "yes"),
)

_LOW_PORTS = "CAP_NET_BIND_SERVICE"

# @chown of systemd 239, which older ones have no name for.
_OWNERSHIP = "chown chown32 fchown fchown32 fchownat lchown lchown32"

# What @system-service leaves out, for systemd that has groups but not this one.
_NOT_FOR_SERVICES = "~@clock @cpu-emulation @debug @keyring @module @mount @obsolete @privileged @raw-io @reboot @swap"


def overrides(inputs: Inputs) -> dict[str, str]:
    """The user's own directives; what the distro's systemd does not know leaves ours in place."""
    return {
        name: value
        for name, value in inputs.config.service.sandbox.items()
        if not value or understands(inputs.distro, name, value)
    }


def sandbox_directives(inputs: Inputs) -> Iterator[Directive]:
    """The directives of the level."""
    service = inputs.config.service
    if service.low_ports:
        yield "AmbientCapabilities", _LOW_PORTS
    if service.hardening is Hardening.OFF:
        return
    strict = service.hardening in (Hardening.STRICT, Hardening.CHROOT)
    yield "ProtectSystem", _protect_system(inputs)
    yield "CapabilityBoundingSet", _LOW_PORTS if service.low_ports else ""
    yield from _BASELINE
    if strict:
        yield from _STRICT
        if not service.low_ports:
            # In a user namespace of its own a capability does not reach the host's ports.
            yield "PrivateUsers", "yes"
    yield from _system_calls(inputs.distro, strict=strict)


def isolated(inputs: Inputs) -> bool:
    """Whether the service has a root with only what it needs; systemd before 238 has none, and `strict` is left."""
    chroot = inputs.config.service.hardening is Hardening.CHROOT
    return chroot and knows(inputs.distro, "Service", "TemporaryFileSystem")


def _protect_system(inputs: Inputs) -> str:
    if isolated(inputs):
        # `strict` is a rule for `/`, and systemd keeps one only, not the empty root. All in that is read-only anyway.
        return "no"
    # Without StateDirectory nothing would be left to write to.
    strict = knows(inputs.distro, "Service", "ProtectSystem=strict")
    return "strict" if strict and knows(inputs.distro, "Service", "StateDirectory") else "full"


def _system_calls(distro: Distro, *, strict: bool) -> Iterator[Directive]:
    if knows(distro, "Service", "SystemCallFilter=@system-service"):
        yield "SystemCallFilter", "@system-service"
        yield "SystemCallFilter", "~@privileged @resources" if strict else "~@privileged"
    elif knows(distro, "Service", "SystemCallFilter=@group"):
        yield "SystemCallFilter", f"{_NOT_FOR_SERVICES} @resources" if strict else _NOT_FOR_SERVICES
    else:
        return
    # Who has no capability changes nothing by them, but the VM makes them whenever it sets times or a mode: without
    # them File.touch, File.chmod and File.cp fail for files of the service's own. prim_file:write_file_info/3
    yield "SystemCallFilter", _OWNERSHIP
    # Without it a refused call kills the VM, +sbt for one.
    yield "SystemCallErrorNumber", "EPERM"
