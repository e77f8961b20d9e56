"""Finds packages of a repository by what users call them."""

import difflib
from collections.abc import Sequence

from pkgrel.distro import Distro
from pkgrel.errors import RepositoryError
from pkgrel.repository.place import Place
from pkgrel.repository.record import Record
from pkgrel.repository.view import View


def is_version(record: Record, wanted: str) -> bool:
    """Whether the user means this version: `1.0.0` is every revision of it, for every distro."""
    version = record.version
    _, colon, without_epoch = version.partition(":")
    texts = (version, without_epoch) if colon else (version,)
    return any(text == wanted or text.rpartition("-")[0] == wanted for text in texts)


def find(
    view: View, name: str, version: str | None, channel: str, distros: Sequence[Distro] = ()
) -> dict[Place, list[Record]]:
    """The packages of a channel with that name and version; RepositoryError if there is none."""
    places = view.places(channel=channel, distros=[row.id for row in distros])
    view.fetch(places)
    found = {
        place: [
            record
            for record in view.records(place)
            if record.name == name and (version is None or is_version(record, version))
        ]
        for place in places
    }
    found = {place: records for place, records in found.items() if records}
    if not found:
        raise _missing(view, places, name, version, channel)
    return found


def no_channel(view: View, channel: str) -> RepositoryError:
    """There is no such channel, or none for the distros that were asked for."""
    channels = sorted({place.channel for place in view.places()})
    return RepositoryError(
        f"the repository has no channel `{channel}`"
        + (" for these distros" if channel in channels else ""),
        hint=f"it has {', '.join(channels)}" if channels else "`pkgrel publish` fills it",
    )


def _missing(
    view: View, places: Sequence[Place], name: str, version: str | None, channel: str
) -> RepositoryError:
    if not places:
        return no_channel(view, channel)
    records = [record for place in places for record in view.records(place)]
    versions = sorted({record.version for record in records if record.name == name})
    if versions:
        return RepositoryError(
            f"{channel} has no `{name}` of version `{version}`",
            hint=f"it has {', '.join(versions[-5:])}",
        )
    near = difflib.get_close_matches(name, {record.name for record in records}, n=1)
    return RepositoryError(
        f"{channel} has no package `{name}`",
        hint=f"did you mean `{near[0]}`?" if near else "`pkgrel repo list` shows what there is",
    )
