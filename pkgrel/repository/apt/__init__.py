"""Indices of an apt repository, written from records.

    apt/dists/<suite>/InRelease                               Release, signed
    apt/dists/<suite>/<component>/binary-<arch>/Packages.xz   paragraphs of packages
    apt/dists/<suite>/<component>/Contents-<arch>.gz          which path is in which package
    apt/pool/<suite>/h/hello/hello_1.0.0-1_amd64.deb

Places in Packages are relative to `apt/`, those in Release to its own folder.
Source: the repository format of Debian's wiki (DebianRepository/Format), apt-secure(8); apt's own
reading of them is apt-pkg/deb/debmetaindex.cc and deblistparser.cc of apt 2.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pkgrel.repository.apt.indices import (
    DATED,
    NEVER_CHANGES,
    TOO_EARLY,
    TOO_LATE,
    expires,
    hashes,
    index_keys,
    objects,
    pointer_hashes,
    render,
    target,
    target_problem,
)
from pkgrel.repository.apt.packages import (
    ANY_ARCHITECTURE,
    ARCHITECTURES,
    DEFAULT_ARCHITECTURES,
    FOLDER,
    HAS_ADVISORIES,
    INDEX_TEXTS,
    MACHINES,
    SIGNS_PACKAGES,
    architecture,
    distrust,
    index_architectures,
    new_record,
    order,
    sign_package,
    version_key,
)
from pkgrel.repository.apt.pointers import (
    check_copies,
    check_pointers,
    first_pointer,
    update_pointers,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pkgrel.repository.imports.discovery import Discovery
    from pkgrel.repository.imports.tree import Tree
    from pkgrel.repository.kind import ClientFiles

__all__ = [
    "ANY_ARCHITECTURE",
    "ARCHITECTURES",
    "DATED",
    "DEFAULT_ARCHITECTURES",
    "FOLDER",
    "HAS_ADVISORIES",
    "INDEX_TEXTS",
    "MACHINES",
    "NEVER_CHANGES",
    "SIGNS_PACKAGES",
    "TOO_EARLY",
    "TOO_LATE",
    "architecture",
    "check_copies",
    "check_pointers",
    "client_files",
    "discover",
    "distrust",
    "expires",
    "first_pointer",
    "hashes",
    "index_architectures",
    "index_keys",
    "new_record",
    "objects",
    "order",
    "pointer_hashes",
    "render",
    "sign_package",
    "target",
    "target_problem",
    "update_pointers",
    "version_key",
]


def client_files() -> ClientFiles:
    """What apt reads on a client."""
    from pkgrel.repository.apt import clients

    return clients


def discover(tree: Tree, suites: Sequence[str], public_key: bytes | None) -> Discovery:
    """All packages of the suites that somebody else has made."""
    from pkgrel.repository.apt import foreign

    return foreign.discover(tree, suites, public_key)
