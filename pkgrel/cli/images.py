"""`pkgrel images`: list, build and prune the images that projects are built in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli import Group, candidates
from pkgrel.cli.options import config_option, distro_option, separate
from pkgrel.cli.outputs import emit
from pkgrel.cli.paths import FilePath
from pkgrel.cli.tables import Row, table, wide_option

if TYPE_CHECKING:
    from pkgrel.builder.image_inventory import Image, Volume
    from pkgrel.builder.recipe import Recipe


@click.group("images", cls=Group)
def command() -> None:
    """List, make and remove the images that projects are built in.

    `pkgrel build` makes the one that it needs; these commands show and remove them, and make them
    beforehand.

    \b
    pkgrel images list
    """


@command.command("list")
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print every fact as JSON.")
def list_command(wide: bool, as_json: bool) -> None:
    """List the images, newest first, with what was read from them.

    \b
    pkgrel images list
    """
    from pkgrel.operations.images import list_images

    found = list_images()
    if as_json:
        emit([_as_json(image) for image in found])
        return
    for line in table(_rows(found), wide=wide):
        console.out(line)


@command.command("build")
@click.argument("source", type=FilePath(exists=True), default=".")
@distro_option
@config_option
@click.option(
    "--arch",
    type=click.Choice(["amd64", "arm64"]),
    help="Architecture of the images, if not that of the Docker daemon.",
)
@click.option("--pull", is_flag=True, help="Fetch the base images and build in any case.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Images side by side; default: half the cores.",
)
@click.option("--print", "show", is_flag=True, help="Print the Dockerfiles; needs no Docker.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the images, or with --print the Dockerfiles, as JSON.",
)
def build_command(
    source: Path,
    distros: tuple[str, ...],
    config_file: Path | None,
    arch: str | None,
    pull: bool,
    jobs: int | None,
    show: bool,
    as_json: bool,
) -> None:
    """Make the images for the project SOURCE.

    Their names are printed, one a line. The toolchain is that of .tool-versions, mise.toml or [build] of pkgrel.toml, or what each distro
    has. An image that is there already is not made again.

    \b
    pkgrel images build --distro debian12 --distro ubuntu24
    pkgrel images build --distro el9 --print
    """
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations.images import build_images, recipes

    terminal = Terminal()
    if show:
        wanted = recipes(source, distros, config_file, arch or "amd64", terminal)
        if as_json:
            emit([_recipe_as_json(recipe) for recipe in wanted])
        else:
            for recipe in wanted:
                console.out(f"# {recipe.name}, {recipe.architecture}\n{recipe.dockerfile}")
        return
    done = build_images(
        source,
        distros,
        config_file=config_file,
        architecture=arch or "",
        jobs=jobs or 0,
        pull=pull,
        reporter=terminal,
    )
    if as_json:
        emit([_as_json(image) for image in done.images])
    else:
        for image in done.images:
            console.out(image.name)
    for problem in done.problems[1:]:
        console.error(problem)
    if done.problems:
        raise done.problems[0]


@command.command("prune")
@click.option(
    "--older-than",
    type=click.IntRange(0),
    default=30,
    show_default=True,
    metavar="DAYS",
    help="Keep what was made later.",
)
@click.option("--all", "everything", is_flag=True, help="Remove them however new they are.")
@click.option(
    "--distro",
    "distros",
    multiple=True,
    metavar="ID",
    callback=separate,
    shell_complete=candidates.distros,
    help="Only those of this distro.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Only print what would be removed.")
@click.option("--json", "as_json", is_flag=True, help="Print what is removed as JSON.")
def prune_command(
    older_than: int, everything: bool, distros: tuple[str, ...], dry_run: bool, as_json: bool
) -> None:
    """Remove old images and caches, and what interrupted builds left.

    What a container uses stays. The names of what is removed are printed, one a line; all of it is
    made again when a build needs it.

    \b
    pkgrel images prune --older-than 7 --dry-run
    """
    from datetime import timedelta

    from pkgrel.operations.images import prune_images

    older = None if everything else timedelta(days=older_than)
    gone = prune_images(older_than=older, distros=distros, dry_run=dry_run)
    if as_json:
        emit([_thing_as_json(thing) for thing in gone])
    else:
        for thing in gone:
            console.out(thing.title)
    if dry_run:
        console.note("nothing was removed: this was a dry run")


def _rows(images: Iterable[Image]) -> Iterator[Row]:
    yield ("NAME", "ARCH", "TOOLS", "GLIBC", "GLIBCXX", "OPENSSL", "SYSTEMD", "MADE", "SIZE")
    for image in images:
        real = image.facts
        yield (
            *(image.title, image.architecture, image.tools),
            *(real.glibc, real.glibcxx, real.openssl, real.systemd),
            *(f"{image.created:%Y-%m-%d %H:%M}", console.amount(image.size)),
        )


def _as_json(image: Image) -> dict[str, Any]:
    from dataclasses import asdict

    facts = {name: str(text) for name, text in asdict(image.facts).items()}
    return {**asdict(image), "facts": facts, "created": int(image.created.timestamp())}


def _recipe_as_json(recipe: Recipe) -> dict[str, Any]:
    """With the programs that stand beside the Dockerfile, by name."""
    return {
        "name": recipe.name,
        "distro": recipe.distro.id,
        "architecture": recipe.architecture,
        "tools": recipe.tools,
        "base": recipe.base,
        "dockerfile": recipe.dockerfile,
        "files": {name: content.decode() for name, content in recipe.files.items()},
    }


def _thing_as_json(thing: Image | Volume) -> dict[str, Any]:
    from pkgrel.builder.image_inventory import Image

    kind = "image" if isinstance(thing, Image) else "volume"
    return {"kind": kind, "name": thing.title, "created": int(thing.created.timestamp())}
