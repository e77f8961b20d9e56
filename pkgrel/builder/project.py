"""What a folder is that is to be built: a mix project, or one of rebar3."""

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pkgrel import git
from pkgrel.errors import BuildError
from pkgrel.release.tree import LANDMARK


class Tool(StrEnum):
    """What builds a project."""

    MIX = "mix"
    REBAR3 = "rebar3"


FILES = {"mix.exs": Tool.MIX, "rebar.config": Tool.REBAR3}
"""The file that makes a folder a project of a tool; the first wins."""

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

    A folder with what every release has is one, whatever else is in it.
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
    """An application of an umbrella has its dependencies, and the release, in a folder above."""
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
