"""The service's unit file.

Source: systemd.unit(5), systemd.exec(5), systemd.resource-control(5).
"""

from collections.abc import Iterator, Mapping, Sequence

from pkgrel.config.service import LimitSettings, Preserve, RestartMethod
from pkgrel.plan.directives import Directive, escaped, quoted, section, start_limits
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.process import commands, process_directives, restart
from pkgrel.plan.sandbox import overrides, sandbox_directives
from pkgrel.plan.trusted_files import own_files


def unit_text(
    inputs: Inputs,
    *,
    environment: Mapping[str, str],
    start_pre: Sequence[str],
    loader: str,
) -> str:
    """The text of the service's unit file.

    `start_pre` are the package's own commands before the start, which run before the user's. `loader`
    is a program that becomes the command behind it, with variables that systemd must not read.
    """
    distro = inputs.distro
    service = inputs.config.service
    unit_limits, service_limits = start_limits(
        distro, service.start_limit_interval_sec, service.start_limit_burst
    )
    ours = [
        *process_directives(inputs),
        *_environment(inputs, environment),
        *commands(inputs, start_pre, loader),
        *restart(service),
        *service_limits,
        *_limits(service.limits),
        *_directories(inputs),
        *sandbox_directives(inputs),
        *_paths(inputs),
    ]
    user = overrides(inputs)
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
    for key in ("after", "wants", "requires"):
        if units := getattr(config.service, key):
            yield key.capitalize(), " ".join(units)


def _environment(
    inputs: Inputs,
    environment: Mapping[str, str],
) -> Iterator[Directive]:
    for name, value in environment.items():
        yield "Environment", quoted(f"{name}={value}")
    # Later files win: the administrator's word is the last but for what the loader adds.
    yield "EnvironmentFile", f"-{inputs.layout.etc}/secrets"
    yield "EnvironmentFile", f"-{inputs.layout.etc}/environment"
    own = own_files(inputs)
    for file in inputs.config.service.environment_files:
        if file not in own:
            yield "EnvironmentFile", file


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
    own = inputs.config.service.directories
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


def _paths(inputs: Inputs) -> Iterator[Directive]:
    service = inputs.config.service
    writable = list(service.read_write_paths)
    if service.restart_method is RestartMethod.FLAG and not service.deploy_user:
        # The flag belongs to the service's group then, so that the service can restart itself.
        writable.append(f"-{inputs.layout.flag.parent}")
    for name, paths in (
        ("ReadWritePaths", writable),
        ("ReadOnlyPaths", service.read_only_paths),
        ("InaccessiblePaths", service.inaccessible_paths),
    ):
        if paths:
            yield name, " ".join(quoted(path) for path in paths)
    for name, source in service.credentials.items():
        if source:
            yield "LoadCredential", escaped(f"{name}:{source}")
