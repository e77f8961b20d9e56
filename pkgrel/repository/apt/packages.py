"""Makes the record of a .deb in an apt repository: its pool path and its paragraph of Packages; and sorts versions.

Relations have been parsed by dpkg's rules and are in the form that every apt reads; see `pkgrel.artifact.deb.stanza`.

Source: deb-control(5); for the order of versions, deb-version(7) and Debian Policy 5.6.12.
"""

from __future__ import annotations

import re
from pathlib import Path

from pkgrel.artifact import Artifact, Kind
from pkgrel.distro import Distro, Format
from pkgrel.errors import PackageError
from pkgrel.repository.record import Advisory, Placed, Record
from pkgrel.signing import Signer

FOLDER = "apt/"
"""Filename in Packages is relative to it: the URI of the `.sources` file."""
ANY_ARCHITECTURE = "all"
ARCHITECTURES = frozenset(
    "all amd64 arm64 armel armhf i386 loong64 mips mips64el mipsel ppc64el riscv64 s390x".split()
)
MACHINES: dict[str, str] = {}
DEFAULT_ARCHITECTURES = ("amd64", "arm64")
INDEX_TEXTS = 1
HAS_ADVISORIES = SIGNS_PACKAGES = False

_PARTS = re.compile(r"([^0-9]*)([0-9]*)")

_END = ("\2", 0)

Parts = tuple[tuple[str, int], ...]
SortKey = tuple[int, Parts, Parts]

_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*")
_OURS = frozenset(
    "filename size md5sum sha1 sha256 sha512 msdos-filename status config-version conffiles"
    " description-md5 phased-update-percentage".split()
)
"""Fields that belong in indices or dpkg's database; a control file's values for them must be ignored."""
_FLAG = re.compile("no|false|without|off|disable|0|yes|true|with|on|enable|1", re.IGNORECASE)
"""Values of Important that apt knows; dpkg allows any value, but apt would warn at every `apt update`."""
_UNSAYABLE = re.compile("[\n\ud800-\udfff]")
"""Characters that a path in Contents cannot have: newlines, and bytes that are not UTF-8."""


def index_architectures(architecture: str) -> tuple[str, ...]:
    """The architecture itself: hosts with several architectures request the indices of each."""
    return (architecture,)


def version_key(version: str) -> SortKey:
    """A sort key in dpkg's order; also for versions that dpkg rejects, at an arbitrary position."""
    epoch, colon, rest = version.partition(":")
    if not (colon and epoch.isdecimal()):
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch), _parts(upstream), _parts(revision)


def order(package: Placed) -> tuple[str, _NewestFirst, str, str]:
    """By name; then the newest version first, which simple clients pick."""
    return package.name, _NewestFirst(package.version), package.architecture, package.path


class _NewestFirst:
    """Sorts the newest version first; parses versions only if names are equal, which is rare."""

    __slots__ = ("_key", "_version")

    def __init__(self, version: str) -> None:
        self._version = version
        self._key: SortKey | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _NewestFirst) and self._version == other._version

    def __lt__(self, other: _NewestFirst) -> bool:
        mine, theirs = self._sort_key(), other._sort_key()
        return mine > theirs or (mine == theirs and self._version < other._version)

    def _sort_key(self) -> SortKey:
        if self._key is None:
            self._key = version_key(self._version)
        return self._key

    def __hash__(self) -> int:
        return hash(self._version)


def _parts(text: str) -> Parts:
    """Pairs of text and number with an end mark; trailing empty pairs are dropped, since they change nothing."""
    parts = [(_weighed(word), int(digits or 0)) for word, digits in _PARTS.findall(text)]
    while parts and parts[-1] == _END:
        parts.pop()
    return (*parts, _END)


def _weighed(word: str) -> str:
    """Sorts `~` before the end, the end before letters, and letters before other characters."""
    weighed = "".join("\1" if c == "~" else c if c.isalpha() else "\x7f" + c for c in word)
    return weighed + "\2"


def validate(artifact: Artifact) -> None:
    """PackageError for an invalid name or architecture."""
    for what, value, form in (
        ("name", artifact.name, _PACKAGE),
        ("architecture", artifact.architecture, _ARCHITECTURE),
    ):
        if not form.fullmatch(value):
            raise PackageError(
                f"{artifact.file}: `{value}` is not the {what} of a package", hint="build it anew"
            )


def architecture(artifact: Artifact) -> str:
    """The architecture of the package."""
    return artifact.architecture


def new_record(artifact: Artifact, distro: Distro, published: int, advisory: Advisory) -> Record:
    """The record of a package; PackageError if no client could request it."""
    if artifact.control.get("Package-Type", "deb") != "deb":
        raise PackageError(
            f"{artifact.file}: a package of Debian's installer, which no host may install",
            hint="publish the .deb packages that were built with it",
        )
    return make_record(artifact, pool_key(artifact, distro.codename), published)


def sign_package(file: Path, signer: Signer, output: Path) -> bool:
    """No signature: apt verifies the package by its hash in the signed index."""
    return False


def distrust(file: Path, signer: Signer) -> str:
    """Empty, for the same reason."""
    return ""


def pool_key(artifact: Artifact, suite: str) -> str:
    """pool/<suite>/<letter>/<name>/<file>, as in Debian's pool; PackageError if no client could request it.

    The path has the suite, since packages of two suites may have the same name and version but differ.
    """
    validate(artifact)
    name = artifact.name
    # By four letters for lib*, as in Debian's pool, where half of all packages would be in l/ otherwise.
    letter = name[:4] if name.startswith("lib") else name[:1]
    version = str(artifact.version).partition(":")[2] or str(artifact.version)
    return f"{FOLDER}pool/{suite}/{letter}/{name}/{name}_{version}_{artifact.architecture}.deb"


def make_record(artifact: Artifact, key: str, published: int) -> Record:
    """The record with its paragraph, which ends with a newline, and the paths for Contents.

    SHA256 is the only hash: every apt since 0.7 (2007) reads it, and since 1.4 apt trusts only it and SHA512.
    """
    fields = [
        f"{name}: {value}"
        for name, value in artifact.control.items()
        if value
        and name.lower() not in _OURS
        and (name.lower() != "important" or _FLAG.fullmatch(value))
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
