"""Maintainer scripts of a .deb and scriptlets of an .rpm, and the readiness check that an upgrade waits for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pkgrel.config.model import Config
from pkgrel.config.package import ObsoleteSettings
from pkgrel.config.runtime import Reach
from pkgrel.config.service import (
    ReadySettings,
    RestartMethod,
    ServiceSettings,
    ServiceType,
    Upgrade,
)
from pkgrel.distro import Format, unsupported
from pkgrel.errors import ConfigError
from pkgrel.formats import package_format
from pkgrel.package import Directory, File, MaintainerScripts, Version
from pkgrel.plan.distribution import guarded_ports
from pkgrel.plan.entries import read_text
from pkgrel.plan.environment import hides_cookie, set_elsewhere
from pkgrel.plan.inputs import Inputs, Layout
from pkgrel.plan.names import strange_directories
from pkgrel.plan.service import Service, migrates_on_install
from pkgrel.plan.settings import fill, template_names
from pkgrel.plan.unit import service_type
from pkgrel.plan.upgrade import hot_values, version_values
from pkgrel.release.model import Kind
from pkgrel.templates import render, shell_quoted
from pkgrel.version import upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """Owner and mode of a path, set on upgrades: neither dpkg nor rpm changes those of an edited conffile."""

    mode: str
    owner: str
    group: str
    path: str
    """Quoted for the shell."""
    conffile: bool = False

    @classmethod
    def of(cls, entry: File | Directory, *, conffile: bool = False) -> Permissions:
        """Those of an entry of the package."""
        return cls(
            mode=f"{entry.mode:o}",
            owner=entry.owner,
            group=entry.group,
            path=shell_quoted(str(entry.path)),
            conffile=conffile,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit of the package, and what its scripts do with it."""

    name: str
    loaded: str
    """The argument of `systemctl stop`, quoted for the shell; for a template unit a pattern of its instances."""
    enabled: bool
    """Whether it is enabled and started with the package; something else starts the others."""
    auxiliary: bool
    """Whether a later version of the package may lack it."""
    start: str
    """The call of a shell function that starts it; empty if the scripts do not start it."""


def maintainer_scripts(
    inputs: Inputs,
    *,
    planned: Service,
    tmpfiles: tuple[str, ...],
    permissions: tuple[Permissions, ...],
    version: Version,
) -> MaintainerScripts:
    """All scripts for the format of the distro; `tmpfiles` are the package's files in /usr/lib/tmpfiles.d."""
    values = _values(inputs, planned) | version_values(inputs, version)
    values["tmpfiles"] = [shell_quoted(file) for file in tmpfiles]
    values["conffiles"] = [file for file in permissions if file.conffile]
    values["configure"] = tuple(_configure(values, permissions))
    values["start"] = tuple(_start(values))
    values["started"] = tuple(_started(values))
    templates = package_format(inputs.distro.format).SCRIPTS
    return MaintainerScripts(
        **{name: render(template, **values) for name, template in templates.items()}
    )


def _are_scriptlets(format: Format) -> bool:
    """Whether shared templates are rendered for scriptlets of rpm instead of maintainer scripts of dpkg."""
    match format:
        case Format.DEB:
            return False
        case Format.RPM:
            return True
        case _:
            raise unsupported(format)


def _values(inputs: Inputs, planned: Service) -> dict[str, Any]:
    config, layout = inputs.config, inputs.layout
    service = config.service
    directories = service.directories
    rpm = _are_scriptlets(inputs.distro.format)
    units = tuple(_units(inputs, planned))
    check = ready_check(inputs)
    return {
        **layout.names(),
        "rpm": rpm,
        "invoke": "systemctl" if rpm else "deb-systemd-invoke",
        "units": units,
        "enabled_units": " ".join(unit.name for unit in units if unit.enabled),
        "auxiliary_units": " ".join(unit.name for unit in units if unit.auxiliary),
        "idle_units": " ".join(unit.loaded for unit in units if not unit.enabled),
        "triggered_units": " ".join(u.loaded for u in units if u.auxiliary and not u.enabled),
        "loaded_units": " ".join(unit.loaded for unit in units),
        "socket": layout.socket if service.listen else "",
        "opens_sockets": any(unit.start.startswith("open_socket ") for unit in units),
        "unit_folder": layout.units,
        **planned.settings,
        **hot_values(inputs),
        "enable": service.enable,
        "action": _action(service),
        "libexec": layout.libexec,
        "hides_cookie": hides_cookie(inputs),
        "guarded_ports": guarded_ports(inputs.release, config.distribution, layout),
        "deploy_user": service.deploy_user,
        "deploy_home": layout.deploy_home(service.deploy_user),
        "extra_groups": service.extra_groups,
        "remove_user": service.remove_user,
        "shared": list(_shared(inputs)),
        "own_user": layout.user not in ("root", *service.shared_accounts),
        "own_group": layout.group not in ("root", *service.shared_accounts),
        "own_deploy_user": service.deploy_user not in ("", *service.shared_accounts),
        "directories_of_service": list(_of_service(inputs)),
        "strange_directories": strange_directories(inputs),
        "flag": layout.flag if service.restart_method is RestartMethod.FLAG else None,
        "directories": list(_directories(inputs)),
        "directories_inside": [layout.cache / "tmp"] if directories.tmp else [],
        "directory_mode": directories.mode,
        # Variables that files and programs on the host set are known only at a start.
        "says_missing": bool(planned.settings["required"]) and not set_elsewhere(config),
        "migrate_on_install": migrates_on_install(config),
        "ready": service.ready if check else None,
        "ready_check": check,
        "ready_by_network": bool(check) and bool(_given_checks(service.ready)),
        "user_scripts": _user_scripts(inputs, rpm=rpm),
        "obsolete": [_obsolete(item, number) for number, item in enumerate(config.obsolete)],
    }


def _action(service: ServiceSettings) -> str:
    # `start` leaves a running service alone.
    return "start" if service.on_upgrade is Upgrade.NONE else "restart"


def _units(inputs: Inputs, planned: Service) -> Iterator[Unit]:
    service = inputs.config.service
    action = _action(service)
    looks = package_format(inputs.distro.format).ENABLES_BY_PRESET
    for name in (*planned.units, *planned.idle):
        enabled = name in planned.units
        start = ""
        if enabled and name.endswith(".socket"):
            # Sockets keep listening during an upgrade; systemd does not restart one whose service runs.
            start = f"open_socket {name} {action}" if service.enable else ""
        elif enabled and (service.enable or looks):
            start = f"start_unit {name} {action}"
        elif enabled and action == "restart":
            start = f"start_unit {name} try-restart"
        yield Unit(
            name=name,
            loaded=shell_quoted(name.replace("@.", "@*.")),
            enabled=enabled,
            auxiliary=name != inputs.layout.unit,
            start=start,
        )


def _configure(values: dict[str, Any], permissions: Iterable[Permissions]) -> Iterator[str]:
    """The steps of `postinst configure` and %post before anything is started."""
    deb = not values["rpm"]
    if deb:
        yield from (f"bring_back {p.path}" for p in permissions if p.conffile)
    if values["guarded_ports"]:
        yield "say_shared_port"
    if deb:
        yield "make_environment"
    yield from (f"update_permissions {p.mode} {p.owner} {p.group} {p.path}" for p in permissions)
    if deb:
        yield "change_owner"
        yield 'begin_record "${2:-}"'
    yield from (f"make_directory {path}" for path in values["directories"])
    yield from (f"make_directory_inside {path}" for path in values["directories_inside"])
    # A start would create what is missing, but during an upgrade somebody reads the messages.
    yield f"{values['libexec']}/make-secrets --check || :"
    if values["own_deploy_user"]:
        yield f"make_deploy_home {values['deploy_user']} {values['deploy_home']}"
    yield from values["user_scripts"]["after_install"]


def _start(values: dict[str, Any]) -> Iterator[str]:
    """The steps that bring a running service to this version."""
    if values["says_missing"]:
        yield "say_missing"
    if values["migrate_on_install"]:
        yield (
            "migrate" if values["rpm"] else '[ "$1" != configure ] || migrate "${2:-}" || return 0'
        )
    if values["tmpfiles"]:
        yield f"create_tmpfiles {' '.join(values['tmpfiles'])}"
    if values["socket"]:
        yield "disable_socket"
        yield "close_changed_socket"
    yield "leave_stopped"
    if values["hot"]:
        yield "hot_upgrade configure" if values["rpm"] else 'hot_upgrade "$1"'
    if values["never_hot"]:
        yield "say_never_hot"
    yield from (unit.start for unit in values["units"] if unit.start)
    if values["ready"]:
        if values["hot"]:
            yield "restart_unready"
        yield "wait_until_ready"


def _started(values: dict[str, Any]) -> Iterator[str]:
    """The last steps."""
    if values["action"] == "restart":
        yield "start_again"
    yield f"rm -f /run/{values['name']}.before"
    yield (
        "remember_version"
        if values["rpm"]
        else '[ "$1" != configure ] || remember_version "${2:-}"'
    )
    for script in values["user_scripts"]["after_start"]:
        yield (
            "if [ -d /run/systemd/system ] &&"
            f" systemctl --quiet is-active {values['unit']}; then\n{script}\nfi"
        )


def _directories(inputs: Inputs) -> Iterator[PurePosixPath]:
    directories, layout = inputs.config.service.directories, inputs.layout
    for path, wanted in (
        (layout.state, directories.state),
        (layout.cache, directories.cache or directories.tmp),
        (layout.logs, directories.logs),
    ):
        if wanted:
            yield path


def _of_service(inputs: Inputs) -> Iterator[PurePosixPath]:
    """Directories that systemd creates for the service's user."""
    yield from _directories(inputs)
    if inputs.config.service.directories.runtime:
        yield inputs.layout.runtime


def _shared(inputs: Inputs) -> Iterator[tuple[str, str]]:
    """Databases and names of the accounts that the package shares."""
    service = inputs.config.service
    for database, name in (
        ("passwd", inputs.layout.user),
        ("group", inputs.layout.group),
        ("passwd", service.deploy_user),
    ):
        if name in service.shared_accounts:
            yield database, name


def _user_scripts(inputs: Inputs, *, rpm: bool) -> dict[str, tuple[str, ...]]:
    """The user's scripts as steps; none for a script that is not set."""
    settings = inputs.config.scripts
    steps: dict[str, tuple[str, ...]] = {}
    for name in settings.__dataclass_fields__.keys() - {"template"}:
        file, key = getattr(settings, name), f"scripts.{name.replace('_', '-')}"
        text = read_text(inputs.folder / file, key).rstrip("\n") if file else ""
        if settings.template and text:
            text = fill(text, template_names(inputs), key)
        steps[name] = (render("scripts/user-script", text=text, rpm=rpm),) if file else ()
    return steps


def _obsolete(settings: ObsoleteSettings, number: int) -> dict[str, str]:
    for name in ("path", "moved_to"):
        path = getattr(settings, name)
        if (path or name == "path") and not path.startswith("/etc/"):
            key = name.replace("_", "-")
            raise ConfigError(f"`obsolete[{number}].{key}` must be a file in /etc, not `{path}`")
    return {
        "path": settings.path,
        "moved_to": settings.moved_to,
        "version": upstream(settings.version),
    }


_CHECKS = ("tcp", "http", "rpc")

_WAITING = {Upgrade.WAIT, Upgrade.HOT}

# systemd waits for these by itself: for the notification, or for the PID file.
_WAITED_FOR = {ServiceType.NOTIFY, ServiceType.FORKING}

# Kinds whose `rpc` command evaluates an expression.
_RPC = {Kind.MIX, Kind.DISTILLERY}


def ready_check(inputs: Inputs) -> str:
    """A shell command that succeeds when the service is ready; empty if upgrades do not wait.

    ConfigError for a check that would not be used, cannot succeed, or proves nothing.
    """
    config = inputs.config
    ready = config.service.ready
    given = _given_checks(ready)
    if config.service.on_upgrade not in _WAITING:
        _refuse_unused(config, given)
        return ""
    if len(given) > 1:
        raise ConfigError(
            f"`service.ready`: {' and '.join(given)} cannot go together", hint="keep one"
        )
    if not given and service_type(inputs) not in _WAITED_FOR:
        if config.service.on_upgrade is Upgrade.HOT:
            return ""
        raise ConfigError(
            '`on-upgrade = "wait"` has nothing to wait for: the release does not notify systemd',
            hint="give `tcp`, `http` or `rpc` in [service.ready]",
        )
    if ready.rpc:
        _refuse_unreachable(inputs)
    return _command(ready, inputs.layout)


def _given_checks(ready: ReadySettings) -> list[str]:
    """The configured checks that connect over the network."""
    return [name for name in _CHECKS if getattr(ready, name)]


def _refuse_unused(config: Config, given: list[str]) -> None:
    if given:
        raise ConfigError(
            f"`service.ready.{given[0]}` does nothing with "
            f'`on-upgrade = "{config.service.on_upgrade}"`',
            hint='set `on-upgrade = "wait"` in [service], or leave [service.ready] out',
        )


def _refuse_unreachable(inputs: Inputs) -> None:
    if inputs.config.distribution.reach is Reach.NONE or inputs.release.kind not in _RPC:
        raise ConfigError(
            "`service.ready.rpc` asks the running system, which nobody can reach so here",
            hint="give `tcp` or `http`; `rpc` needs a release of mix or Distillery and [distribution]",
        )


def _command(ready: ReadySettings, layout: Layout) -> str:
    if ready.http:
        return f"curl --silent --fail --max-time 5 --output /dev/null {shell_quoted(ready.http)}"
    if ready.tcp:
        # bash has /dev/tcp, sh does not; starting a VM of the release every second is too slow.
        return f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{ready.tcp}' 2>/dev/null"
    if ready.rpc:
        expression = shell_quoted(f"true = ({ready.rpc})")
        return f"/usr/bin/{layout.name} rpc {expression} >/dev/null 2>&1"
    return f"systemctl --quiet is-active {layout.unit}"
