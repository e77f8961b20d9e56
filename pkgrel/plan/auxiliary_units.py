"""Units beside the service: its socket, the timer for unattended upgrades, units of the user's, and drop-ins.

NAME.socket: systemd listens for the service, so no port closes during a restart. The service requires the socket
and is started after it; stopping either stops both. It has no [Install] section, because it is started and stopped
with the service.

[deploy] `pull`: a timer that asks the package's repository for a new version and upgrades as `NAME upgrade` does.
The repository says what percentage of hosts a version is for; each host decides by apt's rule for phased updates,
whatever its package manager (`libexec/pull`).

Source: systemd.socket(5), systemd.unit(5), sd_listen_fds(3); systemd.timer(5); apt-pkg/upgrade.cc of apt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from itertools import combinations
from pathlib import Path, PurePosixPath

from pkgrel.config.service import ServiceSettings, ServiceType, UnitSettings
from pkgrel.content import Inline
from pkgrel.distro import Distro, directive_names, knows
from pkgrel.errors import ConfigError, PlanError
from pkgrel.package import File
from pkgrel.plan.directives import Directive, empties, section
from pkgrel.plan.entries import read_text
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.settings import fill, template_names
from pkgrel.plan.upgrade import change_version_values
from pkgrel.plan.validation import refuse_exposed_unit, refuse_root_directory, service_files
from pkgrel.templates import render, shell_quoted

# systemd.syntax(7): leading and trailing white space is ignored.
_INSTALL = re.compile(r"^[ \t]*\[Install\][ \t]*$", re.MULTILINE)

_ROOT_DIRECTORY = re.compile(r"^[ \t]*RootDirectory[ \t]*=[ \t]*(\S+)", re.MULTILINE)
_TEMPORARY = re.compile(r"^[ \t]*TemporaryFileSystem[ \t]*=[ \t]*(\S.*)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuxiliaryUnit:
    """A unit beside the service."""

    name: str
    file: File
    enable: bool
    """Whether it is enabled and started with the service; otherwise something else starts it."""


def plan_auxiliary_units(inputs: Inputs) -> Iterator[AuxiliaryUnit]:
    """The units of [[unit]]; sources are relative to `folder`.

    Each is a template with the layout's names, `distro`, and `systemd`, the version on that distro:
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
    """The user's drop-in for the service's unit; a template, as the units are."""
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
    """A unit file or a drop-in."""
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


_EXAMPLES = "such as `4000`, `127.0.0.1:4000` or `[::1]:4000`"

# What the kernel keeps of connections that nobody accepts, while the VM restarts. The first listen(2) of the
# release sets its own; systemd's before 254 was 128.
_BACKLOG = 4096


@dataclass(frozen=True, slots=True)
class Address:
    """What `ListenStream=` says: a port of every address, or of one."""

    text: str
    host: IPv4Address | IPv6Address | None
    """None is every address, of IPv6 and IPv4."""
    port: int

    def excludes(self, other: Address) -> bool:
        """Whether a host cannot listen on both."""
        if self.port != other.port:
            return False
        if self._everywhere or other._everywhere or self.host == other.host:
            return True
        one, another = self.host, other.host
        assert one is not None
        assert another is not None
        return one.version == another.version and (one.is_unspecified or another.is_unspecified)

    @property
    def _everywhere(self) -> bool:
        # `[::]` is IPv4's as well, unless the host's administrator has set bindv6only.
        return self.host is None or (self.host.version == 6 and self.host.is_unspecified)


def socket_unit(inputs: Inputs) -> Iterator[AuxiliaryUnit]:
    """NAME.socket, if the service has `listen`; ConfigError for what cannot be listened on."""
    if not inputs.config.service.listen:
        return
    addresses = tuple(_addresses(inputs.config.service))
    _refuse_conflicts(inputs, addresses)
    text = "\n".join(
        (
            section("Unit", _unit(inputs), inputs.distro),
            section("Socket", _socket(addresses), inputs.distro),
        )
    )
    name = inputs.layout.socket
    yield AuxiliaryUnit(name=name, file=unit_file(inputs.layout.units / name, text), enable=False)


def stop_post(inputs: Inputs) -> str:
    """What closes the socket behind a service that was stopped; empty if nothing has to, or nothing can.

    Not `StopPropagatedFrom=`: systemd 262 takes a restart for a stop there, and 252 a crash.
    """
    if not inputs.config.service.listen or not knows(
        inputs.distro, "Service", "ExecStart prefix +"
    ):
        return ""
    return f"+{inputs.layout.libexec}/close-socket"


def _unit(inputs: Inputs) -> Iterator[Directive]:
    yield "Description", f"Ports of {inputs.layout.name}"


def _socket(addresses: tuple[Address, ...]) -> Iterator[Directive]:
    for address in addresses:
        yield "ListenStream", address.text
    yield "Backlog", str(_BACKLOG)
    # An address may come later than this.
    if any(address.host and not address.host.is_unspecified for address in addresses):
        yield "FreeBind", "yes"
    # As servers set it.
    yield "NoDelay", "yes"


def _addresses(service: ServiceSettings) -> Iterator[Address]:
    for number, text in enumerate(service.listen):
        host, _, port = text.rpartition(":")
        if not 0 < int(port) < 65536:
            raise ConfigError(f"`service.listen[{number}]`: {port} is not a port", hint=_EXAMPLES)
        try:
            yield Address(text, _host(host), int(port))
        except AddressValueError as e:
            raise ConfigError(f"`service.listen[{number}]`: {e}", hint=_EXAMPLES) from None


def _host(text: str) -> IPv4Address | IPv6Address | None:
    if not text:
        return None
    return IPv6Address(text[1:-1]) if text.startswith("[") else IPv4Address(text)


def _refuse_conflicts(inputs: Inputs, addresses: tuple[Address, ...]) -> None:
    service = inputs.config.service
    for one, other in combinations(addresses, 2):
        if one.excludes(other):
            raise ConfigError(
                f"`service.listen`: a host cannot listen on {one.text} and {other.text} at once",
                hint="a port alone is for every address of IPv6 and IPv4",
            )
    if service.type is ServiceType.FORKING:
        raise ConfigError(
            '`service.listen`: run_erl, which keeps a service of `type = "forking"`, passes no socket on',
            hint="leave `type` out, and the release runs in the foreground",
        )
    if any(service.ready.tcp == address.port for address in addresses):
        raise ConfigError(
            f"`service.ready.tcp`: port {service.ready.tcp} is one of `listen`, and systemd accepts "
            "connections to it whatever the service does",
            hint="ask by `http` or `rpc`",
        )
    for number, item in enumerate(inputs.config.unit):
        if item.name == inputs.layout.socket:
            raise ConfigError(
                f"`unit[{number}].name`: `listen` of [service] makes {item.name}",
                hint="leave one of the two out",
            )


_INSTALLERS = ("apt", "dnf", "zypper")
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
