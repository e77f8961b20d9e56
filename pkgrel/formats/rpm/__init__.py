"""What only .rpm packages have: names, conventions, what their distros call things.

The bytes are `writer`'s. Source: rpm-packaging(7); the packaging guidelines of Fedora and openSUSE.
"""

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from pkgrel.errors import ConfigError
from pkgrel.formats.architectures import find
from pkgrel.formats.payload import Payloads, Work
from pkgrel.formats.rpm import metadata
from pkgrel.package import Package, Relation, Version

SCRIPTS = {
    "before_install": "rpm/pre",
    "after_install": "rpm/post",
    "before_remove": "rpm/preun",
    "after_remove": "rpm/postun",
    "after_transaction": "rpm/posttrans",
}

_EVR = re.compile(r"(?:[0-9]{1,10}:)?[^:-]+(?:-[^:-]+)?")

ZSH_COMPLETIONS = "site-functions"


ASKS_ABOUT_CONFFILES = False
ENABLES_BY_PRESET = True
HAS_GHOSTS = True


def architecture(kernel: str) -> str:
    """`x86_64`, or `noarch`."""
    return find(kernel).rpm


def manager(installer: str) -> str:
    """With yum it refuses by the same words as where dnf is missing."""
    return "rpm/zypper" if installer == "zypper" else "rpm/dnf"


def downloaded(name: str, version: Version, kernel: str) -> Sequence[str]:
    """The caches of dnf 4 and 5, a folder for each repository, and of zypper, which goes up with a `../` in a path."""
    file = f"{name}-{version.upstream}-{version.revision}.{architecture(kernel)}.rpm"
    folders = ("dnf/*/packages", "libdnf5/*/packages", "zypp/packages/*", "zypp/pool/*")
    return tuple(f"/var/cache/{folder}/{file}" for folder in folders)


def revision(number: str, tag: str) -> str:
    """`1.el9`, as is RPM's custom."""
    return f"{number}.{tag}"


def file_name(package: Package) -> str:
    """`name-version-release.architecture.rpm`; an epoch is never in it."""
    return f"{metadata.name_version_release(package)}.{architecture(package.architecture)}.rpm"


def program(name: str) -> Relation:
    """A program by its path: the names of packages differ between the families."""
    return Relation(name=f"/usr/bin/{name}")


def requirements() -> Iterator[Relation]:
    """What the scriptlets call."""
    yield Relation(name="/usr/sbin/useradd", before_install=True)
    yield Relation(name="systemd")


def accounts(user: str, group: str) -> Iterator[Relation]:
    """rpm 4.19 asks for the owners of files and takes sysusers.d as the answer."""
    yield Relation(name=f"user({user})")
    yield Relation(name=f"group({group})")


def refuse_relation(relation: Relation) -> None:
    """ConfigError for a version that rpm and dnf read in two ways; names can be of all kinds."""
    for item in (relation, *relation.alternatives):
        if item.version and not _EVR.fullmatch(item.version):
            raise ConfigError(
                f"`{item.version}` is not a version that all of rpm's tools read in one way",
                hint="write `[epoch:]version[-release]`",
            )


def start(work: Work, payloads: Payloads) -> None:
    """Begin to compress the tree of a package that is not planned to the end."""
    from pkgrel.formats.rpm import writer

    writer.start(work, payloads)


def write(package: Package, out: BinaryIO, payloads: Payloads) -> None:
    """Write the package's bytes."""
    from pkgrel.formats.rpm import writer

    writer.write(package, out, payloads)
