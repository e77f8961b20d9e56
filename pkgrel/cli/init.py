"""`pkgrel init`."""

from pathlib import Path

import click

from pkgrel import console
from pkgrel.cli.options import json_option
from pkgrel.cli.outputs import emit
from pkgrel.cli.paths import FilePath


@click.command("init")
@click.argument("folder", type=FilePath(file_okay=False), default=".")
@json_option
def command(folder: Path, as_json: bool) -> None:
    """Write a commented pkgrel.toml from what is in FOLDER.

    Summary, description, homepage, licence and maintainer are taken from mix.exs or the .app.src of a rebar3 project, the
    maintainer otherwise from git; what the release needs and how
    its database migrates, from the release in _build/prod, or from the project's sources. An existing
    file is never touched. FOLDER is this one by default.

    \b
    pkgrel init
    pkgrel init ../shop
    """
    from pkgrel.operations.projects import init, next_step

    written = init(folder)
    if as_json:
        emit({"path": str(written)})
    else:
        console.out(str(written))
    console.note(next_step(folder))
