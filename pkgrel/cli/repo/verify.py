"""`pkgrel repo verify`."""

import json
from dataclasses import asdict
from typing import Any

import click

from pkgrel import console
from pkgrel.cli.repo.amounts import counted
from pkgrel.cli.repo.options import (
    json_option,
    open_repository,
    repository_argument,
    say_what_was_believed,
    signed_by_option,
    store_options,
)

_RESTORE = (
    "restore these objects from a backup; or take damaged packages out with `pkgrel repo remove`, and"
    " publish them again"
)

_ADOPT = (
    "if an earlier pkgrel made it, and nothing else is wrong, take it over once: `pkgrel repo sync --adopt`;"
    " or else restore the object"
)


@click.command("verify")
@repository_argument
@click.option("--quick", is_flag=True, help="Go by the sizes of packages instead of reading them.")
@store_options
@signed_by_option
@json_option
def command(url: str, quick: bool, as_json: bool, **values: Any) -> None:
    """Check every hash, size and signature.

    And the indices against what they are made from. Exit 1 if something is wrong. `pkgrel repo sync`
    mends what can be made again.

    \b
    pkgrel repo verify s3://packages.example.org --quick
    """
    from pkgrel.errors import RepositoryError
    from pkgrel.repository.verify import verify

    repository = open_repository(url, values, tolerant=True)
    result = verify(repository, quick=quick)
    if as_json:
        click.echo(json.dumps(asdict(result), indent=2))
    else:
        for problem in result.problems:
            console.out(problem)
    say_what_was_believed(repository)
    if result.problems:
        raise RepositoryError(
            f"{url}: {counted(len(result.problems), 'problem')}",
            hint=_ADOPT
            if repository.trust.complaints
            else _RESTORE
            if result.lost
            else "run `pkgrel repo sync`, and then this again",
        )
    console.note(
        f"all is well: generation {result.generation}, {counted(result.packages, 'package')},"
        f" {counted(len(result.orphans), 'unused object')}"
    )
