"""`pkgrel images`: makes, lists and removes the images that projects are built in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pkgrel import config, distro
from pkgrel.builder import docker_daemon, image_builder, image_inventory
from pkgrel.builder.image_inventory import Image, Volume
from pkgrel.builder.project import find
from pkgrel.builder.recipe import Recipe, for_project, recipe_for
from pkgrel.builder.toolchain import read
from pkgrel.distro import Distro
from pkgrel.errors import BuildError, PkgrelError
from pkgrel.operations.targets import named
from pkgrel.reporter import SILENT, Reporter


@dataclass(frozen=True, slots=True)
class BuiltImages:
    """Images that exist now, and the errors of others."""

    images: tuple[Image, ...]
    problems: tuple[PkgrelError, ...]


def list_images() -> list[Image]:
    """All build images of the Docker daemon, newest first."""
    with docker_daemon.connected() as client:
        return image_inventory.find_all(client)


def build_images(
    source: Path,
    names: Sequence[str],
    *,
    config_file: Path | None = None,
    architecture: str = "",
    jobs: int = 0,
    pull: bool = False,
    reporter: Reporter = SILENT,
) -> BuiltImages:
    """Make the images for a project that do not exist yet; with `pull` all of them.

    An empty `architecture` means that of the Docker daemon. `jobs` at a time; 0: by the number of processors.
    """
    if not architecture:
        with docker_daemon.connected() as client:
            architecture = docker_daemon.architecture(client)
    wanted = recipes(source, names, config_file, architecture, reporter)
    images, problems = image_builder.ensure_all(wanted, reporter, jobs=jobs, force=pull)
    return BuiltImages(tuple(images), tuple(problems))


def prune_images(
    *, older_than: timedelta | None, distros: Sequence[str] = (), dry_run: bool = False
) -> list[Image | Volume]:
    """Remove images and caches that are older, or all of them, and what interrupted builds left."""
    wanted = {row.id for row in distro.select(distros)}
    before = None if older_than is None else datetime.now(UTC) - older_than
    with docker_daemon.connected() as client:
        old = image_inventory.prunable(client, before, wanted)
        return old if dry_run else image_inventory.remove(client, old)


def recipes(
    source: Path,
    names: Sequence[str],
    config_file: Path | None,
    architecture: str,
    reporter: Reporter,
) -> list[Recipe]:
    """The recipes of `possible` for the project or toolchain in SOURCE."""
    project = find(source)
    found = config.find_file(project.folder if project else source)
    settings = config.of(source, config_file or found)

    def recipe_of(row: Distro) -> Recipe:
        build = settings.resolve(row).build
        if project:
            return for_project(project, build, row, architecture, settings.folder)
        versions = {"erlang": build.erlang, "elixir": build.elixir, "nodejs": build.nodejs}
        return recipe_for(row, read(source, versions), architecture, build.packages, build.image)

    return list(possible(names, recipe_of, reporter).values())


def possible(
    names: Sequence[str], recipe_of: Callable[[Distro], Recipe], reporter: Reporter
) -> dict[Distro, Recipe]:
    """The recipe of each distro that was named, and for `all` of those that can have the tools.

    BuildError for a named one that cannot; the others are reported as left out.
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
