"""Refuses settings that contradict each other, or what the package is called."""

from pkgrel.config.model import Config
from pkgrel.config.rules import refuse_odd
from pkgrel.config.runtime import DistributionSettings, Reach
from pkgrel.errors import ConfigError
from pkgrel.plan.layout import Layout


def refuse_contradictions(config: Config, place: Layout) -> None:
    """ConfigError for the first setting that says more or less than it should."""
    # Now with the names of directories and with what the release says of itself.
    refuse_odd(config.package, table="package")
    refuse_odd(config.service, table="service")
    _refuse_accounts(config, place)
    _refuse_ports(config)


def _refuse_accounts(config: Config, place: Layout) -> None:
    service = config.service
    if service.deploy_user and service.deploy_user in ("root", place.user, place.group):
        raise ConfigError(
            f"`service.deploy-user` must be a user of its own, not `{service.deploy_user}`",
            hint="set `sudo-service` for the service's own user",
        )
    if service.remove_user and place.user == "root":
        raise ConfigError("`service.remove-user` cannot remove root")


def _refuse_ports(config: Config) -> None:
    wanted = config.distribution
    _refuse_ignored(wanted)
    ports = {
        "distribution.port": wanted.port,
        "distribution.port-max": wanted.port_max,
        "service.ready.tcp": config.service.ready.tcp,
    }
    for place, port in ports.items():
        if not 0 <= port < 65536:
            raise ConfigError(f"`{place}` must be a port, not `{port}`")
    if wanted.port_max and wanted.port_max < wanted.port:
        raise ConfigError("`distribution.port-max` must not be below `distribution.port`")
    if wanted.port_max and not wanted.epmd:
        raise ConfigError(
            "`distribution.port-max` is for nodes that epmd knows", hint="leave it out"
        )


def _refuse_ignored(wanted: DistributionSettings) -> None:
    if wanted.interface and wanted.reach is not Reach.CLUSTER:
        raise ConfigError(
            f'`distribution.interface` does nothing with `reach = "{wanted.reach}"`',
            hint='set `reach = "cluster"`, or leave it out',
        )
    if wanted.port_max and not wanted.port:
        raise ConfigError(
            "`distribution.port-max` does nothing alone", hint="give `port`, the first one"
        )
