"""`pkgrel init`."""

from pathlib import Path

import click

from pkgrel import console


@click.command("init")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
def command(folder: Path) -> None:
    """Write a commented pkgrel.toml from what is in FOLDER.

    The maintainer is taken from git, summary and homepage from mix.exs; what the release needs and how
    its database migrates, from the release in _build/prod, or from the project's sources. An existing
    file is never touched. FOLDER is this one by default.

    \b
    pkgrel init
    pkgrel init ../shop
    """
    from pkgrel.operations.projects import init

    console.out(str(init(folder)))
