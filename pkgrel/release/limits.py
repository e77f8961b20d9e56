"""What is allowed at most: a tarball is hostile until it is proven otherwise.

Each number is far above what a release needs, and low enough that a laptop survives the attempt.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds, in bytes if nothing else is said."""

    entries: int = 100_000
    """Files, directories and links, with the directories that are only implied."""
    unpacked: int = 64 << 30
    """Bytes that a compressed tarball may become."""
    ratio: int = 200
    """Unpacked bytes for each compressed one; a release has 2 to 5, a bomb has 1000."""
    unpacked_anyway: int = 64 << 20
    """So much may come out at any ratio."""
    xz_memory: int = 80 << 20
    """Memory of the xz decoder: enough for `xz -9`, whose dictionary is 64 MiB."""
    path: int = 1024
    """A quarter of PATH_MAX: 100,000 names must fit into memory."""
    name: int = 255
    """NAME_MAX of every file system that matters."""
    extended_header: int = 1 << 20
    """All pax records of one member, or one GNU long name."""
    time: int = (1 << 32) - 1
    """Seconds: what RPM's FILEMTIMES can say."""
    text: int = 4 << 20
    """A file that must be read whole to understand the release: `.rel`, `vm.args`, a script."""


LIMITS = Limits()
