"""[[unit]]: units beside the service."""

from dataclasses import dataclass

from pkgrel.config.key import key


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSettings:
    """A unit of the user's beside the service: a timer, a socket, a second service."""

    name: str = key("File name with its suffix, such as `my-app-backup.timer`.")
    source: str = key(
        "The unit file, relative to pkgrel.toml; a template that also knows `distro` and `systemd`, "
        "the target's version: `{% if systemd >= 250 %}`."
    )
    content: str = key("The text itself, instead of `source`.")
    enable: bool | None = key(
        "Enable and start it with the service; by default if it has a section [Install].",
        default=None,
    )
