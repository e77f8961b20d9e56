"""[deploy] `pull`: a timer that asks the repository of the package, and upgrades as `NAME upgrade` does.

Which hosts a version is meant for is the repository's to say, in percent, and each host finds out for itself, by
apt's own rule whatever it installs with: `libexec/pull`. Source: systemd.timer(5); apt-pkg/upgrade.cc of apt.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from pkgrel.content import Inline
from pkgrel.distro import Distro
from pkgrel.distro.directives import knows
from pkgrel.errors import ConfigError
from pkgrel.package import File
from pkgrel.plan.auxiliary_units import AuxiliaryUnit, unit_file
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.upgrade import change_version_values
from pkgrel.plan.validation import service_files
from pkgrel.templates import render, shell_quoted

_INSTALLERS = ("apt", "dnf")
_WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MINUTES = {"s": 1 / 60, "min": 1, "h": 60, "d": 1440}


def pulls(inputs: Inputs) -> bool:
    """Whether hosts ask by themselves: where `NAME upgrade` knows the package manager."""
    return bool(inputs.config.deploy.pull) and can_pull(inputs.distro)


def can_pull(distro: Distro) -> bool:
    """Whether the distro has a package manager that is understood."""
    return distro.installer in _INSTALLERS


@dataclass(frozen=True, slots=True)
class Window:
    """Minutes of a day, and on which days."""

    text: str
    days: str
    """As `date +%u` has them, one after the other: `12345`."""
    start: int
    end: int
    """More than a day if it ends after midnight."""

    @property
    def overnight(self) -> bool:
        """Whether it goes on after midnight."""
        return self.end > 1440


def read_window(text: str) -> Window | None:
    """The window that a setting of the right form says, if any."""
    if not text:
        return None
    days, _, times = text.rpartition(" ")
    start, end = (int(time[:2]) * 60 + int(time[3:]) for time in times.split("-"))
    return Window(text, _days(days), start, end if end > start else end + 1440)


def _days(text: str) -> str:
    found = set()
    for part in text.split(",") if text else [f"{_WEEK[0]}-{_WEEK[-1]}"]:
        first, _, last = part.partition("-")
        day, end = _WEEK.index(first), _WEEK.index(last or first)
        while day != end:
            found.add(day)
            day = (day + 1) % len(_WEEK)
        found.add(end)
    return "".join(str(day + 1) for day in sorted(found))


def minutes(span: str) -> float:
    """Of a time span as the settings have it."""
    number, unit = re.fullmatch(r"([0-9]+)([a-z]+)", span).groups()  # type: ignore[union-attr]
    return int(number) * _MINUTES[unit]


def pull_timer(inputs: Inputs) -> Iterator[AuxiliaryUnit]:
    """The timer; ConfigError where it would meet its window by chance alone.

    The service that it starts is none of the units that scripts stop: it is what runs them.
    """
    if not pulls(inputs):
        if inputs.config.deploy.report and not inputs.config.deploy.pull:
            raise ConfigError(
                "`deploy.report`: nobody reports where no host asks", hint="set `pull` in [deploy]"
            )
        return
    layout, settings = inputs.layout, inputs.config.deploy
    timer = f"{layout.name}-pull.timer"
    for number, unit in enumerate(inputs.config.unit):
        if unit.name in (timer, f"{layout.name}-pull.service"):
            raise ConfigError(
                f"`unit[{number}].name`: `pull` of [deploy] makes {unit.name}",
                hint="give it another name",
            )
    window = read_window(settings.window)
    between = minutes(settings.pull) + minutes(settings.jitter)
    if window and between > window.end - window.start:
        raise ConfigError(
            f"`deploy.window`: a host that asks every {settings.pull} may miss {settings.window}",
            hint="shorten `pull`, or widen the window",
        )
    text = render(
        "systemd/pull.timer",
        name=layout.name,
        every=settings.pull,
        jitter=settings.jitter,
        randomizes=knows(inputs.distro, "Timer", "RandomizedDelaySec"),
    )
    yield AuxiliaryUnit(name=timer, file=unit_file(layout.units / timer, text), enable=True)


def pull_files(inputs: Inputs) -> Iterator[File]:
    """What the timer starts."""
    if not pulls(inputs):
        return
    layout, settings = inputs.layout, inputs.config.deploy
    report = shell_quoted(settings.report) if settings.report else ""
    service = render(
        "systemd/pull.service",
        name=layout.name,
        libexec=layout.libexec,
        etc=layout.etc,
        report=report,
    )
    yield unit_file(layout.units / f"{layout.name}-pull.service", service)
    text = render(
        "libexec/pull",
        **layout.names(),
        **change_version_values(inputs),
        channel=settings.channel,
        window=read_window(settings.window),
        report=report,
        distro=inputs.distro.id,
        secret_files=[
            f"{layout.etc}/secrets",
            *(
                shell_quoted(file.removeprefix("-"))
                for file in inputs.config.service.environment_files
                if file not in service_files(inputs)
            ),
        ],
        libexec=layout.libexec,
        doc=layout.doc,
    )
    path = PurePosixPath(layout.libexec, "pull")
    yield File(path=path, content=Inline(text.encode()), mode=0o755)
