"""What only .deb packages have: names, conventions, the programs of their suites.

The bytes are `writer`'s. Source: Debian Policy; deb-control(5).
"""

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from pkgrel.errors import ConfigError
from pkgrel.formats.architectures import find
from pkgrel.formats.payload import Payloads, Work
from pkgrel.package import Package, Relation, Version

SCRIPTS = {
    "before_install": "deb/preinst",
    "after_install": "deb/postinst",
    "before_remove": "deb/prerm",
    "after_remove": "deb/postrm",
}

# Debian keeps zsh's own place for zsh's packages.
ZSH_COMPLETIONS = "vendor-completions"

ASKS_ABOUT_CONFFILES = True
ENABLES_BY_PRESET = False
"""deb-systemd-helper does it, in postinst."""
HAS_GHOSTS = False

# Policy 5.6.7 and 7.1, with an architecture behind the colon.
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9-]+)?")
_VERSION = re.compile(r"(?:[0-9]{1,9}:)?[0-9][A-Za-z0-9.+~-]*(?<!-)")
"""deb-version(7); a colon in the upstream version is left out, as no archive has one."""


def manager(installer: str) -> str:
    """There is but one."""
    return "deb/apt"


def architecture(kernel: str) -> str:
    """`amd64`, or `all`; Debian Policy 5.6.8."""
    return find(kernel).deb


def downloaded(name: str, version: Version, kernel: str) -> Sequence[str]:
    """apt's archives, in which a name has the epoch, its colon escaped."""
    text = str(version).replace(":", "%3a")
    return (f"/var/cache/apt/archives/{name}_{text}_{architecture(kernel)}.deb",)


def revision(number: str, tag: str) -> str:
    """`1~debian12` sorts before `1`, so an archive's own package wins."""
    return f"{number}~{tag}"


def file_name(package: Package) -> str:
    """`name_version_architecture.deb`; an epoch is never in it, as in Debian's own archive."""
    revision = f"-{package.version.revision}" if package.version.revision else ""
    version = f"{package.version.upstream}{revision}"
    return f"{package.name}_{version}_{architecture(package.architecture)}.deb"


def program(name: str) -> Relation:
    """What brings a program, by the name of Debian's package."""
    # sudo-rs reads the same file.
    others = (Relation(name="sudo-rs"),) if name == "sudo" else ()
    return Relation(name={"aws": "awscli"}.get(name, name), alternatives=others)


def requirements() -> Iterator[Relation]:
    """What the maintainer scripts call."""
    yield Relation(name="passwd", before_install=True)


def accounts(user: str, group: str) -> Iterator[Relation]:
    """Nothing: a .deb does not provide accounts."""
    yield from ()


def refuse_relation(relation: Relation) -> None:
    """ConfigError for a name or a version that no Debian package can have."""
    for item in (relation, *relation.alternatives):
        if item.version and not _VERSION.fullmatch(item.version):
            raise ConfigError(
                f"`{item.version}` cannot be the version of a Debian package",
                hint="write `[epoch:]version[-revision]`; the version begins with a digit",
            )
        if not _NAME.fullmatch(item.name):
            raise ConfigError(
                f"`{item.name}` cannot be the name of a Debian package",
                hint="give the relations of each format in [deb] and [rpm]",
            )


def start(work: Work, payloads: Payloads) -> None:
    """Begin to compress the tree of a package that is not planned to the end."""
    from pkgrel.formats.deb import writer

    writer.start(work, payloads)


def write(package: Package, out: BinaryIO, payloads: Payloads) -> None:
    """Write the package's bytes."""
    from pkgrel.formats.deb import writer

    writer.write(package, out, payloads)
