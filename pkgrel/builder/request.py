"""What is to be built: what the command line says, and one release of a project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pkgrel.config.delivery import Builder, BuildSettings

if TYPE_CHECKING:
    # Who packages a tarball needs no builder.
    from pkgrel.builder.project import Project
    from pkgrel.builder.sources import Snapshot


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
    """Absolute folders of output, which are not sources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequest:
    """A build that is wanted."""

    project: Project
    snapshot: Snapshot
    settings: BuildSettings
    folder: Path
    """What the paths in the settings are relative to."""
    architecture: str = ""
    """As Docker calls it; empty: the daemon's own."""
    fresh: bool = False
    """Nothing of earlier builds is used, and nothing is kept for later ones."""
    file: Path
    """Where the tarball goes."""

    def log_name(self, where: str) -> str:
        """The name of its log; `where` is the distro or this machine."""
        architecture = f"-{self.architecture}" if self.architecture else ""
        return f"{self.project.name}-{where}{architecture}"
