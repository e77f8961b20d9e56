"""`pkgrel repo sync`."""

from typing import Any

import click

from pkgrel import console
from pkgrel.cli.options import open_repository, repository_argument
from pkgrel.cli.outputs import emit
from pkgrel.cli.repo.changes import change_options, line


@click.command("sync")
@repository_argument
@click.option(
    "--refresh", is_flag=True, help="Write all indices anew, with a new date: for --valid-days."
)
@click.option(
    "--adopt",
    is_flag=True,
    help="Sign what is there, as it is: once, if an earlier pkgrel has made the repository.",
)
@change_options
def command(
    url: str, refresh: bool, adopt: bool, dry_run: bool, as_json: bool, **values: Any
) -> None:
    """Finish what a killed job began.

    Nothing is ever half published, but what a job has published may not be visible yet when it is
    killed. The next publish finishes it; so does this.

    \b
    pkgrel repo sync s3://packages.example.org --signing-key key.asc
    """
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations import repositories
    from pkgrel.operations.publishing import announce

    repository = open_repository(url, values, tolerant=adopt)
    adopted: tuple[str, ...] = ()
    if adopt:
        for each in () if as_json else repositories.list_packages(repository):
            console.out(line(each.place, each.record))
        adopted = repositories.adopt(repository, dry_run=dry_run, reporter=Terminal()).pointers
    result = repositories.sync(repository, refresh=refresh, dry_run=dry_run)
    if as_json:
        emit(result)
    else:
        for key in dict.fromkeys((*result.missing, *result.refused, *result.pointers)):
            console.out(key)
    if not result.anew and not result.pointers:
        console.note("nothing to do")
    elif dry_run:
        what = "all indices would be written anew" if result.anew else "these would be written"
        console.note(f"{what}; nothing was changed: --dry-run")
    changed = () if dry_run else tuple(dict.fromkeys((*adopted, *result.pointers)))
    announce(repository, changed, command=values["after"], cloudfront=values["cloudfront"])
