"""`pkgrel repo sync`."""

import json
from dataclasses import asdict
from typing import Any

import click

from pkgrel import console
from pkgrel.cli.repo.announcing import change_options, tell
from pkgrel.cli.repo.options import open_repository, repository_argument


@click.command("sync")
@repository_argument
@click.option(
    "--refresh", is_flag=True, help="Write all indices anew, with a new date: for --valid-days."
)
@change_options
def command(url: str, refresh: bool, dry_run: bool, as_json: bool, **values: Any) -> None:
    """Finish what a killed job began.

    Nothing is ever half published, but what a job has published may not be visible yet when it is
    killed. The next publish finishes it; so does this.

    \b
    pkgrel repo sync s3://packages.example.org --signing-key key.asc
    """
    from pkgrel.repository.sync import sync

    repository = open_repository(url, values)
    result = sync(repository, refresh=refresh, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(asdict(result), indent=2))
    else:
        for key in (*result.missing, *result.pointers):
            click.echo(key)
    if not result.anew and not result.pointers:
        console.note("nothing to do")
    elif dry_run:
        what = "all indices would be written anew" if result.anew else "these would be written"
        console.note(f"{what}; nothing was changed: --dry-run")
    tell(repository, () if dry_run else result.pointers, values)
