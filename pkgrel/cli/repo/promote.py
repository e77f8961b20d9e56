"""`pkgrel repo promote`."""

from typing import Any

import click

from pkgrel.cli.options import channel_option, distros_option, open_repository, split, words
from pkgrel.cli.repo.changes import change_options, finish, phase_option


@click.command("promote")
@words("NAME VERSION")
@channel_option(
    "--from", "source", default="testing", metavar="CHANNEL", help="Where the version is."
)
@channel_option(
    "--to", "target", default="stable", metavar="CHANNEL", help="Where it goes, as well."
)
@distros_option()
@click.option(
    "--replace", is_flag=True, help="Even if the target has the version with other contents."
)
@phase_option
@change_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    source: str,
    target: str,
    distros: tuple[str, ...],
    replace: bool,
    phase: int | None,
    **values: Any,
) -> None:
    """Put a version into another channel as well.

    Nothing is sent again. A VERSION without a revision, `1.0.0`, means all its packages, for every
    distro.

    \b
    pkgrel repo promote s3://packages.example.org hello 1.0.0 --from testing --to stable
    pkgrel repo promote hello 1.1.0 --phase 10
    """
    from pkgrel.operations.repositories import promote

    url, (name, version) = split(ctx, words, 2, 2)
    repository = open_repository(url, values)
    outcome = promote(
        repository,
        name,
        version,
        source=source,
        target=target,
        distros=distros,
        phase=phase,
        replace=replace,
        dry_run=values["dry_run"],
    )
    finish(repository, outcome, values, notifies=True)
