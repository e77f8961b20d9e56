"""`pkgrel build` of a project: first a release for each distro, then its packages."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pkgrel import console
from pkgrel.errors import PkgrelError, PlanError

if TYPE_CHECKING:
    from pkgrel.builder.options import Options
    from pkgrel.builder.project import Project
    from pkgrel.builder.recipe import Recipe
    from pkgrel.builder.releases import Outcome
    from pkgrel.config import Document
    from pkgrel.distro import Distro
    from pkgrel.package import Package

Made = tuple["Package", Path]
Write = Callable[[Path, tuple[str, ...], Mapping[str, "Distro"], int], Iterator[Made]]
"""Packages of a tarball for distros by name, with the rows that were measured and the build time."""


def packages(
    project: "Project",
    settings: "Document",
    distro_names: tuple[str, ...],
    options: "Options",
    write: Write,
) -> Iterator[Made]:
    """Build, then package what could be built; what failed is said, and the last of it raised."""
    from pkgrel.builder import releases

    rows = _rows(project, settings, distro_names, options)
    _refuse_hopeless(settings, rows, distro_names)
    failures: list[PkgrelError] = []
    with releases.built(project, settings, rows, options) as outcomes:
        for outcome in outcomes:
            try:
                yield from _packages(project, outcome, distro_names, write)
            except PkgrelError as e:
                failures.append(e)
    for failure in failures[:-1]:
        console.error(failure)
    if failures:
        raise failures[-1]


def _rows(
    project: "Project", settings: "Document", distro_names: tuple[str, ...], options: "Options"
) -> tuple["Distro", ...]:
    """The distros to build for; `all` stands for those whose image can have the project's tools."""
    from pkgrel import distro
    from pkgrel.builder import releases
    from pkgrel.builder.recipe import for_project
    from pkgrel.cli import recipes, targets
    from pkgrel.config.build import Builder

    everything = targets.ALL in map(str.lower, distro_names)
    if not everything or releases.builder(settings, options) is Builder.HOST:
        return distro.select(distro_names)

    def recipe_of(row: "Distro") -> "Recipe":
        architecture = options.architecture or "amd64"  # no choice depends on it
        return for_project(project, settings.resolve(row).build, row, architecture)

    return tuple(recipes.possible(distro_names, recipe_of))


def _refuse_hopeless(
    settings: "Document", rows: tuple["Distro", ...], distro_names: tuple[str, ...]
) -> None:
    """Raise what is wrong with pkgrel.toml for a distro that was named, or for all of them."""
    from pkgrel.cli import targets
    from pkgrel.plan.rehearsal import refusal

    for row in targets.named(distro_names):
        if why := refusal(settings, row):
            raise why
    first, *others = rows
    if (why := refusal(settings, first)) and all(refusal(settings, row) for row in others):
        raise why


def _packages(
    project: "Project", outcome: "Outcome", distro_names: tuple[str, ...], write: Write
) -> Iterator[Made]:
    if outcome.file is None:
        raise outcome.error or PlanError(f"{project.folder}: nothing was built")
    for sentence in outcome.drift:
        console.warn(sentence)
    measured = {row.id: row for row in outcome.distros} if outcome.measured else {}
    # Each image builds for its own distro; this machine for whatever can run the result.
    names = tuple(measured) or distro_names
    try:
        yield from write(outcome.file, names, measured, outcome.date)
    except PkgrelError as e:
        raise _about(e, str(outcome.file), project, tuple(measured)) from e


def _about(
    error: PkgrelError, file: str, project: "Project", built_for: tuple[str, ...]
) -> PkgrelError:
    """The same error, about the project instead of a temporary file."""
    name = f"{os.path.relpath(project.folder)}{f' for {built_for[0]}' if built_for else ''}"
    hint = error.hint
    if built_for and isinstance(error, PlanError) and "cannot run" in str(error):
        hint = (
            "what is named was not compiled in the image: see that the dependency that brings it is built from "
            "source, or bring it up to the distro"
        )
    elif hint and not built_for:
        hint = hint.replace("` in the mix project", " --builder docker`")
    return type(error)(str(error).replace(file, name), hint=hint)


def refuse_options(options: "Options") -> None:
    """PlanError for an option that only a project can follow."""
    from pkgrel.builder.options import Options

    given = replace(options, builder=None, date=None, left_out=())
    if given != Options():
        raise PlanError(
            "--release, --arch and --jobs are for a project, and SOURCE is a release",
            hint="leave them out, or give the folder with mix.exs",
        )
