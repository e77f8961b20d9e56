"""`pkgrel repo prune`."""

from typing import Any

import click

from pkgrel.cli import candidates
from pkgrel.cli.repo.announcing import announce_options, finish
from pkgrel.cli.repo.options import (
    dry_run_option,
    json_option,
    open_repository,
    repository_argument,
    signing_options,
    store_options,
)


@click.command("prune")
@repository_argument
@click.option(
    "--keep",
    type=click.IntRange(1),
    metavar="N",
    help="Versions of each package.  [default: the channels' policies]",
)
@click.option(
    "--channel", metavar="NAME", help="Only this channel.", shell_complete=candidates.channels
)
@store_options
@signing_options
@announce_options
@dry_run_option
@json_option
def command(
    url: str,
    keep: int | None,
    channel: str | None,
    dry_run: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Keep only the newest versions of each package, for each architecture.

    A policy, `pkgrel repo set --keep stable=5`, does so with every publish.
    """
    from pkgrel.repository.remove import prune

    repository = open_repository(url, values)
    outcome = prune(repository, keep, channel, dry_run=dry_run)
    finish(repository, outcome, values, dry_run=dry_run, as_json=as_json)
