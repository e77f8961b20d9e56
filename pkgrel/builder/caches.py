"""Named volumes that make the next build of a project quick: what Hex, rebar3 and npm fetched, and its
compiled dependencies.

Nothing in them is shared between projects: mix runs the archives of MIX_HOME, rebar3 its plugins,
npm and yarn unpacked packages, and any build can write there. So their names begin with
something that no project can choose, the folder that its user has put it into.

Every one has the label `image_inventory.CACHE`, so that `pkgrel images prune` finds it.
"""

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from pkgrel.builder.project import Project
from pkgrel.builder.recipe import Recipe
from pkgrel.builder.sources import Snapshot

_MACHINE = Path("/etc/machine-id")
"""Several machines may use one daemon, and have other projects in folders of the same name."""


@dataclass(frozen=True, slots=True)
class Caches:
    """Names of volumes, all of one project; an empty name is a volume that goes with its container."""

    downloads: str
    """Packages of Hex, rebar3 and npm, and Hex and rebar3 themselves."""
    dependencies: str
    """`deps`: for one state of the lock and the configuration, in one image."""
    build: str
    """`_build`, likewise."""

    def labels(self) -> dict[str, str]:
        """Volume that stays -> what is in it."""
        volumes = {self.downloads: "downloads", self.dependencies: "deps", self.build: "build"}
        return {name: what for name, what in volumes.items() if name}


NONE = Caches("", "", "")
"""Nothing of earlier builds, and nothing for later ones."""


def names(project: Project, recipe: Recipe, snapshot: Snapshot, mix_env: str, user: int) -> Caches:
    """The caches of a build; a change of anything that could make them wrong changes the name.

    Users do not share them: the files belong to the user id that the steps run as.
    """
    tools = recipe.toolchain
    place = f"{recipe.distro.id}-{recipe.architecture}"
    owner = (os.fsencode(project.folder).hex(), _machine(), str(user))
    fetched = _key(*owner, tools.erlang, tools.elixir, tools.nodejs)
    compiled = _key(*owner, recipe.name, snapshot.dependencies, mix_env)
    return Caches(
        downloads=f"pkgrel-{place}-downloads-{fetched}",
        dependencies=f"pkgrel-{place}-deps-{compiled}",
        build=f"pkgrel-{place}-build-{compiled}",
    )


def _machine() -> str:
    with contextlib.suppress(OSError):
        return _MACHINE.read_text().strip()
    return ""


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
