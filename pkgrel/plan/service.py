"""Files that make the release a service: units, settings, users, privileges, helpers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pkgrel.config.model import Config
from pkgrel.config.runtime import MigrateWhen
from pkgrel.config.service import RestartMethod, ServiceType
from pkgrel.content import Inline
from pkgrel.distro import Distro, Format, unsupported
from pkgrel.errors import ConfigError
from pkgrel.package import Entry, File
from pkgrel.plan.access import access_files
from pkgrel.plan.configuration import configuration_entries
from pkgrel.plan.environment import COOKIE, environment_variables, hides_cookie
from pkgrel.plan.extra_units import ExtraUnit, drop_in, user_units
from pkgrel.plan.layout import Layout
from pkgrel.plan.quoting import environment_quoted, shell_quoted
from pkgrel.plan.release_scripts import refuse_ipv6, server_variables
from pkgrel.plan.trusted_files import own_files
from pkgrel.plan.unit import unit_text
from pkgrel.plan.wrapper import wrapper_files
from pkgrel.release.model import Release
from pkgrel.templates import render


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the package brings for the service."""

    files: tuple[Entry, ...]
    units: tuple[str, ...]
    """Units to enable and start, in this order: systemd refuses a socket whose service runs."""
    idle: tuple[str, ...]
    """Units that nobody starts with the package, but that must not outlive it."""
    defaults: Mapping[str, str]
    """Variables of the unit that an administrator may want to change, quoted."""


def plan_service(
    release: Release, config: Config, layout: Layout, distro: Distro, folder: Path
) -> Service:
    """Plan the service's files; sources of the user's are relative to `folder`."""
    refuse_ipv6(release, config)
    variables = environment_variables(release, config, layout, distro)
    of_the_service = {**variables, **server_variables(release, config)}
    fetched = _fetched(config)
    extra = tuple(user_units(config, layout, distro, folder))
    units = tuple(_enabled(config, layout, extra))
    # What the comments in /etc/NAME/environment show, as it would be written there.
    defaults = {name: environment_quoted(variables[name]) for name in config.service.environment}
    files: list[Entry] = [
        _unit(release, config, layout, distro, of_the_service, fetched),
        *configuration_entries(release, config, layout, folder),
        *_settings(layout, distro, defaults),
        *wrapper_files(release, config, layout, distro, variables, fetched),
        *access_files(config, layout),
        *_preset(config, layout, distro, units),
        *_helpers(release, config, layout),
        *_logrotate(config, layout),
        *drop_in(config, layout, distro, folder),
        *(item.file for item in extra),
    ]
    return Service(
        files=tuple(files),
        units=units,
        idle=tuple(item.name for item in extra if not item.enable),
        defaults=defaults,
    )


def _enabled(config: Config, layout: Layout, extra: Sequence[ExtraUnit]) -> Iterator[str]:
    own = [item.name for item in extra if item.enable]
    yield from (name for name in own if name.endswith(".socket"))
    yield layout.unit
    if config.service.restart_method is RestartMethod.FLAG:
        # The path unit; its service would restart the application at every boot.
        yield f"{layout.name}-restart.path"
    yield from (name for name in own if not name.endswith(".socket"))


def _file(path: PurePosixPath | str, text: str, **attributes: Any) -> File:
    return File(path=PurePosixPath(path), content=Inline(text.encode()), **attributes)


def _fetched(config: Config) -> dict[str, str]:
    """Files of variables in /run/NAME, and the helpers that write them before each start."""
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
    release: Release,
    config: Config,
    layout: Layout,
    distro: Distro,
    variables: Mapping[str, str],
    fetched: Mapping[str, str],
) -> File:
    text = unit_text(
        release,
        config,
        layout,
        distro,
        environment=variables,
        start_pre=tuple(_start_pre(config, layout, fetched)),
        loader=f"{layout.libexec}/load-environment" if _loaded(config, layout) else "",
    )
    return _file(layout.units / layout.unit, text)


def _loaded(config: Config, layout: Layout) -> list[tuple[str, bool]]:
    """Files of variables that the service can write, in their order, and whether each must be there."""
    files = [
        (file.removeprefix("-"), not file.startswith("-"))
        for file in own_files(config.service, layout)
    ]
    # They are not there yet when the helpers that write them run.
    return [*files, *((f"{layout.runtime}/{file}", False) for file in _fetched(config))]


def _start_pre(config: Config, layout: Layout, fetched: Mapping[str, str]) -> Iterator[str]:
    for file, helper in fetched.items():
        yield f"{layout.libexec}/{helper} {layout.runtime}/{file}"
    if config.helpers.s3:
        yield f"{layout.libexec}/sync-config"
    if config.migrations.function and config.migrations.when is MigrateWhen.START:
        yield f"/usr/bin/{layout.name} --as-service migrate"


def _settings(layout: Layout, distro: Distro, defaults: Mapping[str, str]) -> Iterator[File]:
    # postinst of a .deb makes it: dpkg would ask about one that was there before.
    if distro.format is Format.RPM:
        text = render("etc/environment", **layout.names(), environment=defaults)
        yield _file(layout.etc / "environment", text, mode=0o640, group=layout.group, conffile=True)


def _preset(config: Config, layout: Layout, distro: Distro, units: Sequence[str]) -> Iterator[File]:
    match distro.format:
        case Format.DEB:
            pass  # deb-systemd-helper enables
        case Format.RPM:
            text = render("systemd/preset", units=units, enable=config.service.enable)
            yield _file(f"/usr/lib/systemd/system-preset/50-{layout.name}.preset", text)
        case _:
            raise unsupported(distro.format)


def _helpers(release: Release, config: Config, layout: Layout) -> Iterator[File]:
    values = {
        **layout.names(),
        "s3": shell_quoted(config.helpers.s3),
        "ssm": {name: shell_quoted(text) for name, text in config.helpers.ssm.items()},
        "pid_file": layout.pid_file,
        "cookie": COOKIE[release.kind],
        "loaded": [(shell_quoted(file), must) for file, must in _loaded(config, layout)],
    }
    for name, wanted in (
        ("sync-config", config.helpers.s3),
        ("fetch-parameters", config.helpers.ssm),
        ("runtime-environment", config.helpers.cloud_init),
        ("daemon", config.service.type is ServiceType.FORKING),
        ("hide-cookie", hides_cookie(release, config)),
        ("load-environment", values["loaded"]),
    ):
        if wanted:
            yield _file(layout.libexec / name, render(f"libexec/{name}", **values), mode=0o755)


def _logrotate(config: Config, layout: Layout) -> Iterator[File]:
    if config.service.directories.logs:
        text = render("etc/logrotate", **layout.names())
        yield _file(f"/etc/logrotate.d/{layout.name}", text, conffile=True)
