"""The service's unit file: how systemd starts, supervises and stops the release, its environment and its sandbox.

Source: systemd.unit(5), systemd.service(5), systemd.kill(5), systemd.exec(5), systemd.resource-control(5).
"""

from collections.abc import Iterator, Mapping, Sequence

from pkgrel.config.model import Config
from pkgrel.config.runtime import MigrateWhen
from pkgrel.config.service import (
    LimitSettings,
    Preserve,
    Restart,
    ServiceSettings,
    ServiceType,
)
from pkgrel.distro import Distro, knows
from pkgrel.errors import PlanError
from pkgrel.plan.auxiliary_units import stop_post
from pkgrel.plan.directives import (
    Directive,
    escaped,
    overrides,
    own_root,
    path_directives,
    quoted,
    sandbox_directives,
    section,
    start_limits,
)
from pkgrel.plan.environment import hides_cookie
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.settings import home
from pkgrel.plan.validation import as_root, service_files, split_command
from pkgrel.release.beam import calls
from pkgrel.release.model import Kind, Release

# Applications that notify systemd when the release is ready.
_NOTIFY = {"sd_notify", "sd_notify_ex"}

# This one does much else, so it counts only if one of these is called. Source: its module `systemd`.
_SYSTEMD = "systemd"
_MODULES = frozenset({"systemd", "Elixir.Systemd"})
_TELLS = frozenset({"notify", "ready"})

# The command of each kind's script that starts in the background, by run_erl.
_DAEMON = {Kind.DISTILLERY: "start"}

# systemd's default of 90 s suits a start, but would kill a migration.
_MIGRATION_SEC = 3600


def notifies(release: Release) -> bool:
    """Whether the release has an application that is known to notify systemd."""
    names = {application.name for application in release.applications}
    return bool(names & _NOTIFY) or (
        _SYSTEMD in names and calls(release, _MODULES, _TELLS, but=_SYSTEMD)
    )


def silent_library(release: Release) -> str:
    """A library that could notify systemd but is not called for it; empty if there is none."""
    for application in release.applications:
        if application.name == _SYSTEMD and not notifies(release):
            return f"lib/{application.name}-{application.version}"
    return ""


def secrets_unit(inputs: Inputs) -> str:
    """The unit that generates the secrets; empty if the service's `ExecStartPre=+` does.

    systemd before 231 has no `+`, and a command with it still runs in the service's root directory.
    """
    if knows(inputs.distro, "Service", "ExecStart prefix +") and not own_root(inputs):
        return ""
    return f"{inputs.layout.name}-secrets.service"


def service_type(inputs: Inputs) -> str:
    """systemd's Type=; `exec`, if known, makes a start fail when the program cannot be executed."""
    service = inputs.config.service
    if service.type is ServiceType.AUTO:
        wanted = ServiceType.NOTIFY if notifies(inputs.release) else ServiceType.EXEC
    else:
        wanted = service.type
    if wanted is ServiceType.EXEC and not knows(inputs.distro, "Service", "Type=exec"):
        return ServiceType.SIMPLE
    return wanted


def process_directives(inputs: Inputs) -> Iterator[Directive]:
    """Type, user and working directory of the process."""
    service, layout = inputs.config.service, inputs.layout
    kind = service_type(inputs)
    yield "Type", kind
    if kind == ServiceType.FORKING:
        yield "PIDFile", str(layout.pid_file)
    sends = kind == ServiceType.NOTIFY or service.watchdog_sec
    if sends and (inputs.release.kind is not Kind.MIX or service.wrap):
        # Only mix's script is known to exec the VM; others may remain the main process.
        yield "NotifyAccess", "all"
    yield "User", layout.user
    yield "Group", layout.group
    if service.extra_groups:
        yield "SupplementaryGroups", " ".join(service.extra_groups)
    yield "WorkingDirectory", service.working_directory or home(inputs)
    yield "UMask", service.umask
    # Pipelines in env.sh and hooks rely on SIGPIPE; the VM ignores it by itself.
    yield "IgnoreSIGPIPE", "no"
    # Otherwise messages have the name of the first program that runs, a helper.
    yield "SyslogIdentifier", layout.name


def command_directives(
    inputs: Inputs,
    start_pre: Sequence[str],
    migration: str,
    check: str,
    loader: str,
) -> Iterator[Directive]:
    """Commands that start and stop the service; `start_pre` runs before the user's, because it fetches settings."""
    release, layout = inputs.release, inputs.layout
    service = inputs.config.service
    for command in filter(None, (*start_pre, *service.exec_start_pre, migration)):
        yield "ExecStartPre", _loading(_prefixed(command, inputs.distro), loader)
    forking = service.type is ServiceType.FORKING
    arguments = (_DAEMON.get(release.kind, "daemon"),) if forking else release.start[1:]
    hide = (f"{layout.libexec}/hide-cookie",) if hides_cookie(inputs) else ()
    script = f"{layout.root}/{release.start[0]}"
    start = " ".join(quoted(word) for word in (*hide, script, *(service.command or arguments)))
    yield "ExecStart", " ".join(part for part in (loader, check, service.wrap, start) if part)
    if forking:
        # run_erl, which keeps the VM in the background, writes no PID file, and SIGTERM kills only run_erl.
        yield "ExecStartPost", f"{layout.libexec}/daemon record"
        yield "ExecStop", f"{layout.libexec}/daemon stop"
    for command in filter(None, (stop_post(inputs), gives_up(inputs))):
        yield "ExecStopPost", command
    # No ExecStop otherwise: on SIGTERM the VM shuts its applications down. 143 is 128 + SIGTERM, from
    # the start script before it has exec'd the VM.
    yield "KillMode", "mixed"
    yield "SuccessExitStatus", "143 1" if forking else "143"
    if seconds := service.timeout_start_sec or _migrating(inputs.config):
        yield "TimeoutStartSec", str(seconds)
    yield "TimeoutStopSec", str(service.timeout_stop_sec)
    if service.watchdog_sec:
        yield "WatchdogSec", str(service.watchdog_sec)


def gives_up(inputs: Inputs) -> str:
    """ExecStopPost= that prevents restarts after a failed migration; RestartPreventExitStatus= considers only the main process.

    If systemd cannot run it as root, the migration is tried again.
    """
    as_root = knows(inputs.distro, "Service", "ExecStart prefix +")
    if not _migrating(inputs.config) or not as_root:
        return ""
    return f"+{inputs.layout.libexec}/stop-trying"


def _loading(command: str, loader: str) -> str:
    """The command with `loader` in front, unless it runs as root or sets its own argv[0]."""
    prefix, rest = split_command(command)
    if not loader or as_root(command) or "@" in prefix:
        return command
    return f"{prefix}{loader} {rest}"


def _migrating(config: Config) -> int:
    migrations = config.migrations
    return _MIGRATION_SEC if migrations.function and migrations.when is MigrateWhen.START else 0


def _prefixed(command: str, distro: Distro) -> str:
    """PlanError for a prefix that the distro's systemd would take as part of the file name."""
    prefix, _ = split_command(command)
    for part in ("!!", *prefix.replace("!!", "")):
        if part in prefix and not knows(distro, "Service", f"ExecStart prefix {part}"):
            raise PlanError(
                f"`service.exec-start-pre`: {distro.title} does not know the prefix `{part}` of `{command}`",
                hint=f"give another command in [distro.{distro.id}.service]",
            )
    return command


def restart_directives(service: ServiceSettings, check: str) -> Iterator[Directive]:
    """When systemd restarts it; not after a missing variable, which a second start would miss as well."""
    if service.restart is Restart.NO:
        return
    # run_erl exits with 1 whether the VM crashed or was stopped, so its status means nothing.
    forking = service.type is ServiceType.FORKING
    yield "Restart", Restart.ALWAYS if forking else service.restart
    yield "RestartSec", str(service.restart_sec)
    if check:
        yield "RestartPreventExitStatus", "78"
    if service.restart_steps and service.restart_max_delay_sec:
        yield "RestartSteps", str(service.restart_steps)
        yield "RestartMaxDelaySec", str(service.restart_max_delay_sec)


def unit_text(
    inputs: Inputs,
    *,
    environment: Mapping[str, str],
    start_pre: Sequence[str],
    migration: str,
    check: str,
    loader: str,
) -> str:
    """The text of the service's unit file.

    `start_pre` are the package's commands before the start; the user's follow, then `migration`. `check` and `loader`
    are programs that exec the command after them: the first if no variable is missing, the second with variables
    that systemd must not read.
    """
    distro = inputs.distro
    service = inputs.config.service
    unit_limits, service_limits = start_limits(
        distro, service.start_limit_interval_sec, service.start_limit_burst
    )
    ours = [
        *process_directives(inputs),
        *_environment(inputs, environment),
        *command_directives(inputs, start_pre, migration, check, loader),
        *restart_directives(service, check),
        *service_limits,
        *_limits(service.limits),
        *_directories(inputs),
        *sandbox_directives(inputs),
    ]
    user = overrides(inputs)
    ours += path_directives(inputs, dict(ours) | user)
    ours += _credentials(service)
    directives = [
        *((name, value) for name, value in ours if name not in user),
        *((name, value) for name, value in user.items() if value),
    ]
    parts = [
        section("Unit", [*_unit(inputs), *unit_limits], distro),
        section("Service", directives, distro),
        section("Install", [("WantedBy", "multi-user.target")], distro),
    ]
    return "\n".join(parts)


def _unit(inputs: Inputs) -> Iterator[Directive]:
    config = inputs.config
    description = config.service.description or config.package.summary or inputs.release.name
    yield "Description", escaped(description)
    homepage = config.package.homepage
    if homepage.startswith(("http://", "https://")):
        # systemd accepts no other URL schemes of the web for Documentation=.
        yield "Documentation", escaped(homepage)
    service = config.service
    # An environment file is read when the service starts, so another unit must have written it by then.
    secrets = tuple(filter(None, [secrets_unit(inputs)]))
    # It is ordered after its socket anyway; this way it never starts without it.
    socket = (inputs.layout.socket,) if service.listen else ()
    for key, units in (
        ("After", (*service.after, *secrets)),
        ("Wants", service.wants),
        ("Requires", (*socket, *service.requires, *secrets)),
    ):
        if units:
            yield key, " ".join(units)


def _environment(inputs: Inputs, environment: Mapping[str, str]) -> Iterator[Directive]:
    for name, value in environment.items():
        yield "Environment", quoted(f"{name}={value}")
    # Later files win, so the administrator's comes last.
    yield "EnvironmentFile", f"-{inputs.layout.etc}/secrets"
    loaded = service_files(inputs)
    for file in inputs.config.service.environment_files:
        if file not in loaded:
            yield "EnvironmentFile", file
    yield "EnvironmentFile", f"-{inputs.layout.etc}/environment"


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


def _directories(inputs: Inputs) -> Iterator[Directive]:
    """Directories that systemd creates; the maintainer scripts create them too, for systemd before 235."""
    layout = inputs.layout
    directories = inputs.config.service.directories
    cache = f"{layout.name} {layout.name}/tmp" if directories.tmp else layout.name
    wanted = (
        ("RuntimeDirectory", directories.runtime, layout.name),
        ("StateDirectory", directories.state, layout.name),
        ("CacheDirectory", directories.cache or directories.tmp, cache),
        ("LogsDirectory", directories.logs, layout.name),
    )
    for name, wished, value in wanted:
        if wished:
            yield name, value
            yield f"{name}Mode", directories.mode
    if directories.runtime and directories.runtime_preserve is not Preserve.NO:
        yield "RuntimeDirectoryPreserve", directories.runtime_preserve


def _credentials(service: ServiceSettings) -> Iterator[Directive]:
    for name, source in service.credentials.items():
        if source:
            yield "LoadCredential", escaped(f"{name}:{source}")
