"""The build images that are asked for."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pkgrel import config, distro
from pkgrel.builder.project import find
from pkgrel.builder.recipe import Recipe, for_project, recipe
from pkgrel.builder.toolchain import read
from pkgrel.distro import Distro
from pkgrel.errors import BuildError
from pkgrel.operations.targets import named
from pkgrel.reporter import Reporter


def recipes(
    source: Path,
    names: Sequence[str],
    config_file: Path | None,
    architecture: str,
    reporter: Reporter,
) -> list[Recipe]:
    """Those of `possible` for the project, or the toolchain, that is in SOURCE."""
    project = find(source)
    own = config.find_file(project.folder if project else source)
    settings = config.of(source, config_file or own)

    def recipe_of(row: Distro) -> Recipe:
        build = settings.resolve(row).build
        if project:
            return for_project(project, build, row, architecture)
        versions = {"erlang": build.erlang, "elixir": build.elixir, "nodejs": build.nodejs}
        return recipe(row, read(source, versions), architecture, build.packages, build.image)

    return list(possible(names, recipe_of, reporter).values())


def possible(
    names: Sequence[str], recipe_of: Callable[[Distro], Recipe], reporter: Reporter
) -> dict[Distro, Recipe]:
    """The recipe of each distro that was named, and of those behind `all` that can have the tools.

    BuildError for a named one that cannot; the others are said to be left out.
    """
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
        reporter.warn(f"left out: {error}")
    return found
