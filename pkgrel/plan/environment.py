"""The environment that the release runs in: in the unit and in the wrapper, the same.

Source: `bin/NAME` of mix release, the scripts of Distillery 2 and of relx's extended start script;
`erl` and `kernel` in the OTP reference manual.
"""

from collections.abc import Iterator

from pkgrel.config.model import Config
from pkgrel.config.runtime import DistributionSettings, Reach
from pkgrel.config.service import ServiceType
from pkgrel.errors import PlanError
from pkgrel.plan.layout import Layout
from pkgrel.release.model import Kind, Release
from pkgrel.templates import render_text

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


def environment(release: Release, config: Config, layout: Layout) -> dict[str, str]:
    """Variables in the order in which they are written; the user's own override ours.

    The user's may name the layout's directories: `{{ state }}`.
    """
    values = {
        "HOME": str(layout.home),
        # C.UTF-8 is there on the smallest system; without it the VM takes file names for latin1.
        "LANG": "C.UTF-8",
        "ERL_CRASH_DUMP": f"{layout.home}/erl_crash.dump",
        **_writable(release.kind, layout),
        **dict(_distribution(release, config.distribution)),
        **dict(_conffiles(release, config, layout)),
    }
    if config.service.directories.tmp:
        values["TMPDIR"] = f"{layout.cache}/tmp"
    if config.service.type is ServiceType.FORKING:
        values["PIDFILE"] = str(layout.pid_file)
    named = layout.names()
    return values | {
        name: render_text(value, **named) if "{{" in value else value
        for name, value in config.service.environment.items()
    }


def _writable(kind: Kind, layout: Layout) -> dict[str, str]:
    """Where the release writes what it makes of its configuration: its own tree is read-only."""
    match kind:
        case Kind.MIX:
            return {"RELEASE_TMP": str(layout.runtime)}
        case Kind.DISTILLERY:
            return {"RELEASE_MUTABLE_DIR": str(layout.runtime), "REPLACE_OS_VARS": "true"}
        case Kind.RELX | Kind.RELX_EXTENDED | Kind.SYSTOOLS:
            return {
                "RELX_OUT_FILE_PATH": str(layout.runtime),
                "RUNNER_LOG_DIR": str(layout.runtime),
                "PIPE_DIR": f"{layout.runtime}/pipes/",
            }


def _distribution(release: Release, settings: DistributionSettings) -> Iterator[tuple[str, str]]:
    mix = release.kind is Kind.MIX
    if settings.reach is Reach.NONE:
        if mix:
            yield "RELEASE_DISTRIBUTION", "none"
        return
    node = settings.node
    if settings.reach is Reach.LOOPBACK:
        node = node or f"{release.name}@127.0.0.1"
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


def _conffiles(release: Release, config: Config, layout: Layout) -> Iterator[tuple[str, str]]:
    """Point the release at its configuration in /etc/NAME."""
    wanted = config.configuration
    if wanted.vm_args:
        variable = {Kind.MIX: "RELEASE_VM_ARGS", Kind.DISTILLERY: "VMARGS_PATH"}
        yield variable.get(release.kind, "VMARGS_PATH"), f"{layout.etc}/vm.args"
    if wanted.sys_config:
        # Without the suffix: `erl -config` appends it.
        if release.kind is Kind.MIX:
            yield "RELEASE_SYS_CONFIG", f"{layout.etc}/sys"
        elif release.kind is Kind.DISTILLERY:
            yield "SYS_CONFIG_PATH", f"{layout.etc}/sys.config"
        else:
            yield "RELX_CONFIG_PATH", f"{layout.etc}/sys.config"
    if wanted.runtime:
        yield "RUNTIME_CONFIG", f"{layout.etc}/runtime.exs"
    if wanted.toml:
        yield "CONFIG_FILE", f"{layout.etc}/config.toml"
    if config.helpers.s3:
        yield "CONFIG_DIR", f"{layout.state}/config"
