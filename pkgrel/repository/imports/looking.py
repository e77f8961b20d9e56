"""Finds out what kind of repository a tree has; it may be both."""

from collections.abc import Sequence

from pkgrel.errors import RepositoryError
from pkgrel.repository import layout
from pkgrel.repository.imports import apt, yum
from pkgrel.repository.imports.found import Contents
from pkgrel.repository.imports.tree import Tree


def look(tree: Tree, suites: Sequence[str] = (), public_key: bytes | None = None) -> Contents:
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
    debs = apt.look(tree, suites, public_key)
    rpms = yum.look(tree, public_key)
    if not debs.signatures and not rpms.signatures:
        raise RepositoryError(
            f"{tree.url}: no repository: neither `dists/*/Release` nor `repodata/repomd.xml`",
            hint="name the folder that has `dists` or `repodata` in it, or its suite with `--suite`",
        )
    return Contents(debs.packages + rpms.packages, debs.signatures + rpms.signatures)
