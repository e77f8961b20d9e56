"""`pkgrel repo rollback`."""

from typing import Any

import click

from pkgrel import console
from pkgrel.cli.outputs import emit
from pkgrel.cli.repo.changes import change_options, finish
from pkgrel.cli.repo.options import (
    channel_option,
    distros_option,
    open_repository,
    repository_argument,
)


@click.command("rollback")
@repository_argument
@channel_option("--channel", default="stable", help="The one that changes.")
@click.option(
    "--to",
    "generation",
    type=click.IntRange(0),
    metavar="GENERATION",
    help="What the channel was then.  [default: before its last change]",
)
@distros_option()
@click.option("--list", "listing", is_flag=True, help="Show the generations to go back to.")
@change_options
def command(
    url: str,
    channel: str,
    generation: int | None,
    distros: tuple[str, ...],
    listing: bool,
    **values: Any,
) -> None:
    """Give a channel the packages that it had before.

    It is a new generation with old contents, and can be rolled back as well. apt and dnf keep what
    they have installed: `NAME rollback VERSION` follows, or `dnf downgrade`.

    \b
    pkgrel repo rollback --list
    pkgrel repo rollback --channel testing --to 12 --dry-run
    """
    from datetime import UTC, datetime

    from pkgrel.operations.repositories import generations, rollback

    repository = open_repository(url, values)
    if listing:
        found = generations(repository, channel, distros=distros)
        if values["as_json"]:
            emit(found)
            return
        for state in found:
            moment = datetime.fromtimestamp(state.time, UTC)
            console.out(
                f"{state.generation:>6}  {moment:%Y-%m-%d %H:%M} UTC  {state.action}  ({state.actor})"
            )
        return
    outcome = rollback(repository, channel, generation, distros=distros, dry_run=values["dry_run"])
    finish(repository, outcome, values)
