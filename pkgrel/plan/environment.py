"""The environment that the release runs in: in the unit and in the wrapper, the same.

Source: `bin/NAME` of mix release, the scripts of Distillery 2 and of relx's extended start script;
`erl` and `kernel` in the OTP reference manual.
"""

import re
from collections.abc import Iterator

from pkgrel.config.model import Config
from pkgrel.config.runtime import DistributionSettings, Reach
from pkgrel.config.service import DirectorySettings, ServiceType
from pkgrel.distro import Distro
from pkgrel.errors import PlanError
from pkgrel.plan.configuration import variables
from pkgrel.plan.layout import Layout
from pkgrel.plan.settings import home
from pkgrel.release.model import Kind, Release

# The variable that carries the cookie from /etc/NAME/secrets into the VM.
COOKIE = {
    Kind.MIX: "RELEASE_COOKIE",
    Kind.DISTILLERY: "COOKIE",
    Kind.RELX: "RELX_COOKIE",
    Kind.RELX_EXTENDED: "RELX_COOKIE",
    Kind.SYSTOOLS: "RELX_COOKIE",
}

# `-erl_epmd_port` came with OTP 23.1.
_EPMDLESS_OTP = 23

# Hooks of Distillery that run beside the started VM.
_POST_START = re.compile(r"releases/[^/]+/hooks/post_start\.d/.")

# What a package's name may contain and a node's may not.
_NOT_IN_NODES = re.compile(r"[^a-z0-9_-]")


def hides_cookie(release: Release, config: Config) -> bool:
    """Whether `hide-cookie` can keep it out of the arguments of the service's VM.

    Not where the start script itself talks to the VM that it has started, and needs the cookie for it.
    """
    match release.kind:
        case Kind.MIX:
            return True
        case Kind.DISTILLERY:
            return not any(_POST_START.match(entry.path) for entry in release.entries)
        case Kind.RELX | Kind.RELX_EXTENDED | Kind.SYSTOOLS:
            return config.service.type is not ServiceType.FORKING


def environment(release: Release, config: Config, layout: Layout, distro: Distro) -> dict[str, str]:
    """Variables in the order in which they are written; the user's own override ours."""
    own = config.service.directories
    base = home(config.service, layout)
    values = {
        "HOME": base,
        **distro.utf_8,
        "ERL_CRASH_DUMP": f"{base}/erl_crash.dump",
        **_writable(release.kind, str(layout.runtime if own.runtime else layout.state)),
        **dict(_distribution(release, config.distribution, layout)),
        **dict(variables(release, config, layout)),
        **dict(_directories(own, layout)),
    }
    if config.helpers.s3:
        values["CONFIG_DIR"] = f"{layout.state}/config"
    if own.tmp:
        values["TMPDIR"] = f"{layout.cache}/tmp"
    if config.service.type is ServiceType.FORKING:
        values["PIDFILE"] = str(layout.pid_file)
    return values | config.service.environment


def _directories(own: DirectorySettings, layout: Layout) -> Iterator[tuple[str, str]]:
    """As systemd names them from 240 on; here also for older ones, for the wrapper, and without tmp."""
    yield "CONFIGURATION_DIRECTORY", str(layout.etc)
    for name, wanted, path in (
        ("STATE", own.state, layout.state),
        ("RUNTIME", own.runtime, layout.runtime),
        ("CACHE", own.cache or own.tmp, layout.cache),
        ("LOGS", own.logs, layout.logs),
    ):
        if wanted:
            yield f"{name}_DIRECTORY", str(path)


def _writable(kind: Kind, path: str) -> dict[str, str]:
    """Where the release writes what it makes of its configuration: its own tree is read-only."""
    match kind:
        case Kind.MIX:
            return {"RELEASE_TMP": path}
        case Kind.DISTILLERY:
            return {"RELEASE_MUTABLE_DIR": path, "REPLACE_OS_VARS": "true"}
        case Kind.RELX | Kind.RELX_EXTENDED | Kind.SYSTOOLS:
            return {
                "RELX_OUT_FILE_PATH": path,
                "RUNNER_LOG_DIR": path,
                "PIPE_DIR": f"{path}/pipes/",
            }


def _distribution(
    release: Release, settings: DistributionSettings, layout: Layout
) -> Iterator[tuple[str, str]]:
    mix = release.kind is Kind.MIX
    if settings.reach is Reach.NONE:
        if mix:
            yield "RELEASE_DISTRIBUTION", "none"
        return
    node = settings.node
    if settings.reach is Reach.LOOPBACK:
        # The package's name, because a host may have several packages of one release.
        node = node or f"{_NOT_IN_NODES.sub('_', layout.name)}@127.0.0.1"
        # epmd and the VM listen on every interface unless both are told not to.
        yield "ERL_EPMD_ADDRESS", "127.0.0.1"
    elif settings.interface:
        yield "ERL_EPMD_ADDRESS", settings.interface
    if mix and node:
        yield "RELEASE_DISTRIBUTION", "name" if "." in node.partition("@")[2] else "sname"
        yield "RELEASE_NODE", node
    if flags := " ".join(_flags(release, settings)):
        yield "ERL_ZFLAGS", flags


def _flags(release: Release, settings: DistributionSettings) -> Iterator[str]:
    """Arguments of `erl`, which splits ERL_ZFLAGS at spaces."""
    address = "127.0.0.1" if settings.reach is Reach.LOOPBACK else settings.interface
    if address:
        yield "-kernel inet_dist_use_interface " + _erlang_address(address)
    if settings.port:
        last = settings.port_max or settings.port
        yield f"-kernel inet_dist_listen_min {settings.port} -kernel inet_dist_listen_max {last}"
    if not settings.epmd:
        if not settings.port:
            raise PlanError(
                "`distribution.epmd = false` needs a port that every node knows",
                hint="set `port` in [distribution], such as 4370",
            )
        if int(release.otp) < _EPMDLESS_OTP:
            raise PlanError(
                f"Erlang/OTP {release.otp} cannot do without epmd", hint="set `epmd = true`"
            )
        yield f"-start_epmd false -erl_epmd_port {settings.port}"


def _erlang_address(text: str) -> str:
    """An IPv4 address as an Erlang tuple; PlanError for anything else."""
    parts = text.split(".")
    if len(parts) != 4 or not all(part.isdigit() and int(part) < 256 for part in parts):
        raise PlanError(
            f"`distribution.interface` must be an IPv4 address, not `{text}`",
            hint="give the address that the other nodes reach",
        )
    return "{" + ",".join(parts) + "}"
