"""The configuration of dnf, yum and zypper on clients: `NAME.repo`, see dnf.conf(5), and commands that install it.

The metadata's signature is only required with a mirrorlist, which names a consistent state: with a `baseurl`, metadata
and signature are two files that do not match between the two writes.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from pkgrel.distro import Distro, Format
from pkgrel.repository.client.config import ClientConfig, ClientFile, Installation, fetch
from pkgrel.repository.yum.metadata import PHASED
from pkgrel.templates import render

PREFERS_NAMES = False
PUBLISHED = FORMATS = ("repo",)


def folder(distro: Distro) -> str:
    """The folder for configurations of repositories."""
    return "/etc/zypp/repos.d" if distro.installer == "zypper" else "/etc/yum.repos.d"


def key_file(config: ClientConfig) -> str:
    """The path of the keys on clients. With a URL instead, dnf would download another key, with `-y` even without a
    question, whenever it meets an unknown signer."""
    return f"/etc/pki/rpm-gpg/RPM-GPG-KEY-{config.name}"


def repo_path(config: ClientConfig, distro: Distro, channel: str) -> str:
    """The path of the configuration on clients."""
    return f"{folder(distro)}/{config.label(channel)}.repo"


def client_file(config: ClientConfig, format: str, distro: Distro, channel: str) -> ClientFile:
    """NAME.repo."""
    text = render(
        "client/repo",
        config=config,
        key_file=key_file(config),
        label=config.label(channel),
        title=config.title,
        folder=f"{distro.id}/$basearch/{channel}",
        phased=PHASED,
        refreshes="autorefresh=1" if distro.installer == "zypper" else "metadata_expire=1h",
    )
    return ClientFile(repo_path(config, distro, channel), text)


def shared_files(config: ClientConfig) -> dict[str, str]:
    """None: the priority is in the .repo file."""
    return {}


def installation(config: ClientConfig, distro: Distro, channel: str) -> Installation:
    """All files that dnf or zypper needs to install from a channel."""
    wanted = client_file(config, "repo", distro, channel)
    return Installation(wanted, key_file(config), config.keys.armored if config.keys else b"")


def commands(
    config: ClientConfig, distro: Distro, channel: str, url: str, package: str
) -> Iterator[list[str]]:
    """Shell commands that set up the repository and install the package."""
    tool, key_path = distro.installer, key_file(config)
    if config.keys:
        yield ["sudo", "install", "-d", "-m", "755", posixpath.dirname(key_path)]
        yield fetch(key_path, f"{config.url}/{config.name}.asc")
    if tool == "zypper":
        if config.keys:
            yield ["sudo", "rpm", "--import", key_path]
        yield ["sudo", "zypper", "addrepo", "--refresh", url]
    else:
        yield fetch(repo_path(config, distro, channel), url)
    yield ["sudo", tool, "install", package]


def script_values(config: ClientConfig) -> dict[str, object]:
    """Template values for install.sh."""
    return {
        "rpm": any(row.format == Format.RPM for row in config.distros),
        "key_file": key_file(config),
        "phased": PHASED,
        "armored": config.keys.armored.decode() if config.keys else "",
    }
