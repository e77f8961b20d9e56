"""Which client file is meant, when not everything was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pkgrel.distro import Distro
from pkgrel.errors import RepositoryError
from pkgrel.repository.client.config import ClientConfig, client_config, names_of, read_keys
from pkgrel.repository.client.files import ANY, INSTALL, package_format, suffixes
from pkgrel.repository.state import Repository


@dataclass(frozen=True, slots=True)
class Wanted:
    """A client file, and a package to install by it."""

    format: str
    distro: Distro | None
    """None for a script for all of them."""
    channel: str
    package: str


def read_config(repository: Repository, url: str = "") -> ClientConfig:
    """How clients reach a repository; by another address than its own, if that is given."""
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
    """What was asked for; RepositoryError with the choices where there are several, or none."""
    if distro is None and format in (None, INSTALL):
        _check_channel(channel, sorted({place.channel for place in config.places}), "any distro")
        return Wanted(INSTALL, None, channel or config.usual_channel, ANY)
    distro = _distro(config, format or "", distro)
    channels = config.channels(distro)
    _check_channel(channel, channels, distro.id)
    channel = channel or channels[0]
    chosen = format or suffixes(distro)[0]
    return Wanted(chosen, distro, channel, _package(repository, distro, channel))


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


def _package(repository: Repository, distro: Distro, channel: str) -> str:
    """The channel's only package; else a word that stands for one."""
    view = repository.view()
    places = view.places(channel=channel, distros=[distro.id])
    names = {found.name for place in places for found in view.manifest(place).names()}
    return names.pop() if len(names) == 1 else ANY
