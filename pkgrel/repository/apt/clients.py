"""apt's configuration on clients: sources, preferences, and the commands that install them.

Sources are deb822 as in sources.list(5), or the one-line format for older tools. All of them refer to the key by
the same path: two sources of one repository with different paths, as for two channels, are "Conflicting values set for
option Signed-By" to apt, which then fails at every command.

With the preferences, apt takes the repository's packages from it, whatever other repositories have. Without them, apt
installs the distro's package of the same name if that has the higher version, and replaces ours by it at the next
upgrade. Only the names of the repository's packages are pinned: with `Package: *`, whoever can sign the repository
could replace any package of the machine.

Source: apt_preferences(5); pkgVersionMatch in apt-pkg/versionmatch.cc of apt 2.6, which splits a release pin at commas,
treats `/.../` as a regular expression, and matches the rest with fnmatch(3), ignoring case.
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
    """A part of a repository, and the key for its signatures."""

    suite: str
    channel: str
    key: str
    """The path of a keyring."""


def keyring(config: ClientConfig) -> str:
    """The path of the keyring, the same for all sources; binary, since concatenated keys stay readable."""
    return f"{_KEYRINGS}/{config.name}.gpg"


def source(config: ClientConfig, distro: Distro, channel: str) -> Source:
    """The source of a distro's channel."""
    return Source(distro.codename, channel, keyring(config))


def source_path(config: ClientConfig, channel: str, format: str) -> str:
    """The path of the source on clients."""
    return f"{_SOURCES}/{config.label(channel)}.{format}"


def preferences_key(config: ClientConfig) -> str:
    """The key of the preferences in the repository."""
    return f"{config.name}.pref"


def preferences_path(config: ClientConfig) -> str:
    """Their path on clients, one file for all channels; apt ignores files with suffixes other than .pref."""
    return f"{_PREFERENCES}/{config.name}"


@lru_cache(maxsize=1)
def preferences(config: ClientConfig) -> str:
    """The preferences; empty without preferred packages, or without a pattern that is specific to this repository."""
    names = [name for name in config.preferred if _NAME.fullmatch(name)]
    pattern = pinned(config.origin)
    if not names or not distinctive(pattern):
        return ""
    return render("client/preferences", config=config, names=" ".join(names), origin=pattern)


def pinned(origin: str) -> str:
    """The pattern for an Origin, in which `?` replaces special characters, and `*` non-ASCII ones.

    How many characters of the pattern a non-ASCII one matches depends on the locale.
    """
    spaced = re.sub(r"[^ -~]+", "*", " ".join(origin.split()))
    return "".join(c if c == "*" or _LITERAL.match(c) else "?" for c in spaced)


def distinctive(pattern: str) -> bool:
    """Whether the pattern is specific: `*` would match all repositories."""
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
    """All files that apt needs to install from a channel."""
    texts = shared_files(config).items()
    pins = {key: ClientFile(preferences_path(config), text) for key, text in texts}
    wanted = client_file(config, "sources", distro, channel)
    return Installation(wanted, keyring(config), config.keys.binary, pins)


def commands(
    config: ClientConfig, distro: Distro, channel: str, url: str, package: str
) -> Iterator[list[str]]:
    """Shell commands that set up the repository and install the package."""
    if config.keys:
        yield ["sudo", "install", "-d", "-m", "755", _KEYRINGS]
        yield fetch(keyring(config), f"{config.url}/{config.name}.gpg")
    for key in shared_files(config):
        yield fetch(preferences_path(config), f"{config.url}/{key}")
    yield fetch(source_path(config, channel, "sources"), url)
    yield ["sudo", "apt", "update"]
    yield ["sudo", "apt", "install", package]


def script_values(config: ClientConfig) -> dict[str, object]:
    """Template values for install.sh."""
    rows = [row for row in config.distros if row.format == Format.DEB]
    return {
        "codenames": {row.codename: row.id for row in rows},
        "source": Source("$suite", "$channel", keyring(config)),
        "preferences": preferences(config),
        "key": base64.encodebytes(config.keys.binary).decode() if config.keys else "",
    }
