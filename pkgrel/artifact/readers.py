"""Whether a distro's package tool can read a package file, of any origin.

Measured: rpm 4.18 and 4.20 install a package in format 6, but do not see its signature, which is in a tag that they do
not know. rpm 6.1 reports "no digest" for a package with only MD5 and SHA-1, and does not install it. dpkg reads zstd
from 1.21.18 on, Ubuntu's earlier; rpm from 4.14 on. dpkg 1.22.22 of Debian 13 crashes with a segmentation fault on a
field without a value, which 1.21.23 and 1.23.11 ignore.
"""

from __future__ import annotations

import re

from pkgrel.artifact.model import Artifact
from pkgrel.distro import Distro, Format

_SIGNED_FORMAT = 6
"""The first format whose signatures older rpms do not see, and the first rpm that does."""
_ZSTD = (4, 14)
_WITHOUT_MD5 = 6
_FAILS_OVER_EMPTY = re.compile(r"dpkg 1\.22\.2\d")
_NEVER_EMPTY = (
    *"Source Section Priority Essential Protected Installed-Size Multi-Arch Origin Bugs".split(),
    *"Conffiles Class Recommended Optional".split(),
)
_BELIEVED = frozenset(["header SHA256", "payload SHA256"])


def unreadable(artifact: Artifact, distro: Distro) -> tuple[str, str] | None:
    """What the distro's tool cannot read in the file, and what to do; None if it can, or if that is unknown."""
    zstd = artifact.compression == "zstd"
    match distro.format:
        case Format.DEB:
            if zstd and distro.compression != "zstd":
                return _zstd(distro)
            if _FAILS_OVER_EMPTY.match(distro.tool) and (empty := _empty_field(artifact)):
                what = f"has the field `{empty}` without a value, over which {distro.tool} of {distro.title}"
                return f"{what} ends with a segmentation fault", "build it without the field"
        case Format.RPM:
            have = rpm_version(distro)
            if have is None:
                return None
            if zstd and have < _ZSTD:
                return _zstd(distro)
            if format_number(artifact) >= _SIGNED_FORMAT and have[0] < _SIGNED_FORMAT:
                what = f"is in rpm's format 6, whose signatures {distro.tool} of {distro.title} does not see"
                return f"{what}: dnf says that it is not signed", "build it with `%_rpmformat 4`"
            if have[0] >= _WITHOUT_MD5 and not _BELIEVED.issubset(artifact.digests):
                return (
                    f"has no SHA-256 of its header and of its payload, and {distro.tool} of {distro.title} believes no other digest",
                    "build it with a tool that writes both",
                )
    return None


def _empty_field(artifact: Artifact) -> str:
    """The first field over which that dpkg fails; nothing if there is none."""
    from pkgrel.artifact.deb.stanza import RELATIONS

    names = (*RELATIONS, *_NEVER_EMPTY)
    return next((name for name in names if artifact.control.get(name) == ""), "")


def _zstd(distro: Distro) -> tuple[str, str]:
    return (
        f"is compressed with zstd, which {distro.tool} of {distro.title} cannot read",
        "compress it with xz, or gzip",
    )


def format_number(artifact: Artifact) -> int:
    """The version of the rpm format."""
    from pkgrel.rpm_tags import Tag

    return artifact.header.number(Tag.RPMFORMAT, 4) if artifact.header else 4


def rpm_version(distro: Distro) -> tuple[int, int] | None:
    """Major and minor version of the distro's rpm; None if the table does not have a single version."""
    found = re.fullmatch(r"rpm (\d+)\.(\d+)[.\w]*", distro.tool)
    return (int(found[1]), int(found[2])) if found else None
