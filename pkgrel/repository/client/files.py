"""Makes the client files of a repository, and those of `pkgrel repo client`, and chooses which one a user wants.

The configurations of each package tool are made by the `clients` module of its kind.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pkgrel.distro import Distro, Format
from pkgrel.errors import RepositoryError
from pkgrel.repository.client.config import (
    ClientConfig,
    ClientFile,
    client_config,
    names_of,
    read_keys,
)
from pkgrel.repository.kind import ClientFiles, repository_kind
from pkgrel.repository.state import Repository
from pkgrel.templates import render

ANY = "PACKAGE"
"""Placeholder for the name of a package."""
INSTALL = "install"
_CLOUD_INIT, _DOCKERFILE = _ELSEWHERE = ("cloud-init", "dockerfile")
"""Formats for machines without access to a directory of this machine."""


def formats() -> tuple[str, ...]:
    """All formats of client files."""
    of_kinds = (format for kind in Format for format in _kind(kind).FORMATS)
    return (*of_kinds, *_ELSEWHERE, INSTALL)


def suffixes(distro: Distro) -> tuple[str, ...]:
    """Formats of the distro's repository configurations, the default first."""
    return _kind(distro.format).PUBLISHED


def package_format(format: str) -> Format | None:
    """The package format that a file format is specific to; None if it is for both."""
    return next((each for each in Format if format in _kind(each).FORMATS), None)


def commands(
    config: ClientConfig, distro: Distro, channel: str, package: str = ANY
) -> tuple[str, ...]:
    """Shell commands that set up the repository and install the package."""
    url = f"{config.url}/{_key(config, distro, channel)}"
    lines = _kind(distro.format).commands(config, distro, channel, url, package)
    return tuple(shlex.join(words) for words in lines)


def file(
    config: ClientConfig,
    format: str,
    distro: Distro | None = None,
    channel: str = "",
    package: str = ANY,
) -> ClientFile:
    """Make a client file; all formats but `install` need a distro and a channel, the default for `install`.

    RepositoryError if the URL is unknown, or is not valid on other machines but must be.
    """
    if not config.url or (format in _ELSEWHERE and not config.public):
        raise RepositoryError(
            "nothing says where clients see the repository",
            hint="name the address with `--url`, or for good with `pkgrel repo set --url`",
        )
    if format == INSTALL or distro is None:
        return ClientFile("install.sh", _script(config, channel))
    if format == _CLOUD_INIT:
        return ClientFile("", _cloud_init(config, distro, channel, package))
    if format == _DOCKERFILE:
        return ClientFile("Dockerfile", _dockerfile(config, distro, channel, package))
    if format not in _kind(distro.format).FORMATS:
        raise RepositoryError(
            f"`{format}` is not for {distro.id}, which has .{distro.format} packages",
            hint=f"ask for `--format {suffixes(distro)[0]}`",
        )
    return _kind(distro.format).client_file(config, format, distro, channel)


def all_files(config: ClientConfig) -> dict[str, bytes]:
    """All client files of a repository, by key; only the public keys if the public URL is unknown."""
    found: dict[str, bytes] = {}
    if config.keys:
        found[f"{config.name}.asc"] = config.keys.armored
        found[f"{config.name}.gpg"] = config.keys.binary
    if not config.url or not config.places:
        return found
    for distro in config.distros:
        for channel in config.channels(distro):
            for format in suffixes(distro):
                text = file(config, format, distro, channel).text
                found[_key(config, distro, channel, format)] = text.encode()
    for kind in _kinds(config):
        for key, text in kind.shared_files(config).items():
            found[key] = text.encode()
    found["install.sh"] = file(config, INSTALL).text.encode()
    return found


def _kind(format: Format) -> ClientFiles:
    return repository_kind(format).client_files()


def _kinds(config: ClientConfig) -> Iterator[ClientFiles]:
    """The kinds that the repository has packages of; the other one is not imported."""
    present = {place.format for place in config.places}
    return (_kind(format) for format in Format if format in present)


def _key(config: ClientConfig, distro: Distro, channel: str, suffix: str = "") -> str:
    """The key of a distro's repository configuration."""
    suffix = suffix or suffixes(distro)[0]
    return f"client/{distro.id}/{channel}/{config.label(channel)}.{suffix}"


def _script(config: ClientConfig, channel: str) -> str:
    """install.sh, for any POSIX shell. It contains the keys and downloads nothing.

    Without an option, it sets up this channel, or the default one."""
    rows = config.distros
    values: dict[str, object] = {"codenames": {}, "rpm": False}
    for kind in _kinds(config):
        values |= kind.script_values(config)
    return render(
        "client/install.sh",
        config=config,
        default=channel or config.usual_channel,
        quote=shlex.quote,
        distros=[row.id for row in rows],
        titles=", ".join(row.title for row in rows),
        channels=sorted({(row.id, channel) for row in rows for channel in config.channels(row)}),
        machines=sorted(set(_machines(config))),
        package=_package(config),
        **values,
    )


_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


def _package(config: ClientConfig) -> str:
    """The package that the user probably wants: the only one, if there is only one."""
    name = config.preferred[0] if len(config.preferred) == 1 else ""
    return name if _PACKAGE.fullmatch(name) else "PACKAGE"


def _machines(config: ClientConfig) -> Iterator[str]:
    """Shell patterns of distro, channel and architecture that have packages."""
    for place in config.places:
        kind = repository_kind(place.format)
        if place.architecture == kind.ANY_ARCHITECTURE:
            yield f"{place.distro}/{place.channel}/*"
            continue
        for architecture in kind.index_architectures(place.architecture):
            yield f"{place.distro}/{place.channel}/{kind.MACHINES.get(architecture, architecture)}"


def _cloud_init(config: ClientConfig, distro: Distro, channel: str, package: str) -> str:
    """User data for cloud-init: `#cloud-config` that writes the files before packages are installed.

    Does not use its modules for apt and yum, whose options differ between versions.
    """
    needed = _kind(distro.format).installation(config, distro, channel)
    data = base64.b64encode(needed.keys).decode()
    return render(
        "client/cloud-init",
        files=[(each.path, each.text) for each in (needed.source, *needed.shared.values())],
        keys=[(needed.key_path, data)] if config.keys else [],
        package=package,
    )


def _dockerfile(config: ClientConfig, distro: Distro, channel: str, package: str) -> str:
    """A Dockerfile for an image with the package."""
    needed = _kind(distro.format).installation(config, distro, channel)
    return render(
        "client/Dockerfile",
        config=config,
        distro=distro,
        tool=distro.installer,
        url=f"{config.url}/{_key(config, distro, channel)}",
        path=needed.source.path,
        keyring=needed.key_path,
        pins=[(f"{config.url}/{key}", each.path) for key, each in needed.shared.items()],
        package=package,
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """A requested client file, and the package that it is to install."""

    format: str
    distro: Distro | None
    """None for a script for all distros."""
    channel: str
    package: str


def read_config(repository: Repository, url: str = "") -> ClientConfig:
    """The client data of a repository, optionally for another URL."""
    view = repository.view()
    view.fetch(view.places())
    places = [place for place in view.places() if len(view.manifest(place))]
    if not places:
        raise RepositoryError(
            f"{repository.store.url}: there are no packages for anybody yet",
            hint="publish some with `pkgrel publish`",
        )
    keys = read_keys(repository.store, repository.settings.fingerprints)
    names = names_of({place: {n.name for n in view.manifest(place).names()} for place in places})
    return client_config(repository.store, repository.settings, places, keys, url, names=names)


def select(
    repository: Repository,
    config: ClientConfig,
    format: str | None,
    distro: Distro | None,
    channel: str,
) -> Wanted:
    """Complete the request with defaults; RepositoryError, listing the choices, if it is ambiguous or invalid."""
    if distro is None and format in (None, INSTALL):
        _check_channel(channel, sorted({place.channel for place in config.places}), "any distro")
        return Wanted(INSTALL, None, channel or config.usual_channel, ANY)
    distro = _distro(config, format or "", distro)
    channels = config.channels(distro)
    _check_channel(channel, channels, distro.id)
    channel = channel or channels[0]
    chosen = format or suffixes(distro)[0]
    return Wanted(chosen, distro, channel, _one_package(repository, distro, channel))


def _check_channel(channel: str, channels: Sequence[str], where: str) -> None:
    if channel and channel not in channels:
        raise RepositoryError(
            f"there is no channel `{channel}` for {where}",
            hint=f"name one of {', '.join(channels)} with `--channel`",
        )


def _distro(config: ClientConfig, format: str, asked: Distro | None) -> Distro:
    fitting = [row for row in config.distros if package_format(format) in (None, row.format)]
    names = ", ".join(row.id for row in fitting)
    if asked and asked not in config.distros:
        raise RepositoryError(
            f"there are no packages for `{asked.id}`",
            hint=f"name one of {', '.join(row.id for row in config.distros)} with `--distro`",
        )
    if asked or len(fitting) == 1:
        return asked or fitting[0]
    if not fitting:
        raise RepositoryError(
            f"there are no packages that `{format}` could be for", hint="ask for another `--format`"
        )
    raise RepositoryError(
        f"`{format}` is for one distro, and there are packages for {names}",
        hint="name one with `--distro`",
    )


def _one_package(repository: Repository, distro: Distro, channel: str) -> str:
    """The channel's only package; otherwise a placeholder."""
    view = repository.view()
    places = view.places(channel=channel, distros=[distro.id])
    names = {found.name for place in places for found in view.manifest(place).names()}
    return names.pop() if len(names) == 1 else ANY
