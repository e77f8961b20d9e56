"""The settings of pkgrel.toml: the dataclasses are the schema, the defaults and the documentation.

A field is a key, with `_` for `-`; its type is checked, its `doc` becomes the reference page.
Defaults that depend on the release are empty here and filled in by `plan`.
"""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


def key(doc: str, *, default: Any = "") -> Any:
    """A setting: what it does, and its value when it is not given."""
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata={"doc": doc})
    return dataclasses.field(default=default, metadata={"doc": doc})


class Compressor(StrEnum):
    """How a payload is compressed; `auto` is the best that the distro reads."""

    AUTO = "auto"
    ZSTD = "zstd"
    XZ = "xz"
    GZIP = "gzip"


class Distribution(StrEnum):
    """How far Erlang distribution reaches."""

    NONE = "none"
    LOOPBACK = "loopback"
    CLUSTER = "cluster"


class Restart(StrEnum):
    """systemd's Restart=."""

    NO = "no"
    ON_FAILURE = "on-failure"
    ON_ABNORMAL = "on-abnormal"
    ALWAYS = "always"


class Upgrade(StrEnum):
    """What an upgrade does with the running service."""

    RESTART = "restart"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSettings:
    """What the package is and what it needs."""

    name: str = key("Name of the package; by default the release's, with `-` for `_`.")
    version: str = key("Version, if not the release's; SemVer becomes `1.4.0~rc.1` by itself.")
    epoch: int = key("Epoch, for a version scheme that has to start again.", default=0)
    revision: str = key(
        "Debian revision and RPM release, in front of `~debian12` or `.el9`.", default="1"
    )
    summary: str = key("One line, without a final period; by default made from the release's name.")
    description: str = key("Paragraphs, separated by an empty line; by default the summary.")
    maintainer: str = key(
        "`Name <address>` of who answers for the package. The one setting that must be given."
    )
    vendor: str = key("Who distributes it.")
    homepage: str = key("Where to read more.")
    license: str = key("SPDX expression.", default="LicenseRef-Proprietary")
    license_file: str = key("A file with the licence text, for /usr/share/doc.")
    changelog: str = key("A CHANGELOG.md in the form of keepachangelog.com.")
    section: str = key("Debian's archive section.", default="misc")
    prefix: str = key(
        "Directory that gets the release's own: `/usr/lib`, `/opt`, `/srv`.", default="/usr/lib"
    )
    exclude: tuple[str, ...] = key(
        "Patterns of release files to leave out, such as `lib/*/include`.", default=()
    )
    compression: Compressor = key(
        "`auto` is zstd where the distro reads it, else xz.", default=Compressor.AUTO
    )
    compression_level: int = key("The compressor's level; 0 is pkgrel's choice.", default=0)
    depends: tuple[str, ...] = key(
        "Packages needed, such as `postgresql-client (>= 14)`, `a | b`.", default=()
    )
    recommends: tuple[str, ...] = key("Packages that belong to it.", default=())
    suggests: tuple[str, ...] = key("Packages that go well with it.", default=())
    conflicts: tuple[str, ...] = key("Packages that cannot be there at the same time.", default=())
    replaces: tuple[str, ...] = key("Packages that this one takes over from.", default=())
    provides: tuple[str, ...] = key("Names under which it can be asked for.", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """The systemd service that runs the release."""

    enable: bool = key("Start at boot, and on installation.", default=True)
    description: str = key("What `systemctl status` calls it; by default the summary.")
    user: str = key("System user that it runs as; by default the package's name.")
    group: str = key("Its group; by default the user's name.")
    environment: dict[str, str] = key(
        "Variables of the unit; /etc/NAME/environment overrides them.", default={}
    )
    distribution: Distribution = key(
        "Erlang distribution: `loopback` serves `rpc` and `remote` on this host only.",
        default=Distribution.LOOPBACK,
    )
    after: tuple[str, ...] = key("Units to start after.", default=("network.target",))
    wants: tuple[str, ...] = key("Units to start along with it.", default=())
    requires: tuple[str, ...] = key("Units that it cannot do without.", default=())
    restart: Restart = key("When systemd starts it again.", default=Restart.ON_FAILURE)
    restart_sec: int = key("Seconds before it does.", default=5)
    timeout_stop_sec: int = key("Seconds to finish after SIGTERM.", default=60)
    limit_nofile: int = key("Open files and sockets.", default=65536)
    on_upgrade: Upgrade = key(
        "What an upgrade does with the running service.", default=Upgrade.RESTART
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSettings:
    """A file, or several by a pattern, to put into the package beside the release."""

    source: str = key("File or pattern such as `etc/*.conf`, relative to pkgrel.toml.")
    content: str = key("The text itself, instead of `source`.")
    path: str = key("Where it goes; a directory, ending with `/`, if `source` is a pattern.")
    owner: str = key("Its owner.", default="root")
    group: str = key("Its group.", default="root")
    mode: str = key(
        "Permissions in octal, such as `0640`; by default 0755 for programs, else 0644."
    )
    conffile: bool | None = key(
        "Keep the administrator's edits on upgrade; by default for /etc.", default=None
    )
    template: bool = key("Fill in {{ name }}, {{ version }}, {{ user }} … (jinja2).", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatSettings:
    """Relations of one format only, instead of those of [package]."""

    depends: tuple[str, ...] | None = key("See [package].", default=None)
    recommends: tuple[str, ...] | None = key("See [package].", default=None)
    suggests: tuple[str, ...] | None = key("See [package].", default=None)
    conflicts: tuple[str, ...] | None = key("See [package].", default=None)
    replaces: tuple[str, ...] | None = key("See [package].", default=None)
    provides: tuple[str, ...] | None = key("See [package].", default=None)
    compression: Compressor | None = key("See [package].", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """pkgrel.toml for one distro: the format's and the distro's overrides are in it already."""

    package: PackageSettings = dataclasses.field(default_factory=PackageSettings)
    service: ServiceSettings = dataclasses.field(default_factory=ServiceSettings)
    file: tuple[FileSettings, ...] = ()
