"""What the service may not do: directives of [Service] for each level of hardening.

Source: systemd.exec(5); what the Erlang VM bears was measured, see `docs/architecture.md`.
"""

from collections.abc import Iterator

from pkgrel.config.service import Hardening
from pkgrel.distro import Distro
from pkgrel.distro.directives import knows
from pkgrel.plan.directives import Directive, understands
from pkgrel.plan.inputs import Inputs

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
    strict = service.hardening is Hardening.STRICT
    yield "ProtectSystem", _protect_system(inputs.distro)
    yield "CapabilityBoundingSet", _LOW_PORTS if service.low_ports else ""
    yield from _BASELINE
    if strict:
        yield from _STRICT
        if not service.low_ports:
            # In a user namespace of its own a capability does not reach the host's ports.
            yield "PrivateUsers", "yes"
    yield from _system_calls(inputs.distro, strict=strict)


def _protect_system(distro: Distro) -> str:
    # Without StateDirectory nothing would be left to write to.
    strict = knows(distro, "Service", "ProtectSystem=strict")
    return "strict" if strict and knows(distro, "Service", "StateDirectory") else "full"


def _system_calls(distro: Distro, *, strict: bool) -> Iterator[Directive]:
    if knows(distro, "Service", "SystemCallFilter=@system-service"):
        yield "SystemCallFilter", "@system-service"
        yield "SystemCallFilter", "~@privileged @resources" if strict else "~@privileged"
    elif knows(distro, "Service", "SystemCallFilter=@group"):
        yield "SystemCallFilter", f"{_NOT_FOR_SERVICES} @resources" if strict else _NOT_FOR_SERVICES
    else:
        return
    # Without it a refused call kills the VM, +sbt for one.
    yield "SystemCallErrorNumber", "EPERM"
