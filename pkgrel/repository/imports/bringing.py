"""Fetches packages of a foreign repository and publishes them, some at a time."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from pkgrel import artifact as packages
from pkgrel.artifact import Artifact
from pkgrel.errors import RepositoryError
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository import distribution
from pkgrel.repository.commit import Outcome, Repository
from pkgrel.repository.imports.choice import Chosen
from pkgrel.repository.imports.found import Found
from pkgrel.repository.imports.tree import Tree
from pkgrel.repository.publish import Item, publish

_AT_ONCE = 4
_PORTION = 500
"""Packages of one commit at most,"""
_BYTES = 1 << 30
"""and bytes, which lie in a temporary folder meanwhile."""


def bring(
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
        with TemporaryDirectory(prefix="pkgrel-import-") as folder:
            items = _read(tree, portion, Path(folder))
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
        own = folder / str(number)
        own.mkdir()
        file = tree.file(each.package.path, own, each.package.sum.size or 0)
        each.package.sum.check(each.package.path, file)
        artifact = packages.read(file, unpack=False)
        _check(each.package, artifact)
        return [Item(artifact, place) for place in each.places]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        items = [item for some in pool.map(one, enumerate(chosen)) for item in some]
    return list(_once(items))


def _check(found: Found, artifact: Artifact) -> None:
    """RepositoryError if the package is not the one that the index says."""
    said = (found.format, found.name, found.version, found.architecture)
    own = (artifact.format, artifact.name, str(artifact.version), artifact.architecture)
    if said != own:
        raise RepositoryError(
            f"{found.path}: is {' '.join(own[1:])}, the index says {' '.join(said[1:])}",
            hint="mend the repository with the tool that made it",
        )
    distribution.check_architecture(artifact)


def _once(items: Sequence[Item]) -> Iterator[Item]:
    """Without repetition; RepositoryError if two files are one version with different contents."""
    seen: dict[object, Item] = {}
    for item in items:
        artifact = item.artifact
        other = seen.setdefault((item.place, artifact.name, str(artifact.version)), item)
        if other is item:
            yield item
        elif other.artifact.content_sha256 != artifact.content_sha256:
            raise RepositoryError(
                f"{artifact.file}: {artifact.name} {artifact.version} for {item.place.distro} is in {other.artifact.file}, too, with other contents",
                hint="remove one of them from the old repository",
            )
