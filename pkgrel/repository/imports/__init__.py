"""Imports a repository that deb-s3, aptly, reprepro, createrepo_c or anything else has made.

    tree = imports.open_tree("https://old.example.org/debian")
    found = imports.discover(tree)
    chosen, broken = imports.choose(found.packages, repository.view(), asked=(), to=None, keep={})
    imports.import_packages(repository, tree, chosen)

Its indices are read once and held against the hashes that are in Release or repomd.xml; then each
package is fetched, held against its index, read as `publish` reads it, and published. Stopped at any
time, it goes on where it was when it is run again.
"""

from pkgrel.repository.imports.discovery import Broken, Discovery, FoundPackage
from pkgrel.repository.imports.importing import (
    Chosen,
    choose,
    discover,
    import_packages,
    look,
    refuse,
)
from pkgrel.repository.imports.tree import Tree, open_tree
from pkgrel.repository.imports.web import Access, read_headers

__all__ = [
    "Access",
    "Broken",
    "Chosen",
    "Discovery",
    "FoundPackage",
    "Tree",
    "choose",
    "discover",
    "import_packages",
    "look",
    "open_tree",
    "read_headers",
    "refuse",
]
