"""What the command line says about a build."""

from dataclasses import dataclass
from pathlib import Path

from pkgrel.config.build import Builder


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says; it counts more than [build]."""

    builder: Builder | None = None
    release: str = ""
    architecture: str = ""
    """As Docker calls it: `amd64`, `arm64`; empty: that of the daemon's machine."""
    jobs: int = 0
    """How many builds run side by side; 0: by the number of processors."""
    fresh: bool = False
    """Nothing of earlier builds is used, and nothing is kept for later ones."""
    date: int | None = None
    """SOURCE_DATE_EPOCH; by default that of the last commit."""
    left_out: tuple[Path, ...] = ()
    """Absolute folders of output, which are no sources."""
