"""Refuses settings that contradict each other, or what the package is called."""

from pkgrel.config.model import Config
from pkgrel.config.rules import refuse_odd
from pkgrel.config.runtime import DistributionSettings, Reach
from pkgrel.errors import ConfigError
from pkgrel.plan.exposure import refuse_exposed
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.trusted_files import refuse_untrusted


def validate(inputs: Inputs) -> None:
    """ConfigError for the first setting that says more or less than it should."""
    config = inputs.config
    # Now with the names of directories and with what the release says of itself.
    refuse_odd(config.package, table="package")
    refuse_odd(config.service, table="service")
    refuse_untrusted(inputs)
    refuse_exposed(inputs)
    _refuse_accounts(inputs)
    _refuse_ports(config)


def _refuse_accounts(inputs: Inputs) -> None:
    layout = inputs.layout
    service = inputs.config.service
    if service.deploy_user and service.deploy_user in ("root", layout.user, layout.group):
        raise ConfigError(
            f"`service.deploy-user` must be a user of its own, not `{service.deploy_user}`",
            hint="set `sudo-service` for the service's own user",
        )
    if service.remove_user and layout.user == "root":
        raise ConfigError("`service.remove-user` cannot remove root")
    if service.remove_user and layout.user in service.shared_accounts:
        raise ConfigError(
            f"`service.remove-user` cannot remove {layout.user}, which `shared-accounts` says is others' as well",
            hint="leave one of the two out",
        )
    for name in service.shared_accounts:
        if name not in (layout.user, layout.group, service.deploy_user):
            raise ConfigError(
                f"`service.shared-accounts`: `{name}` is neither the service's user or group nor the deploy user",
                hint="more groups for the user are `extra-groups`",
            )


def _refuse_ports(config: Config) -> None:
    wanted = config.distribution
    _refuse_ignored(wanted)
    ports = {
        "distribution.port": wanted.port,
        "distribution.port-max": wanted.port_max,
        "service.ready.tcp": config.service.ready.tcp,
    }
    for key, port in ports.items():
        if not 0 <= port < 65536:
            raise ConfigError(f"`{key}` must be a port, not `{port}`")
    if wanted.port_max and wanted.port_max < wanted.port:
        raise ConfigError("`distribution.port-max` must not be below `distribution.port`")
    if wanted.port_max and not wanted.epmd:
        raise ConfigError(
            "`distribution.port-max` is for nodes that epmd knows",
            hint="set `epmd = true`, or leave it out",
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
