"""What is to be built, and the way that all builds go: sources in, steps, release out."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pkgrel.builder import executor as executors
from pkgrel.builder import mix, rebar3
from pkgrel.builder.executor import Environment, Executor, Places, variables
from pkgrel.builder.project import Project, Tool
from pkgrel.builder.secrets import Secrets
from pkgrel.builder.sources import Snapshot
from pkgrel.builder.toolchain import Toolchain
from pkgrel.config.build import Builder, BuildSettings


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


Say = Callable[[str], None]


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


def environment(
    request: ReleaseRequest, places: Places, secrets: Secrets, more: Mapping[str, str] | None = None
) -> Environment:
    """What the steps find in their environment; `more` are variables of the executor."""
    settings = request.settings
    environment = variables(places, settings.mix_env, request.snapshot.date, settings.environment)
    # All that the project's code may depend on, as a digest: it is kept beside what was compiled.
    state = hashlib.sha256(request.snapshot.digest.encode())
    for name, value in sorted({**environment, **secrets.variables}.items()):
        if name not in ("PKGREL_RELEASE", "PKGREL_SECRETS"):
            state.update(f"\0{name}={value}".encode(errors="surrogateescape"))
    marks = {
        "PKGREL_SOURCE": state.hexdigest(),
        "PKGREL_DEPENDENCIES": request.snapshot.dependencies,
    }
    return Environment({**(more or {}), **environment, **marks}, secrets.variables)


def execute(request: ReleaseRequest, executor: Executor, wanted: Toolchain, say: Say) -> None:
    """Build the sources that are in the executor, and write the release to the request's file."""
    executors.open_cache(executor, request.project.tool)
    if request.project.tool is Tool.MIX:
        mix.build(executor, request.settings, request.snapshot.locked, wanted, say)
    else:
        rebar3.build(executor, request.settings, say)
    executors.close_cache(executor)
    say("take the release out")
    executors.take_release(executor, request.file, request.snapshot.date)
