"""What is built: a mix or rebar3 project, the options of the command line, and one release of the project."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pkgrel import git
from pkgrel.config.delivery import Builder, BuildSettings
from pkgrel.errors import BuildError
from pkgrel.release.tree import LANDMARK

if TYPE_CHECKING:
    from pkgrel.builder.sources import Snapshot


class Tool(StrEnum):
    """The build tool of a project."""

    MIX = "mix"
    REBAR3 = "rebar3"


FILES = {"mix.exs": Tool.MIX, "rebar.config": Tool.REBAR3}
"""The file by which a project's tool is recognised; the first match wins."""

_UMBRELLA = re.compile(
    r"^[^#\n]*\b(?:lockfile|deps_path|build_path):\s*\"(\.\./[^\"]*)/[^/\"]+\"", re.M
)


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with sources."""

    folder: Path
    """Absolute."""
    tool: Tool

    @property
    def name(self) -> str:
        """For file names and messages."""
        return re.sub(r"[^A-Za-z0-9_.-]+", "-", self.folder.name).strip("-.") or "project"


def find(source: Path) -> Project | None:
    """The project in the folder `source`; None for a tarball or an unpacked release.

    A folder with the files of a release is a release, whatever else is in it.
    """
    if not source.is_dir() or (source / LANDMARK).is_file():
        return None
    for file, tool in FILES.items():
        if (source / file).is_file():
            project = Project(source.resolve(), tool)
            _refuse_child(project)
            return project
    return None


def _refuse_child(project: Project) -> None:
    """BuildError for an application of an umbrella, whose release is defined in a folder above."""
    if project.tool is not Tool.MIX:
        return
    text = (project.folder / "mix.exs").read_text(encoding="utf-8", errors="replace")
    found = _UMBRELLA.search(text)
    if found and (project.folder / found[1] / "mix.exs").is_file():
        root = os.path.relpath(project.folder / found[1])
        raise BuildError(
            f"{os.path.relpath(project.folder)}: is an application of the umbrella in `{root}`",
            hint=f"build that: `pkgrel build {root} --release NAME`",
        )


def source_date(project: Project) -> int | None:
    """When the project last changed, in seconds since 1970: its last commit; None without git."""
    try:
        text = git.run(project.folder, "log", "-1", "--format=%ct").line
    except git.GitError:
        return None
    return int(text) if text.isdigit() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of the command line, which override [build]."""

    builder: Builder | None = None
    release: str = ""
    architecture: str = ""
    """As Docker calls it: `amd64`, `arm64`; empty: that of the daemon's machine."""
    jobs: int = 0
    """How many builds run side by side; 0: by the number of processors."""
    fresh: bool = False
    """Use nothing from earlier builds, and keep nothing for later ones."""
    date: int | None = None
    """SOURCE_DATE_EPOCH; by default that of the last commit."""
    left_out: tuple[Path, ...] = ()
    """Absolute folders of output, which are not sources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequest:
    """One build of a release."""

    project: Project
    snapshot: Snapshot
    settings: BuildSettings
    folder: Path
    """The folder that paths in the settings are relative to."""
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
