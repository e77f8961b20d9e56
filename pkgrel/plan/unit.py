"""The systemd unit, with only what the target's systemd knows.

Source: systemd.service(5), systemd.exec(5), systemd.kill(5); what the Erlang VM bears was measured,
see `docs/architecture.md`.
"""

from collections.abc import Iterable, Iterator

from pkgrel.config.model import Config, Restart
from pkgrel.distro import Distro
from pkgrel.distro.directives import knows
from pkgrel.plan.layout import Layout
from pkgrel.release.model import Release

Directive = tuple[str, str]

# Every one of them was seen to work with the JIT, NIFs, rpc and remote. ProcSubset=pid is not among
# them, because os_mon reads /proc/meminfo; nor MemoryDenyWriteExecute, because NIFs may bring a JIT.
_BASELINE = (
    ("NoNewPrivileges", "yes"),
    ("CapabilityBoundingSet", ""),
    ("AmbientCapabilities", ""),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("PrivateDevices", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectProc", "invisible"),
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


def unit(
    release: Release, config: Config, layout: Layout, distro: Distro, environment: dict[str, str]
) -> str:
    """The text of the service's unit file."""

    def section(name: str, directives: Iterable[Directive]) -> str:
        known = (f"{key}={value}\n" for key, value in directives if knows(distro, name, key))
        return f"[{name}]\n" + "".join(known)

    sections = [
        section("Unit", _unit(config, release)),
        section("Service", _service(release, config, layout, distro, environment)),
        section("Install", [("WantedBy", "multi-user.target")]),
    ]
    return "\n".join(sections)


def _unit(config: Config, release: Release) -> Iterator[Directive]:
    yield "Description", config.service.description or config.package.summary or release.name
    if config.package.homepage:
        yield "Documentation", config.package.homepage
    for key in ("after", "wants", "requires"):
        if units := getattr(config.service, key):
            yield key.capitalize(), " ".join(units)


def _service(
    release: Release, config: Config, layout: Layout, distro: Distro, environment: dict[str, str]
) -> Iterator[Directive]:
    service = config.service
    yield "Type", "exec" if knows(distro, "Service", "Type=exec") else "simple"
    yield "User", layout.user
    yield "Group", layout.group
    yield "WorkingDirectory", str(layout.state)
    for name, value in environment.items():
        yield "Environment", quoted(f"{name}={value}")
    # Later files win: the administrator's word is the last.
    yield "EnvironmentFile", f"-{layout.etc}/secrets"
    yield "EnvironmentFile", f"-{layout.etc}/environment"
    yield "ExecStart", " ".join([f"{layout.root}/{release.start[0]}", *release.start[1:]])
    # No ExecStop: SIGTERM lets the VM shut its applications down. 143 is 128 + SIGTERM, from the
    # start script when it has not become the VM yet.
    yield "KillMode", "mixed"
    yield "SuccessExitStatus", "143"
    yield "TimeoutStopSec", str(service.timeout_stop_sec)
    if service.restart is not Restart.NO:
        yield "Restart", service.restart
        yield "RestartSec", str(service.restart_sec)
    yield "LimitNOFILE", str(service.limit_nofile)
    yield "UMask", "0077"
    for kind, mode in (("RuntimeDirectory", "0750"), ("StateDirectory", "0750")):
        yield kind, layout.name
        yield f"{kind}Mode", mode
    yield from _sandbox(distro)


def _sandbox(distro: Distro) -> Iterator[Directive]:
    strict = knows(distro, "Service", "ProtectSystem=strict")
    yield "ProtectSystem", "strict" if strict else "full"
    yield from _BASELINE
    if knows(distro, "Service", "SystemCallFilter=@system-service"):
        yield "SystemCallFilter", "@system-service"
        # Without it a refused call kills the VM, +sbt for one.
        yield "SystemCallErrorNumber", "EPERM"


def quoted(text: str) -> str:
    """One word of a unit file: systemd expands `%` and splits at spaces; systemd.syntax(7)."""
    text = text.replace("%", "%%")
    if not any(character in text for character in " \t\"'\\"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
