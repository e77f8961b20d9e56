"""Imports repositories made by deb-s3, aptly, reprepro, createrepo_c or any other tool.

Finds the packages, chooses their places, downloads and publishes them. All decisions are made before the first
download; then packages are downloaded and published in batches.

    tree = imports.open_tree("https://old.example.org/debian")
    found = imports.discover(tree)
    chosen, broken = imports.choose(found.packages, repository.view(), asked=(), to=None, keep={})
    imports.import_packages(repository, tree, chosen)

The indices are read once and verified with the hashes in Release or repomd.xml. Then each package is downloaded,
compared with its index, read like `publish` does, and published. An interrupted import can be run again and continues.
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
from pkgrel.errors import PackageError, RepositoryError
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository import channels, layout, recognition
from pkgrel.repository.imports.discovery import Broken, Discovery, FoundPackage, IndexSignature
from pkgrel.repository.imports.tree import Tree, open_tree
from pkgrel.repository.imports.web import Access, read_headers
from pkgrel.repository.kind import repository_kind
from pkgrel.repository.layout import Place, channel
from pkgrel.repository.publishing import Item, check_records, once, publish
from pkgrel.repository.state import Repository, View
from pkgrel.repository.transaction import Outcome

DEFAULT_CHANNEL = "stable"
"""For yum repositories, which have no components."""
_AT_ONCE = 4
_NAMED = 5
"""Maximum number of packages in a message."""
_PORTION = 500
"""Maximum number of packages in one commit."""
_BYTES = 1 << 30
"""Maximum bytes of packages in one commit, which are in a temporary folder meanwhile."""


def discover(tree: Tree, suites: Sequence[str] = (), public_key: bytes | None = None) -> Discovery:
    """All packages; `suites` are folders of `dists`, by default all.

    On a web server, which does not list folders, the codenames in the table of distros are tried. RepositoryError if
    there is no repository, or if its indices do not match their hashes; SigningError if they are not signed by
    `public_key`, if that is given.
    """
    if _is_head(tree.get(layout.HEAD)):
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
    return Discovery(
        packages=tuple(each for kind in found for each in kind.packages),
        signatures=signatures,
        broken=tuple(each for kind in found for each in kind.broken),
    )


def _is_head(data: bytes | None) -> bool:
    """Whether it is a head, and not a server's answer to any request."""
    return bool(data and data.lstrip().startswith(b"{") and b'"generation"' in data)


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
    architectures: Sequence[str] = (),
) -> tuple[list[Chosen], list[Broken]]:
    """The packages that are not published yet, with their places; and those without a place.

    Packages are left out if the channel would drop them at once because it keeps only newer versions, or if they are
    for other architectures than `architectures`, if given.

    The distro is the requested one, or follows from the suite's codename, or from the revision; the channel is `to`, or
    the component.
    """
    wanted = {same for name in architectures for same in _same(name)}
    placed, broken = [], []
    for package in packages:
        if wanted and package.architecture not in wanted:
            continue
        try:
            placed.append(Chosen(package, _places(package, asked, to)))
        except RepositoryError as e:
            broken.append(Broken(package.path, f"{e}; {e.hint}" if e.hint else str(e)))
    placed, twice = _once(placed)
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
    return list(_let_in(left, view, keep)), [*broken, *twice]


_SAME = ({"amd64", "x86_64"}, {"arm64", "aarch64"}, {"i386", "i686"}, {"armhf", "armv7hl"})
"""Names of the same architecture in Debian and rpm."""


def _same(architecture: str) -> set[str]:
    return {"all", "noarch", architecture}.union(*(s for s in _SAME if architecture in s))


def _once(chosen: Sequence[Chosen]) -> tuple[list[Chosen], list[Broken]]:
    """Without packages that have several files with different content: clients would take either."""
    first: dict[tuple[Place, str, str], FoundPackage] = {}
    left, broken = [], []
    for each in chosen:
        package = each.package
        known = [first.setdefault((p, package.name, package.version), package) for p in each.places]
        others = [one for one in known if one.sum.digest != package.sum.digest]
        if others:
            broken.append(
                Broken(
                    package.path, f"{package.title} is `{others[0].path}` too, with other contents"
                )
            )
        else:
            left.append(each)
    return left, broken


def look(tree: Tree, chosen: Sequence[Chosen]) -> tuple[list[Chosen], list[Broken]]:
    """Split the packages by whether their files exist with the right size, as far as is known without a download."""

    def one(each: Chosen) -> Broken | None:
        path, said = each.package.path, each.package.sum.size
        try:
            size = tree.size(path)
        except RepositoryError as e:
            return Broken(path, str(e))
        if size is None:
            return Broken(path, "is missing, and an index names it")
        if size >= 0 and said is not None and size != said:
            return Broken(path, f"has {size} bytes, its index says {said}")
        return None

    wanted = [each for each in chosen if each.places]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(one, wanted))
    there = [each for each, problem in zip(wanted, found, strict=True) if not problem]
    return there, [problem for problem in found if problem]


def refuse(tree: Tree, broken: Sequence[Broken]) -> None:
    """RepositoryError that lists some of the packages, if there are any."""
    if broken:
        named = "; ".join(f"{each.path}: {each.why}" for each in broken[:_NAMED])
        more = f"; and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
        raise RepositoryError(
            f"{tree.url}: {named}{more}",
            hint="`--skip-broken` imports the others, `--arch` those of one architecture",
        )


def _let_in(chosen: Sequence[Chosen], view: View, keep: Mapping[str, int]) -> Iterator[Chosen]:
    coming: dict[Place, list[FoundPackage]] = {}
    for each in chosen:
        for place in each.places:
            coming.setdefault(place, []).append(each.package)
    stay = {
        place: channels.survivors(
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
    known = repository_kind(package.format).ARCHITECTURES
    if package.architecture not in known:
        raise RepositoryError(
            f"{package.title}: no index has packages of the architecture `{package.architecture}`"
        )
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
    skip_broken: bool = False,
    reporter: Reporter = SILENT,
) -> Outcome:
    """Publish the packages in batches; published ones stay if a later batch fails."""
    outcome = Outcome(repository.view().head.generation, ())
    for portion in _portions(chosen):
        with scratch.folder() as folder:
            items, broken = _read(tree, portion, folder)
            if not skip_broken:
                refuse(tree, broken)
            for each in broken:
                reporter.warn(f"{each.path}: left out: {each.why}")
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


def _read(tree: Tree, chosen: Sequence[Chosen], folder: Path) -> tuple[list[Item], list[Broken]]:
    def one(numbered: tuple[int, Chosen]) -> list[Item] | Broken:
        number, each = numbered
        alone = folder / str(number)
        alone.mkdir()
        path = each.package.path
        try:
            file = tree.file(path, alone, each.package.sum.size or 0)
            each.package.sum.check(path, file)
            artifact = packages.read(file, unpack=False)
            _check(each.package, artifact)
            rows = [place.row for place in each.places]
            recognition.check_readers(artifact, rows)
            items = [Item(artifact, place, each.package.advisory) for place in each.places]
            check_records(items)
        except (RepositoryError, PackageError) as e:
            return Broken(
                path, str(e).removeprefix(f"{alone / Path(path).name}: ").removeprefix(f"{path}: ")
            )
        return items

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(one, enumerate(chosen)))
    items = [item for some in found if isinstance(some, list) for item in some]
    return (
        once(items, hint="remove one of them from the old repository"),
        [each for each in found if isinstance(each, Broken)],
    )


def _check(found: FoundPackage, artifact: Artifact) -> None:
    """RepositoryError if the package differs from the index."""
    said = (found.format, found.name, found.version, found.architecture)
    actual = (artifact.format, artifact.name, str(artifact.version), artifact.architecture)
    if said != actual:
        raise RepositoryError(
            f"{found.path}: is {' '.join(actual[1:])}, the index says {' '.join(said[1:])}",
            hint="mend the repository with the tool that made it",
        )
    recognition.check_architecture(artifact)


__all__ = [
    "Access",
    "Broken",
    "Chosen",
    "Discovery",
    "FoundPackage",
    "IndexSignature",
    "Tree",
    "choose",
    "discover",
    "import_packages",
    "look",
    "open_tree",
    "read_headers",
    "refuse",
]
