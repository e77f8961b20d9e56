"""The service's unit file.

Source: systemd.service(5), systemd.exec(5), systemd.kill(5), systemd.resource-control(5).
"""

from collections.abc import Iterator, Mapping, Sequence

from pkgrel.config.model import Config
from pkgrel.config.service import LimitSettings, Preserve, Restart, ServiceSettings, ServiceType
from pkgrel.distro import Distro
from pkgrel.distro.directives import knows
from pkgrel.errors import PlanError
from pkgrel.plan.directives import Directive, quoted, section, start_limits
from pkgrel.plan.layout import Layout
from pkgrel.plan.sandbox import sandbox
from pkgrel.release.model import Kind, Release

# Applications that tell systemd when the release is ready.
_NOTIFY = {"systemd", "sd_notify", "sd_notify_ex"}


def unit(
    release: Release,
    config: Config,
    layout: Layout,
    distro: Distro,
    *,
    environment: Mapping[str, str],
    environment_files: Sequence[str],
    start_pre: Sequence[str],
) -> str:
    """The text of the service's unit file.

    `environment_files` are in addition to /etc/NAME's and win over them; `start_pre` are the
    package's own commands before the start, which run before the user's.
    """
    service = config.service
    unit_limits, service_limits = start_limits(
        distro, service.start_limit_interval_sec, service.start_limit_burst
    )
    parts = [
        section("Unit", [*_unit(config, release), *unit_limits], distro),
        section(
            "Service",
            [
                *_process(release, service, layout, distro),
                *_environment(service, layout, environment, environment_files),
                *_commands(release, service, layout, distro, start_pre),
                *_restart(service),
                *service_limits,
                *_limits(service.limits),
                *_directories(service, layout),
                *sandbox(service, distro),
                *_paths(service),
            ],
            distro,
        ),
        section("Install", [("WantedBy", "multi-user.target")], distro),
    ]
    return "\n".join(parts)


def service_type(release: Release, service: ServiceSettings, distro: Distro) -> str:
    """systemd's Type=; `exec` fails a start that cannot even execute, where systemd has it."""
    if service.type is ServiceType.AUTO:
        notifies = any(application.name in _NOTIFY for application in release.applications)
        wanted = ServiceType.NOTIFY if notifies else ServiceType.EXEC
    else:
        wanted = service.type
    if wanted is ServiceType.EXEC and not knows(distro, "Service", "Type=exec"):
        return ServiceType.SIMPLE
    return wanted


def _unit(config: Config, release: Release) -> Iterator[Directive]:
    yield "Description", config.service.description or config.package.summary or release.name
    if config.package.homepage:
        yield "Documentation", config.package.homepage
    for key in ("after", "wants", "requires"):
        if units := getattr(config.service, key):
            yield key.capitalize(), " ".join(units)


def _process(
    release: Release, service: ServiceSettings, layout: Layout, distro: Distro
) -> Iterator[Directive]:
    kind = service_type(release, service, distro)
    yield "Type", kind
    if kind == ServiceType.FORKING:
        yield "PIDFile", str(layout.pid_file)
    if kind == ServiceType.NOTIFY and release.kind is not Kind.MIX:
        # Their start scripts stay around as the main process.
        yield "NotifyAccess", "all"
    yield "User", layout.user
    yield "Group", layout.group
    if service.extra_groups:
        yield "SupplementaryGroups", " ".join(service.extra_groups)
    yield "WorkingDirectory", service.working_directory or str(layout.home)
    yield "UMask", service.umask


def _environment(
    service: ServiceSettings,
    layout: Layout,
    environment: Mapping[str, str],
    files: Sequence[str],
) -> Iterator[Directive]:
    for name, value in environment.items():
        yield "Environment", quoted(f"{name}={value}")
    # Later files win: the administrator's word is the last but for what was fetched for this start.
    yield "EnvironmentFile", f"-{layout.etc}/secrets"
    yield "EnvironmentFile", f"-{layout.etc}/environment"
    for file in (*service.environment_files, *files):
        yield "EnvironmentFile", file


def _commands(
    release: Release,
    service: ServiceSettings,
    layout: Layout,
    distro: Distro,
    start_pre: Sequence[str],
) -> Iterator[Directive]:
    for command in (*start_pre, *service.exec_start_pre):
        yield "ExecStartPre", _prefixed(command, distro)
    script = f"{layout.root}/{release.start[0]}"
    forking = service.type is ServiceType.FORKING
    own = ("daemon",) if forking and release.kind is not Kind.DISTILLERY else release.start[1:]
    if forking and release.kind is Kind.DISTILLERY:
        own = ("start",)
    start = " ".join(quoted(word) for word in (script, *(service.command or own)))
    yield "ExecStart", f"{service.wrap} {start}" if service.wrap else start
    # No ExecStop: SIGTERM lets the VM shut its applications down. 143 is 128 + SIGTERM, from the
    # start script when it has not become the VM yet.
    yield "KillMode", "mixed"
    yield "SuccessExitStatus", "143"
    if service.timeout_start_sec:
        yield "TimeoutStartSec", str(service.timeout_start_sec)
    yield "TimeoutStopSec", str(service.timeout_stop_sec)
    if service.watchdog_sec:
        yield "WatchdogSec", str(service.watchdog_sec)


def _prefixed(command: str, distro: Distro) -> str:
    """PlanError for a prefix that the distro's systemd would take for part of the file's name."""
    for character in command:
        if character not in "-@:+!|":
            break
        if not knows(distro, "Service", f"ExecStart prefix {character}"):
            raise PlanError(
                f"`service.exec-start-pre`: {distro.title} does not know the prefix `{character}` of `{command}`",
                hint=f"give another command in [distro.{distro.id}.service]",
            )
    return command


def _restart(service: ServiceSettings) -> Iterator[Directive]:
    if service.restart is Restart.NO:
        return
    yield "Restart", service.restart
    yield "RestartSec", str(service.restart_sec)
    if service.restart_steps and service.restart_max_delay_sec:
        yield "RestartSteps", str(service.restart_steps)
        yield "RestartMaxDelaySec", str(service.restart_max_delay_sec)


def _limits(limits: LimitSettings) -> Iterator[Directive]:
    named = (
        ("LimitNOFILE", limits.nofile),
        ("LimitCORE", limits.core),
        ("TasksMax", limits.tasks),
        ("MemoryMax", limits.memory_max),
        ("MemoryHigh", limits.memory_high),
        ("CPUWeight", limits.cpu_weight),
        ("IOWeight", limits.io_weight),
        ("Nice", limits.nice),
        ("Slice", limits.slice),
    )
    for name, value in named:
        if value:
            yield name, str(value)


def _directories(service: ServiceSettings, layout: Layout) -> Iterator[Directive]:
    own = service.directories
    cache = f"{layout.name} {layout.name}/tmp" if own.tmp else layout.name
    wanted = (
        ("RuntimeDirectory", own.runtime, layout.name),
        ("StateDirectory", own.state, layout.name),
        ("CacheDirectory", own.cache or own.tmp, cache),
        ("LogsDirectory", own.logs, layout.name),
    )
    for name, wished, value in wanted:
        if wished:
            yield name, value
            yield f"{name}Mode", own.mode
    if own.runtime and own.runtime_preserve is not Preserve.NO:
        yield "RuntimeDirectoryPreserve", own.runtime_preserve


def _paths(service: ServiceSettings) -> Iterator[Directive]:
    for name, paths in (
        ("ReadWritePaths", service.read_write_paths),
        ("ReadOnlyPaths", service.read_only_paths),
        ("InaccessiblePaths", service.inaccessible_paths),
    ):
        if paths:
            yield name, " ".join(quoted(path) for path in paths)
    for name, source in service.credentials.items():
        yield "LoadCredential", f"{name}:{source}"
