"""How an upgrade that waits finds out that the service answers."""

from pkgrel.config.model import Config
from pkgrel.config.runtime import Reach
from pkgrel.config.service import ReadySettings, ServiceType, Upgrade
from pkgrel.errors import ConfigError
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.layout import Layout
from pkgrel.plan.process import service_type
from pkgrel.plan.quoting import shell_quoted
from pkgrel.release.model import Kind

_CHECKS = ("tcp", "http", "rpc")

# systemd itself waits for these: for the notification, for the PID file.
_WAITED_FOR = {ServiceType.NOTIFY, ServiceType.FORKING}

# Whose `rpc` evaluates an expression.
_RPC = {Kind.MIX, Kind.DISTILLERY}


def ready_check(inputs: Inputs) -> str:
    """A shell command that succeeds when the service answers; empty if nobody waits.

    ConfigError for a check that nobody makes, that cannot succeed, or that would say nothing.
    """
    config = inputs.config
    ready = config.service.ready
    given = [name for name in _CHECKS if getattr(ready, name)]
    if config.service.on_upgrade is not Upgrade.WAIT:
        _refuse_unused(config, given)
        return ""
    if len(given) > 1:
        raise ConfigError(
            f"`service.ready`: {' and '.join(given)} cannot go together", hint="keep one"
        )
    if not given and service_type(inputs) not in _WAITED_FOR:
        raise ConfigError(
            '`on-upgrade = "wait"` has nothing to wait for: the release does not notify systemd',
            hint="give `tcp`, `http` or `rpc` in [service.ready]",
        )
    if ready.rpc:
        _refuse_unreachable(inputs)
    return _command(ready, inputs.layout)


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
        # bash has /dev/tcp, sh has not; the release's own VM is too slow to ask every second.
        return f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{ready.tcp}' 2>/dev/null"
    if ready.rpc:
        expression = shell_quoted(f"true = ({ready.rpc})")
        return f"/usr/bin/{layout.name} rpc {expression} >/dev/null 2>&1"
    return f"systemctl --quiet is-active {layout.unit}"
