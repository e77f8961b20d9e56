"""What a repository holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from pkgrel.distro import Distro
from pkgrel.repository import order, selection
from pkgrel.repository.commit import Repository
from pkgrel.repository.place import Place
from pkgrel.repository.record import Record


@dataclass(frozen=True, slots=True)
class Listed:
    """A package in a place."""

    place: Place
    record: Record


def packages(
    repository: Repository,
    *,
    channel: str | None = None,
    distros: Sequence[Distro] = (),
    name: str | None = None,
) -> list[Listed]:
    """The packages by channel, distro, name and version, the newest version first.

    RepositoryError if there is no such channel, distro or name.
    """
    view = repository.view()
    if name:
        chosen = selection.find(view, name, None, channel, distros)
    else:
        places = selection.places(view, channel, distros)
        view.fetch(places)
        chosen = {place: list(view.records(place)) for place in places}
    found = [Listed(place, record) for place, records in chosen.items() for record in records]
    by_format = [
        sorted(
            (one for one in found if one.record.format == format),
            key=lambda one: order.key(one.record),
            reverse=True,
        )
        for format in ("deb", "rpm")
    ]
    return sorted(
        (one for group in by_format for one in group),
        key=lambda one: (one.place.channel, one.place.format, one.place.distro, one.record.name),
    )
