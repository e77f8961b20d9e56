"""`pkgrel repo gc`."""

from dataclasses import asdict
from typing import Any

import click

from pkgrel import console
from pkgrel.cli.options import (
    dry_run_option,
    json_option,
    open_repository,
    repository_argument,
    signed_by_option,
    store_options,
)
from pkgrel.cli.outputs import emit


@click.command("gc")
@repository_argument
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=24,
    show_default=True,
    metavar="HOURS",
    help="Between noting that something is unused and deleting it.",
)
@click.option(
    "--generations",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    metavar="N",
    help="Keep what the last N states use...",
)
@click.option(
    "--days",
    type=click.FloatRange(0),
    default=7,
    show_default=True,
    metavar="N",
    help="...and the states of so many days.",
)
@store_options
@signed_by_option
@dry_run_option
@json_option
def command(
    url: str,
    grace: float,
    generations: int,
    days: float,
    dry_run: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Delete files that nobody can ask for any more.

    It takes two runs: the first notes what is unused, a later one deletes what still is. Run it
    daily. Publishing meanwhile is safe.

    \b
    pkgrel repo gc s3://packages.example.org
    """
    from pkgrel.operations.repositories import collect_garbage

    repository = open_repository(url, values)
    result = collect_garbage(
        repository, grace_hours=grace, generations=generations, days=days, dry_run=dry_run
    )
    if as_json:
        emit({**asdict(result), "dry_run": dry_run})
        return
    for key in result.deleted:
        console.out(f"- {key}")
    console.note(
        f"{'would delete' if dry_run else 'deleted'} {console.counted(len(result.deleted), 'object')}, {console.amount(result.freed)};"
        f" {len(result.waiting)} unused wait for {grace:g} hours"
    )
