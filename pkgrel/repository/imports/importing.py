"""Finds the packages of a foreign repository, decides where each goes, fetches and publishes them.

What is decided is decided before anything is fetched; then packages come some at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pkgrel import artifact as packages
from pkgrel import distro, scratch
from pkgrel.artifact import Artifact
from pkgrel.distro import Distro, Format
from pkgrel.errors import RepositoryError
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository import layout, merge, recognition
from pkgrel.repository.imports.discovery import Discovery, FoundPackage
from pkgrel.repository.imports.tree import Tree
from pkgrel.repository.kind import repository_kind
from pkgrel.repository.place import Place, channel
from pkgrel.repository.publishing import Item, once, publish
from pkgrel.repository.state import Repository, View
from pkgrel.repository.transaction import Outcome

DEFAULT_CHANNEL = "stable"
"""Of yum repositories, which have no components."""
_AT_ONCE = 4
_PORTION = 500
"""Packages of one commit at most,"""
_BYTES = 1 << 30
"""and bytes, which lie in a temporary folder meanwhile."""


def discover(tree: Tree, suites: Sequence[str] = (), public_key: bytes | None = None) -> Discovery:
    """All packages; `suites` are folders of `dists`, without which all suites are read.

    A web server does not list its folders: there, the codenames of the table of distros are tried.
    RepositoryError if there is no repository, or its indices are not what their hashes say;
    SigningError if there is a public key and its owner has not signed them.
    """
    if tree.get(layout.HEAD) is not None:
        raise RepositoryError(
            f"{tree.url}: is a repository of pkgrel's",
            hint="copy all of it as it is, to keep channels and history; or import its folders `apt` and `rpm` by themselves",
        )
    found = [repository_kind(format).discover(tree, suites, public_key) for format in Format]
    signatures = tuple(each for kind in found for each in kind.signatures)
    if not signatures:
        raise RepositoryError(
            f"{tree.url}: not a repository: neither `dists/*/Release` nor `repodata/repomd.xml`",
            hint="name the folder that has `dists` or `repodata` in it, or its suite with `--suite`",
        )
    return Discovery(tuple(each for kind in found for each in kind.packages), signatures)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A package and its places."""

    package: FoundPackage
    places: tuple[Place, ...]


def choose(
    packages: Iterable[FoundPackage],
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
    coming: dict[Place, list[FoundPackage]] = {}
    for each in chosen:
        for place in each.places:
            coming.setdefault(place, []).append(each.package)
    stay = {
        place: merge.survivors(
            view.manifest(place).named({package.name for package in new}),
            new,
            keep.get(place.channel, 0),
        )
        for place, new in coming.items()
    }
    for each in chosen:
        identity = each.package.name, each.package.version
        if places := tuple(place for place in each.places if identity in stay[place]):
            yield Chosen(each.package, places)


def _places(package: FoundPackage, asked: Sequence[Distro], to: str | None) -> tuple[Place, ...]:
    into = to or package.component.lower() or DEFAULT_CHANNEL
    return tuple(
        Place(package.format, row.id, package.architecture, channel(into))
        for row in _distros(package, asked)
    )


def _distros(package: FoundPackage, asked: Sequence[Distro]) -> Sequence[Distro]:
    if fitting := [row for row in asked if row.format == package.format]:
        return fitting
    for row in distro.distros().values():
        if row.codename and row.codename in package.suites:
            return (row,)
    revision = package.version.rpartition("-")[2]
    if said := recognition.named(package.format, revision):
        return (said,)
    what = f"its suite is `{package.suites[0]}` and " if package.suites else ""
    raise RepositoryError(
        f"{package.path}: {what}its revision `{revision}` does not say which distro it is for",
        hint="name it with `--distro`; `pkgrel distros` lists them",
    )


def import_packages(
    repository: Repository,
    tree: Tree,
    chosen: Sequence[Chosen],
    *,
    replace: bool = False,
    sign_packages: bool = True,
    reporter: Reporter = SILENT,
) -> Outcome:
    """Publish the packages. What is published stays so if a later one turns out to be broken."""
    outcome = Outcome(repository.view().head.generation, ())
    for portion in _portions(chosen):
        with scratch.folder() as folder:
            items = _read(tree, portion, folder)
            done = publish(
                repository, items, replace=replace, sign_packages=sign_packages, reporter=reporter
            )
        outcome = Outcome(
            done.generation,
            outcome.changes + done.changes,
            tuple(dict.fromkeys(outcome.pointers + done.pointers)),
        )
    return outcome


def _portions(chosen: Sequence[Chosen]) -> Iterator[list[Chosen]]:
    portion: list[Chosen] = []
    size = 0
    for each in chosen:
        more = each.package.sum.size or 0
        if portion and (len(portion) == _PORTION or size + more > _BYTES):
            yield portion
            portion, size = [], 0
        portion.append(each)
        size += more
    if portion:
        yield portion


def _read(tree: Tree, chosen: Sequence[Chosen], folder: Path) -> list[Item]:
    def one(numbered: tuple[int, Chosen]) -> list[Item]:
        number, each = numbered
        alone = folder / str(number)
        alone.mkdir()
        file = tree.file(each.package.path, alone, each.package.sum.size or 0)
        each.package.sum.check(each.package.path, file)
        artifact = packages.read(file, unpack=False)
        _check(each.package, artifact)
        return [Item(artifact, place) for place in each.places]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        items = [item for some in pool.map(one, enumerate(chosen)) for item in some]
    return once(items, hint="remove one of them from the old repository")


def _check(found: FoundPackage, artifact: Artifact) -> None:
    """RepositoryError if the package is not the one that the index says."""
    said = (found.format, found.name, found.version, found.architecture)
    actual = (artifact.format, artifact.name, str(artifact.version), artifact.architecture)
    if said != actual:
        raise RepositoryError(
            f"{found.path}: is {' '.join(actual[1:])}, the index says {' '.join(said[1:])}",
            hint="mend the repository with the tool that made it",
        )
    recognition.check_architecture(artifact)
