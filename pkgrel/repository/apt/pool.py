"""Where packages lie: pool/<suite>/<letter>/<name>/<file>, as in Debian's own pool.

The suite is in it because packages of two suites may have one name and version and differ.
"""

from pkgrel.artifact import Artifact
from pkgrel.repository.apt.acceptable import check

ROOT = "apt/"
"""What Filename is relative to: the URI of the `.sources` file."""


def key(artifact: Artifact, suite: str) -> str:
    """The package's key in the store; PackageError if apt could not read what is said of it."""
    check(artifact)
    name = artifact.name
    # libc6 is in libc/: half of all packages would be in l/ otherwise.
    letter = name[:4] if name.startswith("lib") else name[:1]
    version = str(artifact.version).partition(":")[2] or str(artifact.version)
    return f"{ROOT}pool/{suite}/{letter}/{name}/{name}_{version}_{artifact.architecture}.deb"
