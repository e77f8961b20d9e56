"""`pkgrel repo promote`."""

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


@click.command("promote")
@words("NAME VERSION")
@click.option(
    "--from",
    "source",
    default="testing",
    show_default=True,
    metavar="CHANNEL",
    shell_complete=candidates.channels,
)
@click.option(
    "--to",
    "target",
    default="stable",
    show_default=True,
    metavar="CHANNEL",
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
@click.option(
    "--replace", is_flag=True, help="Even if the target has the version with other contents."
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
    source: str,
    target: str,
    distros: tuple[str, ...],
    replace: bool,
    dry_run: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Put a version into another channel as well, without sending it again.

    A VERSION without a revision, `1.0.0`, means all its packages, for every distro.

    \b
    pkgrel repo promote s3://packages.example.org hello 1.0.0 --from testing --to stable
    """
    from pkgrel import distro
    from pkgrel.repository.promote import promote

    url, (name, version) = split(ctx, words, 2, 2)
    repository = open_repository(url, values)
    outcome = promote(
        repository,
        name,
        version,
        source,
        target,
        distros=distro.select(distros),
        replace=replace,
        dry_run=dry_run,
    )
    finish(repository, outcome, values, dry_run=dry_run, as_json=as_json)
