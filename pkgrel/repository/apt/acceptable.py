"""What no client could ask for: a package whose name or architecture is none in an index.

Relations were read by dpkg's rules, and are in the form that every apt reads; see `pkgrel.artifact.deb.stanza`.
"""

import re

from pkgrel.artifact import Artifact
from pkgrel.errors import PackageError

_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*")


def check(artifact: Artifact) -> None:
    """PackageError if the package's name or architecture is none."""
    for what, value, form in (
        ("name", artifact.name, _PACKAGE),
        ("architecture", artifact.architecture, _ARCHITECTURE),
    ):
        if not form.fullmatch(value):
            raise PackageError(
                f"{artifact.file}: `{value}` is not the {what} of a package", hint="build it anew"
            )
