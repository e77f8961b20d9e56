"""Named volumes that make the next build quick: what Hex, rebar3 and npm fetched, and a project's
compiled dependencies.

Every one has the label CACHE, so that `pkgrel images prune` finds it.
"""

import hashlib
from dataclasses import dataclass

from pkgrel.builder.recipe import Recipe
from pkgrel.builder.source import Snapshot

CACHE = "io.pkgrel.cache"
"""Label of a volume; its value says what is in it."""


@dataclass(frozen=True, slots=True)
class Caches:
    """Names of volumes."""

    downloads: str
    """Shared by all projects: packages of Hex, rebar3 and npm, and Hex and rebar3 themselves."""
    dependencies: str
    """`deps`: for one state of the lock and the configuration, in one image."""
    build: str
    """`_build`, likewise."""

    def labels(self) -> dict[str, str]:
        """Volume -> what is in it."""
        return {self.downloads: "downloads", self.dependencies: "deps", self.build: "build"}


def names(project: str, recipe: Recipe, snapshot: Snapshot, mix_env: str, user: int) -> Caches:
    """The caches of a build; a change of anything that could make them wrong changes the name.

    Projects of one name share them one after the other, which is slower and not wrong.
    Users do not share them: the files belong to the user id that the steps run as.
    """
    tools = recipe.toolchain
    place = f"{recipe.distro.id}-{recipe.architecture}"
    shared = _key(tools.erlang, tools.elixir, tools.nodejs, str(user))
    own = _key(project, recipe.name, snapshot.dependencies, mix_env, str(user))
    return Caches(
        downloads=f"pkgrel-{place}-downloads-{shared}",
        dependencies=f"pkgrel-{place}-deps-{own}",
        build=f"pkgrel-{place}-build-{own}",
    )


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
