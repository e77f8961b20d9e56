"""Decides where the packages of a foreign repository go, before anything is fetched."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pkgrel import distro
from pkgrel.distro import Distro
from pkgrel.errors import RepositoryError
from pkgrel.repository import distribution, retention
from pkgrel.repository.imports.found import Found
from pkgrel.repository.place import Place, channel
from pkgrel.repository.view import View

DEFAULT_CHANNEL = "stable"
"""Of yum repositories, which have no components."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A package and its places."""

    package: Found
    places: tuple[Place, ...]


def choose(
    packages: Iterable[Found],
    view: View,
    *,
    asked: Sequence[Distro],
    to: str | None,
    keep: Mapping[str, int],
) -> list[Chosen]:
    """The packages that are not published yet, with the places that they go to.

    Those that a channel would leave out at once, as it keeps so many versions, are left out here.

    The distro is what is asked for, or what the suite is the codename of, or what the revision says;
    the channel is `to`, or the component. RepositoryError if there is no saying.
    """
    placed = [Chosen(package, _places(package, asked, to)) for package in packages]
    view.fetch(view.places(distros=sorted({p.distro for c in placed for p in c.places})))
    present: dict[Place, set[tuple[str, str, str]]] = {}
    left = []
    for each in placed:
        places = []
        for place in each.places:
            if place not in present:
                present[place] = {(r.name, r.version, r.sha256) for r in view.records(place)}
            found = each.package
            if (found.name, found.version, found.sha256) not in present[place]:
                places.append(place)
        left.append(Chosen(each.package, tuple(places)))
    return list(_let_in(left, view, keep))


def _let_in(chosen: Sequence[Chosen], view: View, keep: Mapping[str, int]) -> Iterator[Chosen]:
    coming: dict[Place, list[Found]] = {}
    for each in chosen:
        for place in each.places:
            coming.setdefault(place, []).append(each.package)
    stay = {
        place: retention.survivors(view.records(place), new, keep.get(place.channel, 0))
        for place, new in coming.items()
    }
    for each in chosen:
        identity = each.package.name, each.package.version
        if places := tuple(place for place in each.places if identity in stay[place]):
            yield Chosen(each.package, places)


def _places(package: Found, asked: Sequence[Distro], to: str | None) -> tuple[Place, ...]:
    into = to or package.component.lower() or DEFAULT_CHANNEL
    return tuple(
        Place(package.format, row.id, package.architecture, channel(into))
        for row in _distros(package, asked)
    )


def _distros(package: Found, asked: Sequence[Distro]) -> Sequence[Distro]:
    if fitting := [row for row in asked if row.format == package.format]:
        return fitting
    for row in distro.distros().values():
        if row.codename and row.codename in package.suites:
            return (row,)
    revision = package.version.rpartition("-")[2]
    if said := distribution.named(package.format, revision):
        return (said,)
    what = f"its suite is `{package.suites[0]}` and " if package.suites else ""
    raise RepositoryError(
        f"{package.path}: {what}its revision `{revision}` does not say which distro it is for",
        hint="name it with `--distro`; `pkgrel distros` lists them",
    )
