"""`pkgrel repo prune`."""

from typing import Any

import click

from pkgrel.cli.options import channel_option, open_repository, repository_argument
from pkgrel.cli.repo.changes import change_options, finish


@click.command("prune")
@repository_argument
@click.option(
    "--keep",
    type=click.IntRange(1),
    metavar="N",
    help="Versions of each package.  [default: the channels' policies]",
)
@channel_option("--channel", help="Only this channel.")
@change_options
def command(
    url: str,
    keep: int | None,
    channel: str | None,
    **values: Any,
) -> None:
    """Keep only the newest versions of each package.

    Of each architecture by itself. A policy, `pkgrel repo set --keep stable=5`, does so with every
    publish.

    \b
    pkgrel repo prune s3://packages.example.org --keep 5 --channel testing
    """
    from pkgrel.operations.repositories import prune

    repository = open_repository(url, values)
    outcome = prune(repository, keep, channel=channel, dry_run=values["dry_run"])
    finish(repository, outcome, values)
