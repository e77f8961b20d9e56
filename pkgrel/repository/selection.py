"""Finds packages of a repository by what users call them."""

from collections.abc import Sequence

from pkgrel.distro import Distro
from pkgrel.errors import RepositoryError, did_you_mean
from pkgrel.repository.place import Place
from pkgrel.repository.record import Record
from pkgrel.repository.view import View


def is_version(record: Record, wanted: str) -> bool:
    """Whether the user means this version: `1.0.0` is every revision of it, for every distro."""
    version = record.version
    _, colon, without_epoch = version.partition(":")
    texts = (version, without_epoch) if colon else (version,)
    return any(text == wanted or text.rpartition("-")[0] == wanted for text in texts)


def places(view: View, channel: str | None, distros: Sequence[Distro] = ()) -> list[Place]:
    """The places of a channel and of some distros; RepositoryError if it has no such channel or distro."""
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


def find(
    view: View,
    name: str,
    version: str | None,
    channel: str | None,
    distros: Sequence[Distro] = (),
) -> dict[Place, list[Record]]:
    """The packages of a channel with that name and version; RepositoryError if there is none."""
    where = places(view, channel, distros)
    view.fetch(where)
    found = {
        place: [
            record
            for record in view.records(place)
            if record.name == name and (version is None or is_version(record, version))
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
    records = [record for place in where for record in view.records(place)]
    versions = sorted({record.version for record in records if record.name == name})
    if versions:
        return RepositoryError(
            f"{what} has no `{name}` of version `{version}`",
            hint=f"it has {', '.join(versions[-5:])}",
        )
    names = {record.name for record in records}
    return RepositoryError(
        f"{what} has no package `{name}`",
        hint=did_you_mean(name, names, otherwise="`pkgrel repo list` shows what there is"),
    )
