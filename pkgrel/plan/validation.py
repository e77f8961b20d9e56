"""Refuses settings that contradict each other, make root trust files that others can write, or expose secrets.

The service owns its directories, so it can put a link to any file there at any time: PID 1, which opens an
EnvironmentFile= as root, would give it the contents. Units are world-readable, and `systemctl show` shows them to
every user.

Source: systemd.exec(5), EnvironmentFile=, LoadCredential=, and Environment=: "not suitable for passing
secrets"; systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers"; symlink(7); proc(5), cmdline.
"""

import posixpath
from collections.abc import Iterator, Mapping

from pkgrel.config import rules
from pkgrel.config.model import Config
from pkgrel.config.runtime import DistributionSettings, Reach
from pkgrel.errors import ConfigError
from pkgrel.plan.directives import refuse_mounts
from pkgrel.plan.inputs import Inputs, Layout
from pkgrel.plan.settings import writable_paths
from pkgrel.secrecy import secret, secret_in_command, secret_in_unit


def validate(inputs: Inputs) -> None:
    """ConfigError for the first setting that contradicts another or is unsafe."""
    config = inputs.config
    # Again, now that placeholders and the defaults from the release are filled in.
    rules.validate(config.package, table="package")
    rules.validate(config.service, table="service")
    _refuse_fields(config)
    refuse_untrusted(inputs)
    refuse_exposed(inputs)
    _refuse_accounts(inputs)
    refuse_root_directory(
        inputs.config.service.sandbox.get("RootDirectory", ""),
        "service.sandbox.RootDirectory",
        inputs.layout,
    )
    refuse_mounts(inputs)
    _refuse_ports(config)


_OURS = frozenset(
    """package version architecture maintainer installed-size description homepage section depends pre-depends
    recommends suggests enhances breaks conflicts replaces provides""".split()
)
"""Fields of a control file that settings of [package] write."""


def _refuse_fields(config: Config) -> None:
    for name in config.package.fields:
        if name.lower() in _OURS:
            raise ConfigError(
                f"`package.fields.{name}` is written by pkgrel",
                hint="[package] has a setting for it",
            )


def _refuse_accounts(inputs: Inputs) -> None:
    layout = inputs.layout
    service = inputs.config.service
    if service.deploy_user and service.deploy_user in ("root", layout.user, layout.group):
        raise ConfigError(
            f"`service.deploy-user` must be a user of its own, not `{service.deploy_user}`",
            hint="set `sudo-service` for the service's own user",
        )
    if service.remove_user and layout.user == "root":
        raise ConfigError("`service.remove-user` cannot remove root")
    if service.remove_user and layout.user in service.shared_accounts:
        raise ConfigError(
            f"`service.remove-user` cannot remove {layout.user}, which `shared-accounts` says is others' as well",
            hint="leave one of the two out",
        )
    for name in service.shared_accounts:
        if name not in (layout.user, layout.group, service.deploy_user):
            raise ConfigError(
                f"`service.shared-accounts`: `{name}` is neither the service's user or group nor the deploy user",
                hint="more groups for the user are `extra-groups`",
            )


def _refuse_ports(config: Config) -> None:
    wanted = config.distribution
    _refuse_ignored(wanted)
    ports = {
        "distribution.port": wanted.port,
        "distribution.port-max": wanted.port_max,
        "service.ready.tcp": config.service.ready.tcp,
    }
    for key, port in ports.items():
        if not 0 <= port < 65536:
            raise ConfigError(f"`{key}` must be a port, not `{port}`")
    if wanted.port_max and wanted.port_max < wanted.port:
        raise ConfigError("`distribution.port-max` must not be below `distribution.port`")
    if wanted.port_max and not wanted.epmd:
        raise ConfigError(
            "`distribution.port-max` is for nodes that epmd knows",
            hint="set `epmd = true`, or leave it out",
        )


def _refuse_ignored(wanted: DistributionSettings) -> None:
    if wanted.interface and wanted.reach is not Reach.CLUSTER:
        raise ConfigError(
            f'`distribution.interface` does nothing with `reach = "{wanted.reach}"`',
            hint='set `reach = "cluster"`, or leave it out',
        )
    if wanted.port_max and not wanted.port:
        raise ConfigError(
            "`distribution.port-max` does nothing alone", hint="give `port`, the first one"
        )


_PREFIXES = "-@:+!|"

# Directories in which every user can create files.
_SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")

_LINKED = {"/var/run": "/run", "/var/lock": "/run/lock"}


def split_command(command: str) -> tuple[str, str]:
    """The prefixes of a command line of systemd, and the rest."""
    rest = command.lstrip(_PREFIXES)
    return command[: len(command) - len(rest)], rest


def as_root(command: str) -> bool:
    """Whether systemd runs the command as root although the service has a user."""
    return not {"+", "!"}.isdisjoint(split_command(command)[0])


def service_files(inputs: Inputs) -> tuple[str, ...]:
    """The `environment-files` in the service's directories, which the service reads itself."""
    return tuple(
        file
        for file in inputs.config.service.environment_files
        if _below(file, inputs.layout, *_directories(inputs.layout))
    )


def below_directories(path: str, layout: Layout) -> bool:
    """Whether the path is in a directory of the service or in /etc/NAME."""
    return _below(path, layout, str(layout.etc), *_directories(layout))


def refuse_untrusted(inputs: Inputs) -> None:
    """ConfigError for a file that root would read or run where others can write."""
    layout = inputs.layout
    if layout.user == "root":
        return
    folders = (*_SHARED, *writable_paths(inputs))
    for key, path, also in _read_by_root(inputs):
        if _below(path, layout, *folders, *also):
            raise ConfigError(
                f"`service.{key}`: the service or others could put a link or another file in the place of "
                f"`{path.lstrip('-')}`, which root reads",
                hint=f"keep it where only root can write, such as {layout.etc}",
            )


def _read_by_root(inputs: Inputs) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    service = inputs.config.service
    directories = _directories(inputs.layout)
    for number, file in enumerate(service.environment_files):
        yield f"environment-files[{number}]", file, ()
    for name, source in service.credentials.items():
        if source:
            yield f"credentials.{name}", source, directories
    for number, command in enumerate(service.exec_start_pre):
        if as_root(command):
            program = split_command(command)[1].split(maxsplit=1)[0]
            yield f"exec-start-pre[{number}]", program, directories


def _directories(layout: Layout) -> tuple[str, ...]:
    return tuple(map(str, (layout.state, layout.runtime, layout.cache, layout.logs)))


def _below(file: str, layout: Layout, *folders: str) -> bool:
    path = _plain(file, layout)
    return any(f"{path}/".startswith(f"{_plain(folder, layout)}/") for folder in folders)


def _plain(path: str, layout: Layout) -> str:
    """The normalised path: without prefix and specifiers, and with the symlinks that every system has resolved."""
    path = path.lstrip("-+!")
    for specifier in ("%N", "%p"):
        path = path.replace(specifier, layout.name)
    path = posixpath.normpath(path)
    for link, target in _LINKED.items():
        if f"{path}/".startswith(f"{link}/"):
            path = target + path.removeprefix(link)
    return path


def refuse_exposed(inputs: Inputs) -> None:
    """ConfigError for the first secret in [service] or [commands]."""
    for key, value in inputs.config.service.environment.items():
        _refuse_secret(f"service.environment.{key}", secret(key, value), inputs.layout)
    for key, text in _commands(inputs.config):
        _refuse_secret(key, secret_in_command(text), inputs.layout)


def refuse_exposed_unit(text: str, where: str, layout: Layout) -> None:
    """ConfigError for a secret in a user's unit or drop-in."""
    _refuse_secret(where, secret_in_unit(text), layout)


def refuse_root_directory(value: str, where: str, layout: Layout) -> None:
    """ConfigError for a RootDirectory= without a shell and a C library, where a start fails with 203/EXEC."""
    if value and f"{_plain(value, layout)}/".startswith(f"{layout.root}/"):
        raise ConfigError(
            f"`{where}`: the release's directory has no shell and no C library, so nothing starts in it",
            hint='`hardening = "chroot"` makes a root with only what it needs',
        )


def _commands(config: Config) -> Iterator[tuple[str, str]]:
    service = config.service
    for key, texts in (("command", service.command), ("exec-start-pre", service.exec_start_pre)):
        for number, text in enumerate(texts):
            yield f"service.{key}[{number}]", text
    yield "service.wrap", service.wrap
    yield "service.ready.http", service.ready.http
    yield "service.ready.rpc", service.ready.rpc
    tables: tuple[tuple[str, Mapping[str, str]], ...] = (
        ("service.sandbox", service.sandbox),
        ("commands", config.commands),
    )
    for table, values in tables:
        for name, text in values.items():
            yield f"{table}.{name}", text


def _refuse_secret(where: str, what: str, layout: Layout) -> None:
    if what:
        raise ConfigError(
            f"`{where}` has {what}, and everybody on the host could read it",
            hint=f"`generate` in [secrets] makes one for each host; others belong in {layout.etc}/environment "
            "on the host, into [service.credentials] or [helpers.ssm]",
        )
