"""The commands that a person copies to install a package, and the addresses in them."""

import posixpath
import shlex
from collections.abc import Iterator

from pkgrel.distro import Distro, Format, unsupported
from pkgrel.repository.client import preferences, sources, yum
from pkgrel.repository.client.config import ClientConfig

ANY = "PACKAGE"
"""Stands for a package's name."""


def key(access: ClientConfig, distro: Distro, channel: str, suffix: str = "") -> str:
    """The place in the repository of what a distro's package tool reads."""
    suffix = suffix or suffixes(distro)[0]
    return f"client/{distro.id}/{channel}/{access.label(channel)}.{suffix}"


def suffixes(distro: Distro) -> tuple[str, ...]:
    """Of the files that name a repository to its package tool, the usual one first."""
    match distro.format:
        case Format.DEB:
            return "sources", "list"
        case Format.RPM:
            return ("repo",)
        case other:
            raise unsupported(other)


def commands(
    access: ClientConfig, distro: Distro, channel: str, package: str = ANY
) -> tuple[str, ...]:
    """Lines for a shell: they set the repository up and install the package."""
    match distro.format:
        case Format.DEB:
            lines = _apt(access, distro, channel, package)
        case Format.RPM:
            lines = _yum(access, distro, channel, package)
        case other:
            raise unsupported(other)
    return tuple(shlex.join(words) for words in lines)


def _apt(access: ClientConfig, distro: Distro, channel: str, package: str) -> Iterator[list[str]]:
    if access.keys:
        yield ["sudo", "install", "-d", "-m", "755", sources.KEYRINGS]
        yield _fetch(sources.keyring(access), f"{access.url}/{access.name}.gpg")
    if preferences.text(access):
        yield _fetch(preferences.path(access), f"{access.url}/{preferences.key(access)}")
    yield _fetch(sources.path(access, channel), f"{access.url}/{key(access, distro, channel)}")
    yield ["sudo", "apt", "update"]
    yield ["sudo", "apt", "install", package]


def _yum(access: ClientConfig, distro: Distro, channel: str, package: str) -> Iterator[list[str]]:
    tool = distro.installer
    url = f"{access.url}/{key(access, distro, channel)}"
    if access.keys:
        key_file = yum.key_file(access)
        yield ["sudo", "install", "-d", "-m", "755", posixpath.dirname(key_file)]
        yield _fetch(key_file, f"{access.url}/{access.name}.asc")
    if tool == "zypper":
        if access.keys:
            yield ["sudo", "rpm", "--import", yum.key_file(access)]
        yield ["sudo", "zypper", "addrepo", "--refresh", url]
    else:
        yield _fetch(yum.path(access, distro, channel), url)
    yield ["sudo", tool, "install", package]


def _fetch(path: str, url: str) -> list[str]:
    return ["sudo", "curl", "-fsSLo", path, url]
