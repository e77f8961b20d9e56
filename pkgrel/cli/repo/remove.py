"""`pkgrel repo remove`."""

from typing import Any

import click

from pkgrel.cli import candidates
from pkgrel.cli.repo.announcing import announce_options, finish
from pkgrel.cli.repo.arguments import split, words
from pkgrel.cli.repo.options import (
    dry_run_option,
    json_option,
    open_repository,
    signing_options,
    store_options,
)


@click.command("remove")
@words("NAME [VERSION]")
@click.option(
    "--channel",
    default="stable",
    show_default=True,
    metavar="NAME",
    shell_complete=candidates.channels,
)
@click.option(
    "--distro",
    "distros",
    multiple=True,
    metavar="ID",
    shell_complete=candidates.distros,
    help="Only these; repeats.",
)
@store_options
@signing_options
@announce_options
@dry_run_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    channel: str,
    distros: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Take a version, or all versions, of a package out of a channel.

    The files stay until `pkgrel repo gc` takes them: clients with yesterday's index still ask for
    them, and `pkgrel repo rollback` brings them back.
    """
    from pkgrel import distro
    from pkgrel.repository.remove import remove

    url, (name, *version) = split(ctx, words, 1, 2)
    repository = open_repository(url, values)
    outcome = remove(
        repository,
        name,
        version[0] if version else None,
        channel,
        distros=distro.select(distros),
        dry_run=dry_run,
    )
    finish(repository, outcome, values, dry_run=dry_run, as_json=as_json)
