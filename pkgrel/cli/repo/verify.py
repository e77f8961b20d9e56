"""`pkgrel repo verify`."""

from typing import Any

import click

from pkgrel import console
from pkgrel.cli.options import (
    json_option,
    open_repository,
    reading_options,
    repository_argument,
    signed_by_option,
)
from pkgrel.cli.outputs import emit


@click.command("verify")
@repository_argument
@click.option("--quick", is_flag=True, help="Go by the sizes of packages instead of reading them.")
@reading_options
@signed_by_option
@json_option
def command(url: str, quick: bool, as_json: bool, **values: Any) -> None:
    """Check every hash, size and signature.

    And the indices against what they are made from. Exit 1 if something is wrong. `pkgrel repo sync`
    mends what can be made again.

    \b
    pkgrel repo verify s3://packages.example.org --quick
    """
    from pkgrel.cli.terminal import Terminal
    from pkgrel.errors import RepositoryError
    from pkgrel.operations.repositories import remedy, verify

    repository = open_repository(url, values, tolerant=True)
    result = verify(repository, quick=quick, reporter=Terminal())
    if as_json:
        emit(result)
    else:
        for problem in result.problems:
            console.out(problem)
    if result.problems:
        raise RepositoryError(
            f"{url}: {console.counted(len(result.problems), 'problem')}",
            hint=remedy(repository, result),
        )
    console.note(
        f"all is well: generation {result.generation}, {console.counted(result.packages, 'package')},"
        f" {console.counted(len(result.orphans), 'unused object')}"
    )
