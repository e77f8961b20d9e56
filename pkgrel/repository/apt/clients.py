"""What apt reads on a client: sources, preferences, and the commands that put them there.

Sources are deb822 as in sources.list(5), and the one line that older tools read. All name the key by one path:
two sources of one repository that name it in two ways, as for two channels, are "Conflicting values set for
option Signed-By" to apt, and no command of it works then.

With the preferences the packages of the repository come from it, whatever other repositories have. Without
them apt installs the distro's package of the same name if that has the higher version, and replaces ours by it
at the next upgrade. Only the repository's own names are pinned: with `Package: *` whoever can sign there could
replace any package of the machine.

Source: apt_preferences(5); pkgVersionMatch in apt-pkg/versionmatch.cc of apt 2.6, which splits a release
pin at commas, takes `/.../` for a regular expression, and matches the rest with fnmatch(3), whatever the
case of letters.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from pkgrel.distro import Distro, Format
from pkgrel.errors import RepositoryError
from pkgrel.repository.client.config import ClientConfig, ClientFile, Installation, fetch
from pkgrel.templates import render

PREFERS_NAMES = True
PUBLISHED = ("sources", "list")
FORMATS = (*PUBLISHED, "preferences")

_SOURCES = "/etc/apt/sources.list.d"
_KEYRINGS = "/etc/apt/keyrings"

_PREFERENCES = "/etc/apt/preferences.d"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_LITERAL = re.compile(r"[A-Za-z0-9 .+_-]")


@dataclass(frozen=True, slots=True)
class Source:
    """Which part of a repository, and how apt knows its signatures."""

    suite: str
    channel: str
    key: str
    """The path of a keyring."""


def keyring(config: ClientConfig) -> str:
    """Where all sources of the repository have its keys; binary, as several in a row stay readable."""
    return f"{_KEYRINGS}/{config.name}.gpg"


def source(config: ClientConfig, distro: Distro, channel: str) -> Source:
    """The source of a distro's channel."""
    return Source(distro.codename, channel, keyring(config))


def source_path(config: ClientConfig, channel: str, format: str) -> str:
    """Where it belongs."""
    return f"{_SOURCES}/{config.label(channel)}.{format}"


def preferences_key(config: ClientConfig) -> str:
    """Their place in the repository."""
    return f"{config.name}.pref"


def preferences_path(config: ClientConfig) -> str:
    """Where they belong, one file for all channels; apt ignores files with another suffix than .pref."""
    return f"{_PREFERENCES}/{config.name}"


@lru_cache(maxsize=1)
def preferences(config: ClientConfig) -> str:
    """The file; empty if there is nothing to prefer, or no pattern that only this repository matches."""
    names = [name for name in config.preferred if _NAME.fullmatch(name)]
    pattern = pinned(config.origin)
    if not names or not distinctive(pattern):
        return ""
    return render("client/preferences", config=config, names=" ".join(names), origin=pattern)


def pinned(origin: str) -> str:
    """The pattern for an Origin: other characters than letters and digits stand for any one.

    How many one that is not ASCII counts for depends on the locale.
    """
    spaced = re.sub(r"[^ -~]+", "*", " ".join(origin.split()))
    return "".join(c if c == "*" or _LITERAL.match(c) else "?" for c in spaced)


def distinctive(pattern: str) -> bool:
    """Whether a pattern says anything: `*` would prefer all repositories alike."""
    return bool(re.search("[A-Za-z0-9]", pattern))


def client_file(config: ClientConfig, format: str, distro: Distro, channel: str) -> ClientFile:
    """NAME.sources, NAME.list, or the preferences."""
    if format == "preferences":
        if text := preferences(config):
            return ClientFile(preferences_path(config), text)
        raise RepositoryError(
            "there is nothing that apt should prefer: the repository is not automatic, or its origin"
            f" `{config.origin}` has nothing to tell it by"
        )
    template = "client/sources" if format == "sources" else "client/list"
    text = render(template, config=config, source=source(config, distro, channel))
    return ClientFile(source_path(config, channel, format), text)


def shared_files(config: ClientConfig) -> dict[str, str]:
    """The preferences, one file for all channels."""
    text = preferences(config)
    return {preferences_key(config): text} if text else {}


def installation(config: ClientConfig, distro: Distro, channel: str) -> Installation:
    """What apt needs to install from a channel."""
    texts = shared_files(config).items()
    pins = {key: ClientFile(preferences_path(config), text) for key, text in texts}
    wanted = client_file(config, "sources", distro, channel)
    return Installation(wanted, keyring(config), config.keys.binary, pins)


def commands(
    config: ClientConfig, distro: Distro, channel: str, url: str, package: str
) -> Iterator[list[str]]:
    """Lines for a shell."""
    if config.keys:
        yield ["sudo", "install", "-d", "-m", "755", _KEYRINGS]
        yield fetch(keyring(config), f"{config.url}/{config.name}.gpg")
    for key in shared_files(config):
        yield fetch(preferences_path(config), f"{config.url}/{key}")
    yield fetch(source_path(config, channel, "sources"), url)
    yield ["sudo", "apt", "update"]
    yield ["sudo", "apt", "install", package]


def script_values(config: ClientConfig) -> dict[str, object]:
    """What install.sh is filled in with."""
    rows = [row for row in config.distros if row.format == Format.DEB]
    return {
        "codenames": {row.codename: row.id for row in rows},
        "source": Source("$suite", "$channel", keyring(config)),
        "preferences": preferences(config),
        "key": base64.encodebytes(config.keys.binary).decode() if config.keys else "",
    }
