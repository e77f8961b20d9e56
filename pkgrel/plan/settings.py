"""[service] with its placeholders filled in, and checked for whatever systemd would refuse.

Also user templates: the names that they can use, and those of [templates], which replace ours. They are rendered in
jinja2's sandbox, so that a project's settings cannot run Python on the machine that packages it.

systemd ignores a line that it cannot parse and starts the service without it. Such a line is refused here, where the
error is seen.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pkgrel.config.service import ServiceSettings, ServiceType
from pkgrel.distro import Distro, directive_names, knows
from pkgrel.errors import ConfigError, PlanError, did_you_mean
from pkgrel.package import Directory, File
from pkgrel.plan.entries import read_text, user_files
from pkgrel.plan.inputs import Inputs
from pkgrel.templates import render_text


def template_names(inputs: Inputs) -> dict[str, str | int]:
    """The names that every user template can use."""
    return {
        **inputs.layout.names(),
        "release": inputs.release.name,
        "version": inputs.config.package.version,
        "distro": inputs.distro.id,
        "systemd": inputs.distro.systemd,
    }


def fill(text: str, names: Mapping[str, object], where: str) -> str:
    """Render the text; ConfigError, naming the setting, for a mistake in it."""
    # Imported here: until then the tree could be compressed.
    from jinja2 import TemplateError

    try:
        return render_text(text, **names)
    except TemplateError as e:
        known = ", ".join(sorted(names))
        raise ConfigError(f"`{where}`: {e}", hint=f"a template knows {known}") from None


def replaced(inputs: Inputs, name: str, ours: str) -> str:
    """The rendered template of [templates], or `ours` if it is not set."""
    file: str = getattr(inputs.config.templates, name)
    if not file:
        return ours
    where = f"templates.{name}"
    text = read_text(inputs.folder / file, where)
    return fill(text, {**template_names(inputs), "ours": ours}, where)


# systemd.service(5), "Command lines": unlike in a shell, a backslash escapes within single quotes too.
_QUOTED = re.compile(r"""(?:[^\\'"]|\\.|"(?:[^\\"]|\\.)*"|'(?:[^\\']|\\.)*')*""", re.DOTALL)

# systemd.unit(5), "Specifiers".
_SPECIFIER = re.compile(r"%.?")
_SPECIFIERS = {f"%{letter}" for letter in "aAbBcCdDEfgGhHiIjJlLmMnNopPqrRsStTuUvVwWyY%"}

# tmpfiles.d(5)
_TMPFILES = re.compile(r"/(usr/lib|etc|run)/tmpfiles\.d/")
_MADE = re.compile(
    r"^[ \t]*[dDvqQe][-+!=~^$]*[ \t]+(/\S*)[ \t]+[:~]*(\d+)[ \t]+:?(\S+)[ \t]+:?(\S+)", re.MULTILINE
)

T = TypeVar("T")


def resolve_service(inputs: Inputs) -> ServiceSettings:
    """Fill in `{{ state }}` and other placeholders; ConfigError or PlanError for settings that cannot work."""
    service = _filled(inputs.config.service, inputs.layout.names(), "service")
    _check_restart_steps(service)
    _check_commands(service)
    _check_directories(service)
    _check_sandbox(service)
    _check_target(service, inputs.distro)
    return service


def home(inputs: Inputs) -> str:
    """Home and working directory of the service, which it can write to."""
    return str(
        inputs.layout.state if inputs.config.service.directories.state else inputs.layout.runtime
    )


def migration_failed(inputs: Inputs) -> str:
    """The marker that the service leaves when its migration before a start has failed."""
    runtime = inputs.config.service.directories.runtime
    return f"{inputs.layout.runtime if runtime else home(inputs)}/migration-failed"


def writable_paths(inputs: Inputs) -> tuple[str, ...]:
    """Where the service may write outside of its standard directories: `read-write-paths`, its directories of [[file]],
    and those that a tmpfiles.d file of [[file]] creates for it."""
    found = list(inputs.config.service.read_write_paths)
    for item in user_files(
        inputs.config.file, inputs.folder, template_names(inputs), inputs.format
    ):
        if isinstance(item, Directory) and _writes(
            inputs, f"{item.mode:o}", item.owner, item.group
        ):
            found.append(str(item.path))
        elif isinstance(item, File) and _TMPFILES.match(str(item.path)):
            text = b"".join(item.content.chunks()).decode(errors="replace")
            found += (
                # `-`: it may be missing, as in a container where systemd-tmpfiles does not run.
                f"-{path}"
                for path, mode, user, group in _MADE.findall(text)
                if _writes(inputs, mode, user, group) and not {"%", "*", "?", "["} & set(path)
            )
    return tuple(dict.fromkeys(found))


def _writes(inputs: Inputs, mode: str, user: str, group: str) -> bool:
    layout = inputs.layout
    return user == layout.user != "root" or (group == layout.group and mode[-2:-1] in tuple("2367"))


def _filled(value: T, names: dict[str, str], path: str) -> T:
    """The value with all strings in it rendered."""
    new: Any = value
    if isinstance(value, str) and type(value) is str:
        new = _text(value, names, path)
    elif isinstance(value, tuple):
        new = tuple(_filled(item, names, f"{path}[{i}]") for i, item in enumerate(value))
    elif isinstance(value, dict):
        new = {key: _filled(item, names, f"{path}.{key}") for key, item in value.items()}
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            name: _filled(getattr(value, name), names, f"{path}.{name.replace('_', '-')}")
            for name in value.__dataclass_fields__
        }
        new = dataclasses.replace(value, **fields)
    result: T = new
    return result


def _text(value: str, names: dict[str, str], path: str) -> str:
    if "{{" not in value:
        return value
    # Imported here: until then the tree could be compressed.
    from jinja2 import TemplateError

    try:
        return render_text(value, **names)
    except TemplateError as e:
        raise ConfigError(
            f"`{path}`: {e}", hint=f"known here: {', '.join(sorted(names))}"
        ) from None


def _check_restart_steps(service: ServiceSettings) -> None:
    """systemd.service(5): neither setting has an effect without the other."""
    steps, most = service.restart_steps, service.restart_max_delay_sec
    for given, other, missing in (
        (steps, most, "restart-max-delay-sec"),
        (most, steps, "restart-steps"),
    ):
        if given and not other:
            raise ConfigError(
                "`service.restart-steps` and `service.restart-max-delay-sec` do nothing alone",
                hint=f"give `{missing}` as well",
            )
    if steps and most <= service.restart_sec:
        raise ConfigError(
            f"`service.restart-max-delay-sec` must be above `restart-sec`, not `{most}`",
            hint=f"the delay grows from {service.restart_sec} s to it",
        )


def _check_commands(service: ServiceSettings) -> None:
    """Commands need absolute paths: systemd before 239 refuses others."""
    commands = {f"exec-start-pre[{i}]": text for i, text in enumerate(service.exec_start_pre)}
    for key, text in {**commands, "wrap": service.wrap}.items():
        program = text.lstrip("-@:+!|")
        if text and not program.startswith("/"):
            raise ConfigError(
                f"`service.{key}` must start with an absolute path, not `{text}`",
                hint="/usr/bin/env finds a program in the PATH",
            )
        _refuse_unreadable(f"service.{key}", text)


def _refuse_unreadable(key: str, text: str) -> None:
    """systemd.service(5), systemd.unit(5): quotes come in pairs, and `%` starts a specifier."""
    if not _QUOTED.fullmatch(text):
        raise ConfigError(
            f"`{key}`: a quote or backslash in `{text}` has no end", hint="write them in pairs"
        )
    for odd in _SPECIFIER.finditer(text):
        if odd[0] not in _SPECIFIERS:
            raise ConfigError(
                f"`{key}`: `{odd[0]}` in `{text}` is not a specifier of systemd",
                hint="write `%%` for `%`",
            )


def _check_directories(service: ServiceSettings) -> None:
    directories = service.directories
    if not directories.state and not directories.runtime:
        raise ConfigError(
            "`service.directories`: without state and runtime there is nowhere to write",
            hint="keep one of them",
        )
    if service.type is ServiceType.FORKING and not directories.runtime:
        raise ConfigError(
            'a service of `type = "forking"` has its PID file in the runtime directory',
            hint="leave `runtime` of [service.directories] on",
        )


def _check_sandbox(service: ServiceSettings) -> None:
    known = directive_names("Service")
    for name in service.sandbox:
        if name not in known:
            raise ConfigError(
                f"`service.sandbox.{name}` is not a directive of [Service]",
                hint=did_you_mean(name, known, otherwise="see systemd.exec(5)"),
            )


def _check_target(service: ServiceSettings, distro: Distro) -> None:
    """Refuse a distro whose systemd would start the service without something that it needs.

    Directives that only restrict or tune (sandbox, memory thresholds, steps between restarts) are left out
    instead, as documented, so that one pkgrel.toml serves all distros.
    """
    for directive, needed, key in _needed(service):
        if needed and not knows(distro, "Service", directive):
            raise PlanError(
                f"`{key}` needs `{directive}`, which systemd {distro.systemd} of {distro.title} does not know",
                hint=f"change it in [distro.{distro.id}.service]",
            )


def _needed(service: ServiceSettings) -> Iterator[tuple[str, bool, str]]:
    yield "AmbientCapabilities", service.low_ports, "service.low-ports"
    yield "LoadCredential", any(service.credentials.values()), "service.credentials"
