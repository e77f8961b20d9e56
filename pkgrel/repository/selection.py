"""Finds packages of a repository by name, version, channel and distro, and lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pkgrel.distro import Distro, Format
from pkgrel.errors import RepositoryError, did_you_mean
from pkgrel.repository.layout import Place
from pkgrel.repository.record import Record, version_key
from pkgrel.repository.state import Repository, View


def is_version(record: Record, wanted: str) -> bool:
    """Whether a record has the version that the user named: `1.0.0` matches all its revisions, for all distros."""
    version = record.version
    _, colon, without_epoch = version.partition(":")
    texts = (version, without_epoch) if colon else (version,)
    return any(text == wanted or text.rpartition("-")[0] == wanted for text in texts)


def select_places(view: View, channel: str | None, distros: Sequence[Distro] = ()) -> list[Place]:
    """The places of a channel and of distros; RepositoryError if there is no such channel or distro."""
    ids = [row.id for row in distros]
    found = view.places(channel=channel, distros=ids)
    if found or not (channel or ids):
        return found
    channels = sorted({place.channel for place in view.places()})
    if channel and channel not in channels:
        message, has = f"the repository has no channel `{channel}`", channels
    else:
        message = f"{channel or 'the repository'} has no packages for {', '.join(ids)}"
        has = sorted({place.distro for place in view.places(channel=channel)})
    raise RepositoryError(
        message, hint=f"it has {', '.join(has)}" if has else "`pkgrel publish` fills it"
    )


def find_packages(
    view: View,
    name: str,
    version: str | None,
    channel: str | None,
    distros: Sequence[Distro] = (),
) -> dict[Place, list[Record]]:
    """The packages of a channel with that name and version; RepositoryError if there is none."""
    where = select_places(view, channel, distros)
    view.fetch(where)
    found = {
        place: [
            record
            for record in view.manifest(place).named([name])
            if version is None or is_version(record, version)
        ]
        for place in where
    }
    found = {place: records for place, records in found.items() if records}
    if not found:
        raise _missing(view, where, name, version, channel or "the repository")
    return found


def _missing(
    view: View, where: Sequence[Place], name: str, version: str | None, what: str
) -> RepositoryError:
    manifests = [view.manifest(place) for place in where]
    versions = sorted({r.version for manifest in manifests for r in manifest.named([name])})
    if versions:
        return RepositoryError(
            f"{what} has no `{name}` of version `{version}`",
            hint=f"it has {', '.join(versions[-5:])}",
        )
    names = {found.name for manifest in manifests for found in manifest.names()}
    return RepositoryError(
        f"{what} has no package `{name}`",
        hint=did_you_mean(name, names, otherwise="`pkgrel repo list` shows what there is"),
    )


@dataclass(frozen=True, slots=True)
class Listed:
    """A package in a place."""

    place: Place
    record: Record


def list_packages(
    repository: Repository,
    *,
    channel: str | None = None,
    distros: Sequence[Distro] = (),
    name: str | None = None,
) -> list[Listed]:
    """The packages, sorted by channel, distro and name, with the newest version first.

    RepositoryError if there is no such channel, distro or name.
    """
    view = repository.view()
    if name:
        chosen = find_packages(view, name, None, channel, distros)
    else:
        where = select_places(view, channel, distros)
        view.fetch(where)
        chosen = {place: list(view.records(place)) for place in where}
    found = [Listed(place, record) for place, records in chosen.items() for record in records]
    newest: list[Listed] = []
    for format in Format:  # versions of different formats cannot be compared
        of_it = [one for one in found if one.record.format == format]
        newest += sorted(of_it, key=lambda one: version_key(one.record), reverse=True)
    return sorted(
        newest,
        key=lambda one: (one.place.channel, one.place.format, one.place.distro, one.record.name),
    )
