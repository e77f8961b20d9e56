"""The service's unit file: how systemd starts, watches and stops the release, with what and within what.

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

# Applications that tell systemd when the release is ready.
_NOTIFY = {"sd_notify", "sd_notify_ex"}

# This one has much else, so it counts only where somebody calls these. Source: its module `systemd`.
_SYSTEMD = "systemd"
_MODULES = frozenset({"systemd", "Elixir.Systemd"})
_TELLS = frozenset({"notify", "ready"})

# What each kind's script calls starting in the background, by run_erl.
_DAEMON = {Kind.DISTILLERY: "start"}

# systemd's own 90 s are for a start, and would kill a migration in the middle of it.
_MIGRATION_SEC = 3600


def notifies(release: Release) -> bool:
    """Whether an application of the release is known to tell systemd how it is."""
    names = {application.name for application in release.applications}
    return bool(names & _NOTIFY) or (
        _SYSTEMD in names and calls(release, _MODULES, _TELLS, but=_SYSTEMD)
    )


def silent_library(release: Release) -> str:
    """A library for it that nobody uses for it; empty for none."""
    for application in release.applications:
        if application.name == _SYSTEMD and not notifies(release):
            return f"lib/{application.name}-{application.version}"
    return ""


def secrets_unit(inputs: Inputs) -> str:
    """The unit that makes the secrets; empty where the service's own `ExecStartPre=+` does.

    systemd before 231 knows no `+`, and what has one runs in a root directory of the service's own all the same.
    """
    if knows(inputs.distro, "Service", "ExecStart prefix +") and not own_root(inputs):
        return ""
    return f"{inputs.layout.name}-secrets.service"


def service_type(inputs: Inputs) -> str:
    """systemd's Type=; `exec` fails a start that cannot even execute, where systemd has it."""
    service = inputs.config.service
    if service.type is ServiceType.AUTO:
        wanted = ServiceType.NOTIFY if notifies(inputs.release) else ServiceType.EXEC
    else:
        wanted = service.type
    if wanted is ServiceType.EXEC and not knows(inputs.distro, "Service", "Type=exec"):
        return ServiceType.SIMPLE
    return wanted


def process_directives(inputs: Inputs) -> Iterator[Directive]:
    """What kind of process it is, who it is, where it is."""
    service, layout = inputs.config.service, inputs.layout
    kind = service_type(inputs)
    yield "Type", kind
    if kind == ServiceType.FORKING:
        yield "PIDFile", str(layout.pid_file)
    sends = kind == ServiceType.NOTIFY or service.watchdog_sec
    if sends and (inputs.release.kind is not Kind.MIX or service.wrap):
        # Only mix's script is known to become the VM; others may stay around as the main process.
        yield "NotifyAccess", "all"
    yield "User", layout.user
    yield "Group", layout.group
    if service.extra_groups:
        yield "SupplementaryGroups", " ".join(service.extra_groups)
    yield "WorkingDirectory", service.working_directory or home(inputs)
    yield "UMask", service.umask
    # env.sh and hooks are shell, and pipelines of theirs end by it; the VM ignores it by itself.
    yield "IgnoreSIGPIPE", "no"
    # Else messages carry the name of the first program that runs, which is a helper's.
    yield "SyslogIdentifier", layout.name


def command_directives(
    inputs: Inputs,
    start_pre: Sequence[str],
    migration: str,
    check: str,
    loader: str,
) -> Iterator[Directive]:
    """What runs, and how it is stopped; `start_pre` runs before the user's own commands, which fetch settings."""
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
        # run_erl, which keeps the VM in the background, writes no PID file, and dies of SIGTERM alone.
        yield "ExecStartPost", f"{layout.libexec}/daemon record"
        yield "ExecStop", f"{layout.libexec}/daemon stop"
    for command in filter(None, (stop_post(inputs), gives_up(inputs))):
        yield "ExecStopPost", command
    # Else no ExecStop: SIGTERM lets the VM shut its applications down. 143 is 128 + SIGTERM, from
    # the start script when it has not become the VM yet.
    yield "KillMode", "mixed"
    yield "SuccessExitStatus", "143 1" if forking else "143"
    if seconds := service.timeout_start_sec or _migrating(inputs.config):
        yield "TimeoutStartSec", str(seconds)
    yield "TimeoutStopSec", str(service.timeout_stop_sec)
    if service.watchdog_sec:
        yield "WatchdogSec", str(service.watchdog_sec)


def gives_up(inputs: Inputs) -> str:
    """What keeps systemd from a migration that has failed; RestartPreventExitStatus= looks at the main process alone.

    Where systemd cannot run it as root, it is tried again.
    """
    as_root = knows(inputs.distro, "Service", "ExecStart prefix +")
    if not _migrating(inputs.config) or not as_root:
        return ""
    return f"+{inputs.layout.libexec}/stop-trying"


def _loading(command: str, loader: str) -> str:
    """The same with `loader` in front, unless it runs as root or says itself what it is called."""
    prefix, rest = split_command(command)
    if not loader or as_root(command) or "@" in prefix:
        return command
    return f"{prefix}{loader} {rest}"


def _migrating(config: Config) -> int:
    migrations = config.migrations
    return _MIGRATION_SEC if migrations.function and migrations.when is MigrateWhen.START else 0


def _prefixed(command: str, distro: Distro) -> str:
    """PlanError for a prefix that the distro's systemd would take for part of the file's name."""
    prefix, _ = split_command(command)
    for part in ("!!", *prefix.replace("!!", "")):
        if part in prefix and not knows(distro, "Service", f"ExecStart prefix {part}"):
            raise PlanError(
                f"`service.exec-start-pre`: {distro.title} does not know the prefix `{part}` of `{command}`",
                hint=f"give another command in [distro.{distro.id}.service]",
            )
    return command


def restart_directives(service: ServiceSettings, check: str) -> Iterator[Directive]:
    """When systemd starts it again; not where a variable is missing, which no second start finds."""
    if service.restart is Restart.NO:
        return
    # run_erl ends with 1 whether the VM crashed or was told to stop, so its status decides nothing.
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

    `start_pre` are the package's own commands before the start, which run before the user's, and `migration`
    behind them. `check` and `loader` are programs that become the command behind them: if nothing is missing, and
    with variables that systemd must not read.
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
        # systemd takes no other web address for documentation.
        yield "Documentation", escaped(homepage)
    service = config.service
    # A file of variables is read when the service starts, so another unit has made it then.
    secrets = tuple(filter(None, [secrets_unit(inputs)]))
    # It is started after the socket of its name in any case; so nothing starts it without.
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
    # Later files win: the administrator's word is the last.
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
    """Made and owned by systemd; the maintainer scripts make them as well, for systemd before 235."""
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
