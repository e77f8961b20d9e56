"""What the service may not do: directives of [Service] for each level of hardening.

Source: systemd.exec(5); what the Erlang VM bears was measured, see `docs/architecture.md`.
"""

from collections.abc import Iterator

from pkgrel.config.service import Hardening, ServiceSettings
from pkgrel.distro import Distro
from pkgrel.distro.directives import knows

Directive = tuple[str, str]

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


def sandbox(service: ServiceSettings, distro: Distro) -> Iterator[Directive]:
    """The directives of the level, each replaced by the user's own where there is one."""
    for name, value in _level(service, distro):
        if name not in service.sandbox:
            yield name, value
    for name, value in service.sandbox.items():
        if value:
            yield name, value


def _level(service: ServiceSettings, distro: Distro) -> Iterator[Directive]:
    if service.low_ports:
        yield "AmbientCapabilities", _LOW_PORTS
    if service.hardening is Hardening.OFF:
        return
    strict = service.hardening is Hardening.STRICT
    yield "ProtectSystem", _protect_system(distro)
    yield "CapabilityBoundingSet", _LOW_PORTS if service.low_ports else ""
    yield from _BASELINE
    if strict:
        yield from _STRICT
        if not service.low_ports:
            # In a user namespace of its own a capability does not reach the host's ports.
            yield "PrivateUsers", "yes"
    if knows(distro, "Service", "SystemCallFilter=@system-service"):
        yield "SystemCallFilter", "@system-service"
        yield "SystemCallFilter", "~@privileged @resources" if strict else "~@privileged"
        # Without it a refused call kills the VM, +sbt for one.
        yield "SystemCallErrorNumber", "EPERM"


def _protect_system(distro: Distro) -> str:
    return "strict" if knows(distro, "Service", "ProtectSystem=strict") else "full"
