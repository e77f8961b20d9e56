"""`pkgrel repo rollback`."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
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


@click.command("rollback")
@repository_argument
@click.option(
    "--channel",
    default="stable",
    show_default=True,
    metavar="NAME",
    shell_complete=candidates.channels,
)
@click.option(
    "--to",
    "generation",
    type=click.IntRange(0),
    metavar="GENERATION",
    help="What the channel was then.  [default: before its last change]",
)
@click.option(
    "--distro",
    "distros",
    multiple=True,
    metavar="ID",
    shell_complete=candidates.distros,
    help="Only these; repeats.",
)
@click.option("--list", "listing", is_flag=True, help="Show the generations to go back to.")
@store_options
@signing_options
@announce_options
@dry_run_option
@json_option
def command(
    url: str,
    channel: str,
    generation: int | None,
    distros: tuple[str, ...],
    listing: bool,
    dry_run: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Give a channel the packages that it had before.

    It is a new generation with old contents, and can be rolled back as well. apt and dnf keep what
    they have installed: `apt install NAME=VERSION` and `dnf downgrade` follow.
    """
    from pkgrel import distro
    from pkgrel.repository.rollback import rollback, states

    repository = open_repository(url, values)
    if listing:
        found = list(states(repository, channel, distros=distro.select(distros)))
        if as_json:
            click.echo(json.dumps([asdict(state) for state in found], indent=2))
            return
        for state in found:
            moment = datetime.fromtimestamp(state.time, UTC)
            click.echo(
                f"{state.generation:>6}  {moment:%Y-%m-%d %H:%M} UTC  {state.action}  ({state.actor})"
            )
        return
    outcome = rollback(
        repository, channel, generation, distros=distro.select(distros), dry_run=dry_run
    )
    finish(repository, outcome, values, dry_run=dry_run, as_json=as_json)
