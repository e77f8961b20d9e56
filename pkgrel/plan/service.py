"""Files that turn the release into a service: units, environment, accounts, sudo rules, helper programs.

Source: sysusers.d(5), tmpfiles.d(5), systemd.path(5), sudoers(5).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pkgrel.config.model import Config
from pkgrel.config.runtime import MigrateWhen
from pkgrel.config.service import RestartMethod, ServiceType
from pkgrel.content import Inline
from pkgrel.errors import ConfigError
from pkgrel.formats import package_format
from pkgrel.package import Entry, File
from pkgrel.plan.auxiliary_units import (
    AuxiliaryUnit,
    drop_in,
    plan_auxiliary_units,
    pull_files,
    pull_timer,
    refuse_unknown,
    socket_unit,
    stop_post,
)
from pkgrel.plan.configuration import configuration_entries, refuse_ipv6, server_variables
from pkgrel.plan.environment import (
    COOKIE,
    comments,
    environment_variables,
    generated,
    hides_cookie,
    required,
    unset_variables,
)
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.settings import home, migration_failed, replaced
from pkgrel.plan.start_files import rewritten, rewritten_files
from pkgrel.plan.unit import gives_up, secrets_unit, unit_text
from pkgrel.plan.upgrade import HELPER, change_version_values, deploy_values, hot_files, is_hot
from pkgrel.plan.validation import refuse_exposed_unit, service_files
from pkgrel.plan.wrapper import wrapper_files
from pkgrel.templates import environment_quoted, render, shell_quoted

_SECURE_PAGER = 247
"""The first systemd whose pager gives no shell when it is run by sudo (CVE-2023-26604)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the package ships for the service."""

    files: tuple[Entry, ...]
    units: tuple[str, ...]
    """Units to enable and start, in this order: systemd refuses a socket whose service runs."""
    idle: tuple[str, ...]
    """Units that are not started with the package, but are stopped before its removal."""
    settings: Mapping[str, Any]
    """Values for the template of /etc/NAME/environment."""


def plan_service(inputs: Inputs) -> Service:
    """Plan the service's files; paths of the user's files are relative to `folder`."""
    refuse_ipv6(inputs)
    variables = environment_variables(inputs)
    of_the_service = {**variables, **server_variables(inputs)}
    fetched = _fetched(inputs.config)
    extra = (
        *socket_unit(inputs),
        *_secrets_unit(inputs),
        *pull_timer(inputs),
        *plan_auxiliary_units(inputs),
    )
    units = tuple(_enabled(inputs, extra))
    unset = unset_variables(inputs, of_the_service)
    settings = {
        # Quoted for that file.
        "environment": {
            name: environment_quoted(variables[name]) for name in inputs.config.service.environment
        },
        "needed": comments(unset, needed=True),
        "optional": comments(unset, needed=False),
        "required": required(unset),
        # Known only on the host.
        "asks_for_host": any(item.name == "PHX_HOST" for item in unset),
    }
    text = render("etc/environment", **inputs.layout.names(), **settings)
    settings["environment_text"] = _environment_text(inputs, text)
    files: list[Entry] = [
        _unit(inputs, of_the_service, fetched, check=bool(settings["required"])),
        *configuration_entries(inputs, rewritten(inputs)),
        *rewritten_files(inputs),
        *_settings(inputs, settings),
        *wrapper_files(inputs, variables, fetched, check=bool(settings["required"])),
        *_access(inputs),
        *_preset(inputs, units),
        *_helpers(inputs, settings, of_the_service),
        *hot_files(inputs),
        *pull_files(inputs),
        *_logrotate(inputs),
        *drop_in(inputs),
        *(item.file for item in extra),
    ]
    return Service(
        files=tuple(files),
        units=units,
        idle=tuple(item.name for item in extra if not item.enable),
        settings=settings,
    )


def _environment_text(inputs: Inputs, ours: str) -> str:
    """The text of /etc/NAME/environment; ConfigError for a line that would end the here-document that writes it."""
    text = replaced(inputs, "environment", ours)
    if "TEXT" in text.splitlines():
        raise ConfigError("`templates.environment`: a line cannot be the word TEXT alone")
    return text if text.endswith("\n") else f"{text}\n"


def _enabled(inputs: Inputs, extra: Sequence[AuxiliaryUnit]) -> Iterator[str]:
    enabled = [item.name for item in extra if item.enable]
    yield from (name for name in enabled if name.endswith(".socket"))
    yield inputs.layout.unit
    if inputs.config.service.restart_method is RestartMethod.FLAG:
        # The path unit; its service would restart the application at every boot.
        yield f"{inputs.layout.name}-restart.path"
    yield from (name for name in enabled if not name.endswith(".socket"))


def _file(path: PurePosixPath | str, text: str, **attributes: Any) -> File:
    return File(path=PurePosixPath(path), content=Inline(text.encode()), **attributes)


def _fetched(config: Config) -> dict[str, str]:
    """Environment files in /run/NAME, and the helpers that write them before each start."""
    files = {}
    if config.helpers.cloud_init:
        files["machine"] = "runtime-environment"
    if config.helpers.ssm:
        files["parameters"] = "fetch-parameters"
    if files and not config.service.directories.runtime:
        raise ConfigError(
            "[helpers] write what they fetch to the runtime directory",
            hint="leave `runtime` of [service.directories] on",
        )
    return files


def _unit(
    inputs: Inputs,
    variables: Mapping[str, str],
    fetched: Mapping[str, str],
    *,
    check: bool,
) -> File:
    layout = inputs.layout
    checked = f"{layout.libexec}/check-environment" if check else ""
    text = unit_text(
        inputs,
        environment=variables,
        start_pre=tuple(_start_pre(inputs, fetched)),
        migration=_migration(inputs, checked),
        check=checked,
        loader=f"{layout.libexec}/load-environment" if _loaded(inputs) else "",
    )
    if inputs.config.templates.unit:
        text = replaced(inputs, "unit", text)
        refuse_unknown(text, inputs.distro, "templates.unit")
        refuse_exposed_unit(text, "templates.unit", layout)
    return _file(layout.units / layout.unit, text)


def _loaded(inputs: Inputs) -> list[tuple[str, bool]]:
    """Environment files that the service can write, in order, and whether each must exist."""
    files = [(file.removeprefix("-"), not file.startswith("-")) for file in service_files(inputs)]
    # They do not exist yet when the helpers run.
    return [
        *files,
        *((f"{inputs.layout.runtime}/{file}", False) for file in _fetched(inputs.config)),
    ]


def _secrets_unit(inputs: Inputs) -> Iterator[AuxiliaryUnit]:
    """The unit that generates the secrets as root, if the service's unit cannot."""
    layout = inputs.layout
    if name := secrets_unit(inputs):
        text = render("systemd/secrets.service", **layout.names(), libexec=layout.libexec)
        yield AuxiliaryUnit(name=name, file=_file(layout.units / name, text), enable=False)


def _start_pre(inputs: Inputs, fetched: Mapping[str, str]) -> Iterator[str]:
    config, layout = inputs.config, inputs.layout
    if not secrets_unit(inputs):
        yield f"+{layout.libexec}/make-secrets"
    if is_hot(inputs):
        yield f"{layout.libexec}/{HELPER}"
    for file, helper in fetched.items():
        yield f"{layout.libexec}/{helper} {layout.runtime}/{file}"
    if config.helpers.s3:
        yield f"{layout.libexec}/sync-config"


def _migration(inputs: Inputs, check: str) -> str:
    """The command that migrates before a start; skipped if variables are missing, which the start then reports."""
    migrations = inputs.config.migrations
    if not migrations.function or migrations.when is not MigrateWhen.START:
        return ""
    command = f"/usr/bin/{inputs.layout.name} --as-service migrate"
    return f"{check} --quiet {command}" if check else command


def _settings(inputs: Inputs, settings: Mapping[str, Any]) -> Iterator[File]:
    # If the package manager would ask about an existing file, the maintainer script creates it instead.
    layout = inputs.layout
    if not package_format(inputs.distro.format).ASKS_ABOUT_CONFFILES:
        text = settings["environment_text"]
        yield _file(layout.etc / "environment", text, mode=0o640, group=layout.group, conffile=True)


def _preset(inputs: Inputs, units: Sequence[str]) -> Iterator[File]:
    if package_format(inputs.distro.format).ENABLES_BY_PRESET:
        text = render("systemd/preset", units=units, enable=inputs.config.service.enable)
        yield _file(f"/usr/lib/systemd/system-preset/50-{inputs.layout.name}.preset", text)


def _helpers(
    inputs: Inputs, settings: Mapping[str, Any], variables: Mapping[str, str]
) -> Iterator[File]:
    """The programs in libexec that this service needs."""
    config, layout = inputs.config, inputs.layout
    values = _helper_values(inputs, settings, variables)
    for name, wanted in (
        ("make-secrets", True),
        ("show-variables", True),
        ("set-variables", True),
        ("sync-config", config.helpers.s3),
        ("fetch-parameters", config.helpers.ssm),
        ("runtime-environment", config.helpers.cloud_init),
        ("daemon", config.service.type is ServiceType.FORKING),
        ("hide-cookie", hides_cookie(inputs)),
        ("load-environment", values["loaded"]),
        ("check-environment", values["required"]),
        ("close-socket", stop_post(inputs)),
        ("change-version", True),
        ("deploy", values["deploys"]),
        ("stop-trying", gives_up(inputs)),
    ):
        if wanted:
            yield _file(layout.libexec / name, render(f"libexec/{name}", **values), mode=0o755)


def _helper_values(
    inputs: Inputs, settings: Mapping[str, Any], variables: Mapping[str, str]
) -> dict[str, Any]:
    """Values for the templates of libexec."""
    config, layout = inputs.config, inputs.layout
    return {
        **layout.names(),
        "s3": shell_quoted(config.helpers.s3),
        "ssm": {name: shell_quoted(text) for name, text in config.helpers.ssm.items()},
        "home": home(inputs),
        "libexec": layout.libexec,
        # For `rollout/watch`; the deploy user must not evaluate an expression.
        "url": shell_quoted(config.service.ready.http) if config.service.ready.http else "",
        "tcp": config.service.ready.tcp,
        "socket": layout.socket,
        **change_version_values(inputs),
        "migration_failed": migration_failed(inputs),
        "pid_file": layout.pid_file,
        "cookie": COOKIE[inputs.release.kind],
        "secrets": generated(inputs),
        "read_by_systemd": [
            f"{layout.etc}/secrets",
            *(
                shell_quoted(file.removeprefix("-"))
                for file in config.service.environment_files
                if file not in service_files(inputs)
            ),
        ],
        "environment": {name: shell_quoted(text) for name, text in variables.items()},
        "environment_files": [
            shell_quoted(file.removeprefix("-")) for file in config.service.environment_files
        ],
        "fetched": [shell_quoted(f"{layout.runtime}/{file}") for file in _fetched(config)],
        "assignments": [shell_quoted(f"{name}={text}") for name, text in variables.items()],
        "loaded": [(shell_quoted(file), must) for file, must in _loaded(inputs)],
        "required": settings["required"],
        "asks_for_host": settings["asks_for_host"],
        "migrate_on_install": migrates_on_install(config),
    }


def migrates_on_install(config: Config) -> bool:
    """Whether the maintainer scripts migrate."""
    return bool(config.migrations.function) and config.migrations.when is MigrateWhen.INSTALL


def _logrotate(inputs: Inputs) -> Iterator[File]:
    if inputs.config.service.directories.logs:
        text = render("etc/logrotate", **inputs.layout.names())
        yield _file(f"/etc/logrotate.d/{inputs.layout.name}", text, conffile=True)


def _access(inputs: Inputs) -> Iterator[File]:
    """The service's accounts, and who may restart it."""
    yield from _accounts(inputs)
    if inputs.config.service.restart_method is RestartMethod.FLAG:
        yield from _restart_flag(inputs)
    yield from _sudoers(inputs)


def _accounts(inputs: Inputs) -> Iterator[File]:
    config = inputs.config
    values = {
        **inputs.layout.names(),
        "deploy_user": config.service.deploy_user,
        "deploy_home": inputs.layout.deploy_home(config.service.deploy_user),
        "extra_groups": config.service.extra_groups,
        "shared": list(config.service.shared_accounts),
    }
    yield _file(
        f"/usr/lib/sysusers.d/{inputs.layout.name}.conf", render("systemd/sysusers.conf", **values)
    )


def _restart_flag(inputs: Inputs) -> Iterator[File]:
    layout = inputs.layout
    user = inputs.config.service.deploy_user or layout.user
    lines = (
        # The directory belongs to root, so that nobody can replace the flag with a link.
        f"d {layout.flag.parent} 0755 root root -",
        # A named pipe stores nothing, so it cannot fill /run. Only its owner may set times other
        # than now, as Elixir's File.touch does.
        f"p+ {layout.flag} 0600 {user} root -",
    )
    text = render("systemd/tmpfiles.conf", lines=lines)
    yield _file(f"/usr/lib/tmpfiles.d/{layout.name}.conf", text)
    values = {**layout.names(), "flag": layout.flag, "systemctl": layout.systemctl}
    for suffix in ("path", "service"):
        text = render(f"systemd/restart.{suffix}", **values)
        yield _file(f"{layout.units}/{layout.name}-restart.{suffix}", text)


def _sudoers(inputs: Inputs) -> Iterator[File]:
    layout = inputs.layout
    settings = inputs.config.service
    deploys = deploy_values(inputs)
    users = []
    if deploys["deploys"]:
        users.append(deploys["deploys"])
    if settings.sudo_service:
        users.append(layout.user)
    if not users:
        return
    verbs = ["start", "stop", "restart", "--no-pager status", "is-active"]
    if inputs.distro.systemd >= _SECURE_PAGER:
        verbs.append("status")
    # sudo compares the path found by the user's PATH; with a merged /usr either may be.
    values = {
        **deploys,
        "users": users,
        "verbs": verbs,
        "systemctl": ("/usr/bin/systemctl", "/bin/systemctl"),
        "journalctl": ("/usr/bin/journalctl", "/bin/journalctl"),
        "socket": layout.socket if settings.listen else "",
        "libexec": layout.libexec,
    }
    text = replaced(inputs, "sudoers", render("sudoers", **layout.names(), **values))
    # sudo ignores files with a period in their names.
    path = f"/etc/sudoers.d/{layout.name.replace('.', '_')}"
    yield _file(path, text, mode=0o440, conffile=True)
