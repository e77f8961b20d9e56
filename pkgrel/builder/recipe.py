"""How a build image is made: the Dockerfile for a distro and a toolchain, and what stands beside it."""

from collections.abc import Mapping
from dataclasses import dataclass

from pkgrel.builder.toolchain import Toolchain
from pkgrel.distro import Distro


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a build image is made from; equal recipes make one image."""

    distro: Distro
    toolchain: Toolchain
    architecture: str
    """As Docker and Debian call it: `amd64`, `arm64`."""
    dockerfile: str
    files: Mapping[str, bytes]
    """The build context: file name -> contents."""

    @property
    def name(self) -> str:
        """`pkgrel/DISTRO:HASH of everything in it`."""
        raise NotImplementedError


def recipe(
    distro: Distro,
    toolchain: Toolchain,
    architecture: str,
    packages: tuple[str, ...] = (),
    image: str = "",
) -> Recipe:
    """Choose how each tool is installed and write the Dockerfile."""
    raise NotImplementedError
