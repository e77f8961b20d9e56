"""What a build image really has, read from the image and held against the table of distros."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pkgrel.distro import Distro

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Versions as `Distro` has them; empty where the image has no such thing."""

    glibc: str = ""
    glibcxx: str = ""
    cxxabi: str = ""
    openssl: str = ""
    libcrypto: str = ""
    systemd: str = ""
    architecture: str = ""
    """The kernel's name: `x86_64`, `aarch64`."""


def read(client: "DockerClient", image: str) -> Facts:
    """Run a small script in the image; BuildError if it cannot be run."""
    raise NotImplementedError


def drift(distro: Distro, facts: Facts) -> tuple[str, ...]:
    """Sentences that say where the image differs from the table."""
    raise NotImplementedError


def actual(distro: Distro, facts: Facts) -> Distro:
    """The distro with the image's numbers."""
    raise NotImplementedError
