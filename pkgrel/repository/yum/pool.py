"""Where packages lie: rpm/<distro>/pool/<letter>/<file>, for all channels of a distro."""

import re

from pkgrel.artifact import Artifact
from pkgrel.errors import PackageError

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._~^-]*")
_SOURCEPACKAGE = 1106


def key(artifact: Artifact, distro_id: str) -> str:
    """The package's key in the store; PackageError if its name or version has odd characters.

    S3 takes a `+` in a URL for a blank, and neither yum, zypper nor dnf5 before 5.2 escape it, nor a
    `^`; so both become `_`, as no package tool minds how a file is called.
    """
    version, revision = artifact.version.upstream, artifact.version.revision
    file = f"{artifact.name}-{version}-{revision}.{architecture(artifact)}.rpm"
    if not _FILE.fullmatch(file):
        raise PackageError(
            f"{artifact.file}: `{file}` is no name of a package's file", hint="build it anew"
        )
    file = file.replace("+", "_").replace("^", "_")
    return f"rpm/{distro_id}/pool/{file[0].lower()}/{file}"


def architecture(artifact: Artifact) -> str:
    """As a file name says it: `src` for a source package, whatever it was made on."""
    header = artifact.header
    return "src" if header and header.number(_SOURCEPACKAGE, 0) else artifact.architecture
