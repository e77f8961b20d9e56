"""Where packages lie: rpm/<distro>/pool/<letter>/<file>, for all channels of a distro."""

from pkgrel.artifact import Artifact

_SOURCEPACKAGE = 1106


def key(artifact: Artifact, distro_id: str) -> str:
    """The package's key in the store.

    S3 takes a `+` in a URL for a blank, and neither yum, zypper nor dnf5 before 5.2 escape it, nor a
    `^`; so both become `_`, as no package tool minds how a file is called.
    """
    version, revision = artifact.version.upstream, artifact.version.revision
    file = f"{artifact.name}-{version}-{revision}.{architecture(artifact)}.rpm"
    file = file.replace("+", "_").replace("^", "_")
    return f"rpm/{distro_id}/pool/{file[0].lower()}/{file}"


def architecture(artifact: Artifact) -> str:
    """As a file name says it: `src` for a source package, whatever it was made on."""
    header = artifact.header
    return "src" if header and header.number(_SOURCEPACKAGE, 0) else artifact.architecture
