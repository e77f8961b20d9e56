"""Changing versions on the host: `NAME upgrade`, `NAME rollback`, and what the scripts of the package do for them.

A maintainer script cannot call its package manager, which holds its lock until it ends. So a version that fails has
systemd start, in a unit of its own, what `NAME rollback` does as well, and that waits for the lock.
"""

import re
from typing import Any

from pkgrel.config.runtime import OnFailure
from pkgrel.config.service import Upgrade
from pkgrel.errors import ConfigError
from pkgrel.formats import package_format
from pkgrel.package import Version
from pkgrel.plan.inputs import Inputs
from pkgrel.release.model import Release
from pkgrel.templates import shell_quoted
from pkgrel.version import upstream

_DIGESTED = r".*-[0-9a-f]{32}(\.[A-Za-z0-9]+)+"
"""Names that `mix phx.digest` gives to files of priv/static; an extended regular expression of POSIX, too."""
_STATIC = re.compile(rf"lib/[^/]+/priv/static/{_DIGESTED}")


def _has_digests(release: Release) -> bool:
    return any(_STATIC.fullmatch(entry.path) for entry in release.entries)


def change_version_values(inputs: Inputs) -> dict[str, Any]:
    """What the template of `change-version` names; ConfigError for what could not be seen to fail."""
    settings, service = inputs.config.upgrade, inputs.config.service
    goes_back = settings.on_failure is OnFailure.ROLLBACK
    if goes_back and service.on_upgrade not in (Upgrade.WAIT, Upgrade.HOT):
        raise ConfigError(
            f'`upgrade.on-failure = "rollback"` sees no failure with `on-upgrade = "{service.on_upgrade}"`',
            hint='set `on-upgrade = "wait"` in [service], and what to wait for in [service.ready]',
        )
    layout = inputs.layout
    for number, unit in enumerate(inputs.config.unit):
        if goes_back and unit.name == f"{layout.name}-rollback.service":
            raise ConfigError(
                f"`unit[{number}].name`: {unit.name} is what goes back from a version that fails",
                hint="give it another name, or leave `on-failure` of [upgrade] out",
            )
    return {
        "keep": settings.keep,
        "goes_back": goes_back,
        "versions": layout.versions,
        "held": layout.held,
        "refused": layout.refused,
        "reported": layout.reported,
        "indices": layout.indices,
        "packages": layout.packages,
        "failed": layout.failed,
        "suffix": inputs.format.value,
        "manager": package_format(inputs.format).manager(inputs.distro.installer),
        **deploy_values(inputs),
    }


def deploy_values(inputs: Inputs) -> dict[str, Any]:
    """What the texts name that are for who deploys; ConfigError for what is for nobody."""
    service, settings = inputs.config.service, inputs.config.deploy
    deploys = service.deploy_user if service.sudo else ""
    for key, value in (("minimum", settings.minimum), ("rpc", settings.rpc)):
        if value and not deploys:
            raise ConfigError(
                f"`deploy.{key}` is for the deploy user, and there is none",
                hint="set `deploy-user` in [service], or leave it out",
            )
    if settings.rpc and inputs.layout.user == "root":
        raise ConfigError("`deploy.rpc` would make the deploy user root, as whom the service runs")
    epoch = f"{inputs.config.package.epoch}:" if inputs.config.package.epoch else ""
    minimum = f"{epoch}{upstream(settings.minimum)}" if settings.minimum else ""
    return {
        "deploys": deploys,
        "rpc": settings.rpc,
        "minimum": shell_quoted(minimum) if minimum else "",
    }


def version_values(inputs: Inputs, version: Version) -> dict[str, Any]:
    """What the templates of the maintainer scripts name, which know their own version."""
    values = change_version_values(inputs)
    text = str(version)
    kept = f"{inputs.layout.packages}/{text.replace(':', '_')}.{inputs.format.value}"
    downloaded = package_format(inputs.format).downloaded(
        inputs.layout.name, version, inputs.release.architecture
    )
    return values | {
        "report": f"{inputs.layout.etc}/report" if inputs.config.deploy.report else "",
        "digests": _DIGESTED if _has_digests(inputs.release) else "",
        "assets": inputs.layout.assets,
        "kept_assets": inputs.layout.kept_assets,
        "version": shell_quoted(text),
        "kept_file": shell_quoted(kept),
        "downloaded": downloaded,
    }
