"""Whether a distro's package tool can read a file at all, whoever has made it.

Measured: rpm 4.18 and 4.20 install a package in format 6, and see no signature in it: it is in a tag that they do not
know, and those that they know it does not have. rpm 6.1
says "no digest" of a package that has only MD5 and SHA-1, and does not install it. dpkg reads zstd from 1.21.18 on, Ubuntu's before; rpm from 4.14. dpkg 1.22.22 of Debian 13 ends with a segmentation fault
over a field without a value, which 1.21.23 and 1.23.11 take for one that is not there.
"""

from __future__ import annotations

import re

from pkgrel.artifact.deb import stanza
from pkgrel.artifact.model import Artifact
from pkgrel.distro import Distro, Format

_SIGNED_FORMAT = 6
"""The first whose signatures older rpms do not read, and the first rpm that does."""
_ZSTD = (4, 14)
_WITHOUT_MD5 = 6
_FAILS_OVER_EMPTY = re.compile(r"dpkg 1\.22\.2\d")
_NEVER_EMPTY = (
    *stanza.RELATIONS,
    *"Source Section Priority Essential Protected Installed-Size Multi-Arch Origin Bugs".split(),
    *"Conffiles Class Recommended Optional".split(),
)
_BELIEVED = frozenset(["header SHA256", "payload SHA256"])


def unreadable(artifact: Artifact, distro: Distro) -> tuple[str, str] | None:
    """What of the file the distro's tool cannot read, and what to do; None if it can, or if nobody knows."""
    zstd = artifact.compression == "zstd"
    match distro.format:
        case Format.DEB:
            if zstd and distro.compression != "zstd":
                return _zstd(distro)
            if _FAILS_OVER_EMPTY.match(distro.tool):
                empty = [name for name in _NEVER_EMPTY if artifact.control.get(name) == ""]
                if empty:
                    what = f"has the field `{empty[0]}` without a value, over which {distro.tool} of {distro.title}"
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


def _zstd(distro: Distro) -> tuple[str, str]:
    return (
        f"is compressed with zstd, which {distro.tool} of {distro.title} cannot read",
        "compress it with xz, or gzip",
    )


def format_number(artifact: Artifact) -> int:
    """Which format of its own an .rpm is in."""
    from pkgrel.rpm_tags import Tag

    return artifact.header.number(Tag.RPMFORMAT, 4) if artifact.header else 4


def rpm_version(distro: Distro) -> tuple[int, int] | None:
    """Major and minor version of the distro's rpm; None if the table does not say one alone."""
    found = re.fullmatch(r"rpm (\d+)\.(\d+)[.\w]*", distro.tool)
    return (int(found[1]), int(found[2])) if found else None
