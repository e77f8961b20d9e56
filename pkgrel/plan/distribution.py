"""Erlang distribution of the service: the node's name, where it listens, and who may answer for it.

After the handshake two nodes authenticate nothing, so nobody may come between a command and the node. epmd makes that
easy: it belongs to whichever service started it first and ends with that service; then every local user can take its
port and direct connections elsewhere. Each package therefore has a fixed port, which its node and its commands know
without epmd; Erlang before 23.1 gets an epmd per package. A command checks who listens on the port before and while it
connects (`packaging_templates/scripts/listener`).

Source: erl(1), `-start_epmd`, `-erl_epmd_port`, `-dist_listen`; erl_epmd(3); epmd(1); kernel(6); the start
scripts of relx (ERL_DIST_PORT).
"""

import re
import zlib
from collections.abc import Iterator
from enum import Enum

from pkgrel.config.runtime import DistributionSettings, Reach
from pkgrel.errors import PlanError
from pkgrel.plan.configuration import content_at
from pkgrel.plan.inputs import Layout
from pkgrel.release.model import Kind, Release

_PORTS = range(23_000, 27_000)
"""Below the ephemeral ports (ip_local_port_range starts at 32768), in a range with few well-known services."""
_TAKEN = {24007, 24008, 24224, 25565, 25672, 26257, 26379, 26656}
"""GlusterFS, Fluentd, Minecraft, RabbitMQ's distribution, CockroachDB, Redis Sentinel, Tendermint."""

_ERTS_WITHOUT_EPMD = (11, 1)
"""The ERTS of OTP 23.1, the first with `-erl_epmd_port`."""
_ERTS_NOT_LISTENING = (11, 0)
"""The ERTS of OTP 23, the first with `-dist_listen`."""

# Not in a comment.
_STATED = re.compile(rb"^(?![ \t]*#).*-erl_epmd_port\s+(\S+)", re.MULTILINE)

_LIMIT = 1 << 20

# Characters that may be in a package's name but not in a node's.
_NOT_IN_NODES = re.compile(r"[^a-z0-9_-]")


class Lookup(Enum):
    """How a command finds the node's port."""

    KNOWN = 1
    """The package's fixed port."""
    OWN_EPMD = 2
    """From an epmd that only this package uses."""
    EPMD = 3
    """From the host's shared epmd, as the settings ask for."""


def lookup(release: Release, settings: DistributionSettings) -> Lookup:
    """How commands of this release find the port; PlanError if it cannot do what the settings ask for."""
    able = _version(release.erts) >= _ERTS_WITHOUT_EPMD
    if settings.epmd:
        return Lookup.EPMD
    if settings.epmd is False and not able:
        raise PlanError(
            f"Erlang/OTP {release.otp} (erts {release.erts}) cannot do without epmd",
            hint="leave `epmd` out of [distribution], or build the release with OTP 23.1 or later",
        )
    if settings.epmd is None and release.kind is Kind.RELX_EXTENDED:
        # erl_call with only a port connects to the address of the host's name, which is another one.
        return Lookup.OWN_EPMD
    return Lookup.KNOWN if able else Lookup.OWN_EPMD


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def client_flags(release: Release) -> tuple[str, str]:
    """Flags for a command's VM, before and after those of the node: it accepts no connections."""
    if _version(release.erts) >= _ERTS_NOT_LISTENING:
        return "", "-dist_listen false -start_epmd false"
    # It must listen, but not on the node's port, which is in use. The first value of a parameter wins.
    any_port = "-kernel inet_dist_listen_min 0 -kernel inet_dist_listen_max 0 "
    return any_port, "-start_epmd false"


def _stated_port(release: Release) -> int:
    """The port that vm.args sets as Elixir's documentation shows, or 0; PlanError if commands would not use it."""
    folder = f"releases/{release.version}"
    (value,) = (
        _stated(release, f"{folder}/vm.args") or _stated(release, f"{folder}/vm.args.src") or (b"",)
    )
    others = _stated(release, f"{folder}/remote.vm.args")
    if not value and not others:
        return 0
    if release.kind is Kind.MIX and (value,) == others and value.isdigit():
        return int(value)
    # Given two values the VM uses neither, and asks epmd.
    raise PlanError(
        f"`{folder}/{'' if value else 'remote.'}vm.args` has `-erl_epmd_port`, which commands and the node would"
        " not both follow",
        hint="take it out: the package gives them one; `port` in [distribution] says which",
    )


def _stated(release: Release, path: str) -> tuple[bytes, ...]:
    content = content_at(release, path)
    if content is None or content.size > _LIMIT:
        return ()
    return tuple(_STATED.findall(b"".join(content.chunks()))[:1])


def distribution_port(release: Release, settings: DistributionSettings, layout: Layout) -> int:
    """The node's port: from the settings, from vm.args, or derived from the package's name."""
    stated = 0 if settings.epmd else _stated_port(release)
    if stated and settings.port not in (0, stated):
        raise PlanError(
            f"`distribution.port` is {settings.port}, but vm.args has `-erl_epmd_port {stated}`",
            hint="leave one of the two out",
        )
    if settings.port or stated:
        return settings.port or stated
    free = [number for number in _PORTS if number not in _TAKEN]
    return free[zlib.crc32(layout.name.encode()) % len(free)]


def epmd_port(layout: Layout) -> int:
    """The port of the package's own epmd, above the range of the nodes."""
    return _PORTS.stop + zlib.crc32(layout.name.encode()) % len(_PORTS)


def guarded_ports(
    release: Release, settings: DistributionSettings, layout: Layout
) -> tuple[int, ...]:
    """Ports on which only the service may answer."""
    if settings.reach is Reach.NONE:
        return ()
    match lookup(release, settings):
        case Lookup.KNOWN:
            return (distribution_port(release, settings, layout),)
        case Lookup.OWN_EPMD:
            return (distribution_port(release, settings, layout), epmd_port(layout))
        case Lookup.EPMD:
            return ()


def distribution_variables(
    release: Release, settings: DistributionSettings, layout: Layout
) -> Iterator[tuple[str, str]]:
    """Variables for the start script and `erl`."""
    mix = release.kind is Kind.MIX
    if settings.reach is Reach.NONE:
        yield from _without(release, layout)
        return
    node = settings.node
    if settings.reach is Reach.LOOPBACK:
        # The package's name, because a host may have several packages of one release.
        node = node or f"{_NOT_IN_NODES.sub('_', layout.name)}@127.0.0.1"
    address = "127.0.0.1" if settings.reach is Reach.LOOPBACK else settings.interface
    how = lookup(release, settings)
    if how is not Lookup.KNOWN and address:
        # epmd and the VM listen on every interface unless both are told not to.
        yield "ERL_EPMD_ADDRESS", address
    if how is Lookup.OWN_EPMD:
        yield "ERL_EPMD_PORT", str(epmd_port(layout))
    if mix and node:
        yield "RELEASE_DISTRIBUTION", "name" if "." in node.partition("@")[2] else "sname"
        yield "RELEASE_NODE", node
    if how is Lookup.KNOWN and release.kind is Kind.RELX_EXTENDED:
        # For erl_call, which takes none of erl's flags.
        yield "ERL_DIST_PORT", str(distribution_port(release, settings, layout))
    # erl splits ERL_ZFLAGS at spaces.
    if flags := " ".join(_flags(release, settings, layout, address, how)):
        yield "ERL_ZFLAGS", flags


def _without(release: Release, layout: Layout) -> Iterator[tuple[str, str]]:
    """No node can connect. Scripts other than mix's need a name in vm.args, and a named VM listens."""
    if release.kind is Kind.MIX:
        yield "RELEASE_DISTRIBUTION", "none"
        return
    deaf = f"-kernel inet_dist_use_interface {_erlang_address('127.0.0.1')}"
    if _version(release.erts) >= _ERTS_NOT_LISTENING:
        yield "ERL_ZFLAGS", f"{deaf} -dist_listen false -start_epmd false"
    else:
        # It must listen, and does not start without an epmd.
        yield "ERL_EPMD_ADDRESS", "127.0.0.1"
        yield "ERL_EPMD_PORT", str(epmd_port(layout))
        yield "ERL_ZFLAGS", deaf


def _flags(
    release: Release, settings: DistributionSettings, layout: Layout, address: str, how: Lookup
) -> Iterator[str]:
    if address:
        yield "-kernel inet_dist_use_interface " + _erlang_address(address)
    if how is not Lookup.EPMD or settings.port:
        first = distribution_port(release, settings, layout)
        last = settings.port_max or first
        yield f"-kernel inet_dist_listen_min {first} -kernel inet_dist_listen_max {last}"
        if how is Lookup.KNOWN:
            yield "-start_epmd false"
            if not _stated_port(release):
                yield f"-erl_epmd_port {first}"


def _erlang_address(text: str) -> str:
    """An IPv4 address as an Erlang tuple; PlanError for anything else."""
    parts = text.split(".")
    if len(parts) != 4 or not all(part.isdigit() and int(part) < 256 for part in parts):
        raise PlanError(
            f"`distribution.interface` must be an IPv4 address, not `{text}`",
            hint="give the address that the other nodes reach",
        )
    return "{" + ",".join(parts) + "}"
