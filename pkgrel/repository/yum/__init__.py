"""Metadata of a yum repository, written from records.

    rpm/<distro>/<arch>/<channel>/repodata/repomd.xml                 names the others
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-primary.xml.gz    what packages are and need
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-filelists.xml.gz  all their files
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-other.xml.gz      their changelogs
    rpm/<distro>/<arch>/<channel>/repodata/<sha256>-updateinfo.xml.gz why to upgrade, if anything says
    rpm/<distro>/pool/h/hello-1.0.0-1.el9.x86_64.rpm

Source: what createrepo_c writes and librepo, libsolv and libzypp read; there is no specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pkgrel.repository.yum.metadata import (
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
from pkgrel.repository.yum.packages import (
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
from pkgrel.repository.yum.pointers import (
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
    """What dnf, yum and zypper read on a client."""
    from pkgrel.repository.yum import clients

    return clients


def discover(tree: Tree, suites: Sequence[str], public_key: bytes | None) -> Discovery:
    """All packages of the repositories that somebody else has made; they have no suites."""
    from pkgrel.repository.yum import foreign

    return foreign.discover(tree, public_key)
