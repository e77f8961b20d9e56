"""What is to be built, and the way that all builds go: sources in, steps, release out."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pkgrel.builder import kept, mix, rebar, tarball
from pkgrel.builder.project import Project, Tool
from pkgrel.builder.secrets import Secrets
from pkgrel.builder.source import Snapshot
from pkgrel.builder.toolchain import Toolchain
from pkgrel.builder.workplace import Environment, Places, Workplace, variables
from pkgrel.config.build import BuildSettings

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
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
    order: Order, places: Places, secrets: Secrets, more: Mapping[str, str] | None = None
) -> Environment:
    """What the steps find in their environment; `more` are variables of the workplace."""
    settings = order.settings
    own = variables(places, settings.mix_env, order.snapshot.date, settings.environment)
    # All that the project's code may depend on, as a digest: it is kept beside what was compiled.
    state = hashlib.sha256(order.snapshot.digest.encode())
    for name, value in sorted({**own, **secrets.variables}.items()):
        if name not in ("PKGREL_RELEASE", "PKGREL_SECRETS"):
            state.update(f"\0{name}={value}".encode(errors="surrogateescape"))
    marks = {
        "PKGREL_SOURCE": state.hexdigest(),
        "PKGREL_DEPENDENCIES": order.snapshot.dependencies,
    }
    return Environment({**(more or {}), **own, **marks}, secrets.variables)


def carry_out(order: Order, place: Workplace, wanted: Toolchain, say: Say) -> None:
    """Build the sources that are in the workplace, and write the release to the order's file."""
    kept.begin(place, order.project.tool)
    if order.project.tool is Tool.MIX:
        mix.build(place, order.settings, order.snapshot.locked, wanted, say)
    else:
        rebar.build(place, order.settings, say)
    kept.finish(place)
    say("take the release out")
    tarball.take(place, order.file, order.snapshot.date)
