"""Imports a repository that deb-s3, aptly, reprepro, createrepo_c or anything else has made.

    tree = imports.open_tree("https://old.example.org/debian")
    contents = imports.look(tree)
    chosen = imports.choose(contents.packages, repository.view(), asked=(), to=None, keep={})
    imports.bring(repository, tree, chosen)

Its indices are read once and held against the hashes that are in Release or repomd.xml; then each
package is fetched, held against its index, read as `publish` reads it, and published. Stopped at any
time, it goes on where it was when it is run again.
"""

from pkgrel.repository.imports.bringing import bring
from pkgrel.repository.imports.choice import Chosen, choose
from pkgrel.repository.imports.found import Contents, Found
from pkgrel.repository.imports.looking import look
from pkgrel.repository.imports.tree import Tree, open_tree

__all__ = ["Chosen", "Contents", "Found", "Tree", "bring", "choose", "look", "open_tree"]
