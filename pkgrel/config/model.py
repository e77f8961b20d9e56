"""The settings of pkgrel.toml: the dataclasses are the schema, the defaults and the documentation.

A field is a key, with `_` for `-`; its type is checked, its `doc` becomes the reference page.
Defaults that depend on the release are empty here and filled in by `plan`.
"""

from dataclasses import dataclass, field

from pkgrel.config.delivery import (
    BuildSettings,
    DeploySettings,
    NotifySettings,
    PublishSettings,
    TrySettings,
)
from pkgrel.config.package import FileSettings, ObsoleteSettings, PackageSettings
from pkgrel.config.runtime import (
    ConfigurationSettings,
    DistributionSettings,
    HelperSettings,
    MigrationSettings,
    ScriptSettings,
    SecretSettings,
    TemplateSettings,
    UpgradeSettings,
)
from pkgrel.config.service import ServiceSettings, UnitSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """pkgrel.toml for one distro: the format's and the distro's overrides are in it already.

    A field is a table of the file, a tuple an array of tables.
    """

    package: PackageSettings = field(default_factory=PackageSettings)
    service: ServiceSettings = field(default_factory=ServiceSettings)
    distribution: DistributionSettings = field(default_factory=DistributionSettings)
    secrets: SecretSettings = field(default_factory=SecretSettings)
    configuration: ConfigurationSettings = field(default_factory=ConfigurationSettings)
    migrations: MigrationSettings = field(default_factory=MigrationSettings)
    upgrade: UpgradeSettings = field(default_factory=UpgradeSettings)
    helpers: HelperSettings = field(default_factory=HelperSettings)
    commands: dict[str, str] = field(
        default_factory=dict,
        metadata={
            "doc": "Commands of the wrapper: a name and the expression that it evaluates by rpc."
        },
    )
    scripts: ScriptSettings = field(default_factory=ScriptSettings)
    templates: TemplateSettings = field(default_factory=TemplateSettings)
    file: tuple[FileSettings, ...] = ()
    unit: tuple[UnitSettings, ...] = ()
    obsolete: tuple[ObsoleteSettings, ...] = ()
    try_: TrySettings = field(default_factory=TrySettings)
    deploy: DeploySettings = field(default_factory=DeploySettings)
    publish: PublishSettings = field(default_factory=PublishSettings)
    notify: dict[str, NotifySettings] = field(default_factory=dict)
    build: BuildSettings = field(default_factory=BuildSettings)
