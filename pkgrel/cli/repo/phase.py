"""`pkgrel repo phase`."""

from typing import Any

import click

from pkgrel.cli.repo.changes import change_options, finish, percentage
from pkgrel.cli.repo.options import (
    channel_option,
    distros_option,
    open_repository,
    split,
    words,
)


@click.command("phase")
@words("NAME VERSION PERCENT|stop")
@channel_option("--channel", default="stable", help="Where the version is.")
@distros_option()
@change_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    channel: str,
    distros: tuple[str, ...],
    **values: Any,
) -> None:
    """Offer a version to a part of the hosts.

    Which hosts these are follows from their machine-id: the same each time, and those of 10 percent are among
    those of 50. `stop` takes a version from all indices; hosts that have it keep it. No package is sent or
    changed.

    \b
    pkgrel publish dist/* --phase 10
    pkgrel repo phase hello 1.1.0 50
    pkgrel repo phase s3://packages.example.org hello 1.1.0 stop
    """
    from pkgrel.operations.repositories import set_phase

    url, (name, version, wanted) = split(ctx, words, 3, 3)
    percent = 0 if wanted == "stop" else percentage(ctx, wanted)
    repository = open_repository(url, values)
    outcome = set_phase(
        repository,
        name,
        version,
        percent,
        channel=channel,
        distros=distros,
        dry_run=values["dry_run"],
    )
    finish(repository, outcome, values)
