"""What Packages says of one package: the fields of its control file, and the file's size and hash."""

import re

from pkgrel.artifact import Artifact, Kind
from pkgrel.distro import Format
from pkgrel.repository.record import Record

_OURS = frozenset(
    "filename size md5sum sha1 sha256 sha512 msdos-filename status config-version conffiles"
    " description-md5".split()
)
"""Fields that only an index or dpkg's own database has; in a control file they would lie."""

_UNSAYABLE = re.compile("[\n\ud800-\udfff]")
"""What a path in Contents cannot have: line ends, bytes that are no UTF-8."""


def record(artifact: Artifact, key: str, published: int) -> Record:
    """The paragraph, ending with a line end, and the paths for Contents.

    SHA256 is the only hash: every apt since 0.7 (2007) reads it, and since 1.4 trusts no other but
    SHA512.
    """
    fields = [
        f"{name}: {value}"
        for name, value in artifact.control.items()
        if value and name.lower() not in _OURS
    ]
    fields += [f"Size: {artifact.size}", f"SHA256: {artifact.sha256}"]
    return Record(
        format=Format.DEB,
        name=artifact.name,
        version=str(artifact.version),
        architecture=artifact.architecture,
        path=key,
        size=artifact.size,
        sha256=artifact.sha256,
        content_sha256=artifact.content_sha256,
        published=published,
        index=("\n".join(fields) + "\n",),
        contents=tuple(_contents(artifact)),
        changelog="\n".join(artifact.changelog[0].lines) if artifact.changelog else "",
        summary=artifact.control.get("Description", "").partition("\n")[0],
    )


def _contents(artifact: Artifact) -> list[str]:
    paths = (str(e.path)[1:] for e in artifact.entries if e.kind is not Kind.DIRECTORY)
    return sorted(path for path in paths if not _UNSAYABLE.search(path))
