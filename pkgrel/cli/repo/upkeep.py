"""`pkgrel repo verify`, `sync`, `gc` and `doctor`: maintain a repository."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli.options import (
    dry_run_option,
    json_option,
    open_repository,
    reading_options,
    repository_argument,
    signed_by_option,
    signing_options,
    store_options,
)
from pkgrel.cli.outputs import emit
from pkgrel.cli.repo.changes import change_options, line

if TYPE_CHECKING:
    from pkgrel.repository.doctor import Finding


@click.command("verify")
@repository_argument
@click.option("--quick", is_flag=True, help="Go by the sizes of packages instead of reading them.")
@reading_options
@signed_by_option
@json_option
def verify_command(url: str, quick: bool, as_json: bool, **values: Any) -> None:
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
def sync_command(
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
def gc_command(
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


@click.command("doctor")
@repository_argument
@store_options
@signed_by_option
@signing_options
@json_option
def doctor_command(url: str, as_json: bool, **values: Any) -> None:
    """Look for what will go wrong with REPOSITORY.

    The store's conditional writes, the clock, the dates of indices, the key, the public URL.

    \b
    pkgrel repo doctor s3://packages.example.org --signing-key key.asc
    """
    from pkgrel.errors import RepositoryError
    from pkgrel.operations.repositories import examine

    findings = examine(open_repository(url, values))
    if as_json:
        emit([_as_json(finding) for finding in findings])
    else:
        for finding in findings:
            console.out(f"{finding.check}: {_said(finding)}")
    if problems := [finding for finding in findings if finding.problem]:
        first = problems[0]
        raise RepositoryError(f"{url}: {first.check}: {first.problem}", hint=first.hint or None)


def _as_json(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "problem": finding.problem,
        "remedy": finding.hint,
        "skipped": finding.skipped,
        "warning": finding.warning,
    }


def _said(finding: Finding) -> str:
    if finding.warning:
        return f"warning: {finding.warning}"
    return finding.problem or (f"not looked at: {finding.skipped}" if finding.skipped else "ok")
