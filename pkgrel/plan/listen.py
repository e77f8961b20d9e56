"""NAME.socket: the addresses on which systemd listens for the service, so that a restart closes no port.

The service needs the socket and is started after it; who stops one of the two stops both. It has no
[Install]: it comes and goes with the service, and nobody has to enable it.

Source: systemd.socket(5), systemd.unit(5), sd_listen_fds(3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from itertools import combinations

from pkgrel.config.service import ServiceSettings, ServiceType
from pkgrel.distro.directives import knows
from pkgrel.errors import ConfigError
from pkgrel.plan.auxiliary_units import AuxiliaryUnit, unit_file
from pkgrel.plan.directives import Directive, section
from pkgrel.plan.inputs import Inputs

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
