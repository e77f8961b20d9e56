"""The build images that a command line asks for."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pkgrel import console
from pkgrel.cli.targets import named
from pkgrel.errors import BuildError

if TYPE_CHECKING:
    from pkgrel.builder.recipe import Recipe
    from pkgrel.distro import Distro


def of(
    source: Path, names: tuple[str, ...], config_file: Path | None, architecture: str
) -> "list[Recipe]":
    """Those of `possible` for the project, or the toolchain, that is in SOURCE."""
    from pkgrel import config
    from pkgrel.builder.project import find
    from pkgrel.builder.recipe import for_project, recipe
    from pkgrel.builder.toolchain import read
    from pkgrel.cli.settings import document

    project = find(source)
    own = config.find_file(project.folder if project else source)
    settings = document(config_file or own, source)

    def recipe_of(row: "Distro") -> "Recipe":
        build = settings.resolve(row).build
        if project:
            return for_project(project, build, row, architecture)
        versions = {"erlang": build.erlang, "elixir": build.elixir, "nodejs": build.nodejs}
        return recipe(row, read(source, versions), architecture, build.packages, build.image)

    return list(possible(names, recipe_of).values())


def possible(
    names: tuple[str, ...], recipe_of: "Callable[[Distro], Recipe]"
) -> "dict[Distro, Recipe]":
    """The recipe of each distro that was named, and of those behind `all` that can have the tools.

    BuildError for a named one that cannot; the others are said to be left out.
    """
    from pkgrel import distro

    by_name = named(names)
    found = {}
    refused = []
    for row in distro.select(names):
        try:
            found[row] = recipe_of(row)
        except BuildError as e:
            if row in by_name:
                raise
            refused.append(e)
    if not found:
        raise refused[0]
    for error in refused:
        console.warn(f"left out: {error}")
    return found
