"""The user's own words for systemd: units beside the service, and its drop-in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pkgrel.config.service import UnitSettings
from pkgrel.content import Inline
from pkgrel.distro import Distro
from pkgrel.distro.directives import directive_names, knows
from pkgrel.errors import ConfigError, PlanError
from pkgrel.package import File
from pkgrel.plan.entries import read_text
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.paths import empties
from pkgrel.plan.user_templates import fill, template_names
from pkgrel.plan.validation import refuse_exposed_unit, refuse_root_directory

# systemd.syntax(7): blanks around a line do not count.
_INSTALL = re.compile(r"^[ \t]*\[Install\][ \t]*$", re.MULTILINE)

_ROOT_DIRECTORY = re.compile(r"^[ \t]*RootDirectory[ \t]*=[ \t]*(\S+)", re.MULTILINE)
_TEMPORARY = re.compile(r"^[ \t]*TemporaryFileSystem[ \t]*=[ \t]*(\S.*)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuxiliaryUnit:
    """A unit beside the service."""

    name: str
    file: File
    enable: bool
    """Whether it is enabled and started with the service, or somebody else starts it."""


def plan_auxiliary_units(inputs: Inputs) -> Iterator[AuxiliaryUnit]:
    """The units of [[unit]]; sources are relative to `folder`.

    All are templates that know the layout's names, `distro` and `systemd`, its version there:
    `{% if systemd >= 250 %}`. PlanError for a directive that the distro's systemd does not know.
    """
    for number, item in enumerate(inputs.config.unit):
        where = f"unit[{number}]"
        text = _filled(inputs, _source(item, inputs.folder, where), where)
        yield AuxiliaryUnit(
            name=item.name,
            file=unit_file(inputs.layout.units / item.name, text),
            enable=_enabled(item, text, where),
        )


def drop_in(inputs: Inputs) -> Iterator[File]:
    """The user's addition to the service's unit; a template as the units are."""
    if inputs.config.service.drop_in:
        key = "service.drop-in"
        text = read_text(inputs.folder / inputs.config.service.drop_in, key)
        path = inputs.layout.units / f"{inputs.layout.unit}.d" / "50-local.conf"
        text = _filled(inputs, text, key)
        for root in _ROOT_DIRECTORY.findall(text):
            refuse_root_directory(root, key, inputs.layout)
        if any(map(empties, _TEMPORARY.findall(text))):
            raise ConfigError(
                f"`{key}`: an empty `/` stands against what the unit does before the start",
                hint='`hardening = "chroot"` gives the service a root with only what it needs',
            )
        yield unit_file(path, text)


def _source(settings: UnitSettings, folder: Path, where: str) -> str:
    if "/" in settings.name or "." not in settings.name:
        raise ConfigError(
            f"`{where}.name` must be the name of a unit, not `{settings.name}`",
            hint="such as `my-app-backup.timer`",
        )
    if bool(settings.source) == bool(settings.content):
        raise ConfigError(f"`{where}` needs either `source` or `content`")
    return settings.content or read_text(folder / settings.source, f"{where}.source")


def _enabled(settings: UnitSettings, text: str, where: str) -> bool:
    """systemd enables what says where it belongs, and of a template only its instances."""
    startable = bool(_INSTALL.search(text)) and "@." not in settings.name
    if settings.enable and not startable:
        raise ConfigError(
            f"`{where}.enable`: nothing can enable {settings.name}, which is a template or has no [Install]",
            hint="write `[Install]` and `WantedBy=` into it, or leave `enable` out",
        )
    return startable if settings.enable is None else settings.enable


def _filled(inputs: Inputs, text: str, where: str) -> str:
    distro = inputs.distro
    text = fill(text, template_names(inputs), where)
    refuse_unknown(text, distro, where)
    refuse_exposed_unit(text, where, inputs.layout)
    return text


def unit_file(path: PurePosixPath, text: str) -> File:
    """A file with a unit, or a part of one."""
    return File(path=path, content=Inline(text.encode()))


def refuse_unknown(text: str, distro: Distro, where: str) -> None:
    """What is not in the table may still be right: the sections of mounts and devices are not."""
    section = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]")
        name = line.partition("=")[0].strip()
        if name in directive_names(section) and not knows(distro, section, name):
            raise PlanError(
                f"`{where}`: systemd {distro.systemd} of {distro.title} does not know `{name}`",
                hint="write `{% if systemd >= VERSION %}` and `{% endif %}` around it",
            )
