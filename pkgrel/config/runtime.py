"""[distribution], [secrets], [configuration], [migrations], [upgrade], [helpers], [commands], [scripts]."""

from dataclasses import dataclass
from enum import StrEnum

from pkgrel.config.table import PORT, key


class Reach(StrEnum):
    """How far Erlang distribution reaches."""

    NONE = "none"
    LOOPBACK = "loopback"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionSettings:
    """Erlang distribution: `rpc`, `remote`, clusters."""

    reach: Reach = key(
        "`loopback` serves `rpc` and `remote` on this host only.", default=Reach.LOOPBACK
    )
    node: str = key(
        "Name of the node; by default `NAME@127.0.0.1`, in a cluster what the release says. It stands, and so does the "
        "host's own cookie, whatever env.sh and vm.args of the release set; with `RELEASE_DISTRIBUTION=none` in env.sh "
        "`reach` is `none`."
    )
    epmd: bool | None = key(
        "Ask epmd for ports. By default only Erlang before 23.1 does: epmd's port can be taken by any user of the host.",
        default=None,
    )
    port: int = key(
        "The port of the node. By default one from 23000 to 26999 that follows from the package's name; with epmd "
        "the system chooses.",
        default=0,
        most=PORT,
    )
    port_max: int = key(
        "The last port, if a range is wanted, which needs epmd.", default=0, most=PORT
    )
    interface: str = key("Address to listen on, such as `10.0.0.5`; in a cluster by default all.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSettings:
    """Secrets that each host makes for itself, in /etc/NAME/secrets."""

    generate: tuple[str, ...] = key(
        "Variables to fill with 64 random hexadecimal digits, such as `SECRET_KEY_BASE`; the cookie and well-known ones that the release asks for are always there.",
        default=(),
    )


class MigrateWhen(StrEnum):
    """When migrations run."""

    START = "start"
    INSTALL = "install"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationSettings:
    """Database migrations."""

    function: str = key(
        "What to evaluate, such as `MyApp.Release.migrate`; or a command that Distillery or relx gave the release, such as `migrate`."
    )
    when: MigrateWhen = key(
        "`install`: on installation and upgrade, while the old version still serves, which it goes on with if the "
        "migration fails; `start`: before every start of the service, which ends where the migration fails and is "
        "not tried again; `manual`: only by `NAME migrate`.",
        default=MigrateWhen.INSTALL,
    )


class OnFailure(StrEnum):
    """What follows when an upgraded service does not become ready."""

    STAY = "stay"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeSettings:
    """What `NAME upgrade` and `NAME rollback` go by."""

    keep: int = key(
        "Packages of versions before this one that the host keeps, so that going back needs no repository.",
        default=1,
        most=20,
    )
    on_failure: OnFailure = key(
        "`rollback`: the version before comes back, and stays, when the upgrade has waited for [service.ready] in vain or the "
        "migration has failed.",
        default=OnFailure.STAY,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationSettings:
    """The release's own configuration as conffiles in /etc/NAME."""

    vm_args: bool = key("/etc/NAME/vm.args in place of the release's.", default=False)
    sys_config: bool = key("/etc/NAME/sys.config in place of the release's.", default=False)
    runtime: bool = key(
        "/etc/NAME/runtime.exs in place of that of a mix release, which becomes a link to it.",
        default=False,
    )
    functions: tuple[str, ...] = key(
        "Functions of your own by which runtime.exs asks for variables that it cannot do without, as they are written there: "
        "`env!`, `MyApp.Env.fetch!`. Their first argument is the name; with an answer of its own behind it, it can.",
        default=(),
    )
    toml: str = key(
        "A TOML file for a config provider, which becomes /etc/NAME/config.toml; CONFIG_FILE names it."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HelperSettings:
    """What is fetched before the start; each is a small script in the package."""

    s3: str = key(
        "`s3://bucket/prefix` to copy to /var/lib/NAME/config, which CONFIG_DIR names (needs the AWS CLI)."
    )
    ssm: dict[str, str] = key(
        'Variables from AWS SSM parameters: `DATABASE_URL = "/prod/db-url"` (needs the AWS CLI).',
        default={},
    )
    cloud_init: bool = key(
        "DEFAULT_IPV4, AWS_REGION and the like from cloud-init's metadata (needs jq).",
        default=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptSettings:
    """Files with POSIX shell to run in the maintainer scripts, before or after pkgrel's part; `set -e` holds in them, and what fails there fails the script. rpm 4.20 and later may run them without a network and with a /tmp and /home of their own; `nsenter --target 1 --net --mount COMMAND` leaves these."""

    before_install: str = key("Before the files are unpacked.")
    after_install: str = key("When everything is in place, before the service starts.")
    after_start: str = key(
        "When the service runs after an installation or upgrade; not where it was not started."
    )
    before_remove: str = key("Before the service is stopped for removal.")
    after_remove: str = key("After the files are gone.")
    purge: str = key("On purge; Debian only.")
    triggered: str = key(
        "When a trigger that `triggers` of [deb] is interested in was activated; `$2` has its names. Debian only."
    )
    template: bool = key(
        "Fill in {{ name }}, {{ version }}, {{ user }} … in each (jinja2); the shell's `${#x}` then stands in `{% raw %}`.",
        default=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSettings:
    """Files with jinja2 templates in place of texts of pkgrel's, for what no other setting can say; you answer for them. `{{ ours }}` is the text that they take the place of; `{{ name }}`, `{{ version }}`, `{{ user }}`, `{{ systemd }}` and the directories are known as well."""

    unit: str = key("The service's unit.")
    wrapper: str = key("/usr/bin/NAME.")
    sudoers: str = key("/etc/sudoers.d/NAME; only where there is one: `sudo`, `sudo-service`.")
    environment: str = key("/etc/NAME/environment, as it is first made.")
