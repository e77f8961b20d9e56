"""`pkgrel repo remove`."""

from typing import Any

import click

from pkgrel.cli.options import channel_option, distros_option, open_repository, split, words
from pkgrel.cli.repo.changes import change_options, finish


@click.command("remove")
@words("NAME [VERSION]")
@channel_option("--channel", default="stable", help="The one that changes.")
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
    """Take a version, or all versions, of a package out of a channel.

    The files stay until `pkgrel repo gc` takes them: clients with yesterday's index still ask for
    them, and `pkgrel repo rollback` brings them back.

    \b
    pkgrel repo remove s3://packages.example.org hello 1.0.0 --channel testing
    """
    from pkgrel.operations.repositories import remove

    url, (name, *version) = split(ctx, words, 1, 2)
    repository = open_repository(url, values)
    outcome = remove(
        repository,
        name,
        version[0] if version else None,
        channel=channel,
        distros=distros,
        dry_run=values["dry_run"],
    )
    finish(repository, outcome, values)
