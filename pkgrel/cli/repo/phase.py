"""`pkgrel repo phase`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli.options import (
    channel_option,
    distros_option,
    open_repository,
    split,
    store_given,
    words,
)
from pkgrel.cli.repo.changes import change_options, finish, percentage

if TYPE_CHECKING:
    from pkgrel.operations.reports import Advanced
    from pkgrel.repository.state import Repository


@click.command("phase")
@words("NAME VERSION [PERCENT|stop]")
@channel_option("--channel", default="stable", help="Where the version is.")
@distros_option()
@click.option(
    "--auto",
    is_flag=True,
    help="To more hosts while it works, to none when it fails: by --reports.",
)
@click.option(
    "--reports",
    metavar="PREFIX",
    envvar="PKGREL_REPORTS",
    help="Where hosts tell what became of it: `report` of [deploy].",
)
@click.option(
    "--bound",
    type=click.FloatRange(0, 100),
    default=5,
    show_default=True,
    metavar="PERCENT",
    help="Of the hosts that have tried it, so many may fail.",
)
@click.option(
    "--least",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    metavar="N",
    help="So many must run it before others get it.",
)
@click.option(
    "--every",
    type=click.FloatRange(1),
    metavar="SECONDS",
    help="Look again so often, until all hosts may have it.",
)
@change_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    channel: str,
    distros: tuple[str, ...],
    auto: bool,
    reports: str | None,
    bound: float,
    least: int,
    every: float | None,
    **values: Any,
) -> None:
    """Offer a version to a part of the hosts.

    Which hosts these are follows from their machine-id: the same each time, and those of 10 percent are among
    those of 50. `stop` takes a version from all indices; hosts that have it keep it. No package is sent or
    changed.

    With --auto a run goes on by one step, 10, 25, 50 and 100 percent, or stops the version and exits with 1.

    \b
    pkgrel publish dist/* --phase 10
    pkgrel repo phase hello 1.1.0 50
    pkgrel repo phase s3://packages.example.org hello 1.1.0 stop
    pkgrel repo phase hello 1.1.0 --auto --reports s3://acme-reports --every 600
    """
    from pkgrel.operations.repositories import set_phase

    url, (name, version, *rest) = split(ctx, words, 2, 2) if auto else split(ctx, words, 3, 3)
    if auto and not reports:
        raise click.UsageError("--auto needs --reports, the prefix of `report` in [deploy].", ctx)
    if every and values["as_json"]:
        raise click.UsageError("--every and --json do not go together.", ctx)
    percent = 0 if auto or rest[0] == "stop" else percentage(ctx, rest[0])
    repository = open_repository(url, values)
    given: dict[str, Any] = {"channel": channel, "distros": distros, "dry_run": values["dry_run"]}
    if not auto:
        outcome = set_phase(repository, name, version, percent, **given)
        finish(repository, outcome, values)
        return
    while True:
        done = _advance(
            repository, name, version, str(reports), values, bound=bound, least=least, **given
        )
        finish(repository, done.outcome, values)
        if done.now == 0:
            _tell(repository, name, version, channel, done, dry_run=values["dry_run"])
            raise SystemExit(1)
        if every is None or done.now == 100:
            return
        time.sleep(every)


def _tell(
    repository: Repository, name: str, version: str, channel: str, done: Advanced, *, dry_run: bool
) -> None:
    """Tell subscribers of [notify] that a version was stopped."""
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations.notifying import notify, project, stopped

    reporter = Terminal()
    if not dry_run and (document := project(reporter)):
        notify(document, stopped(repository, name, version, channel, done), reporter)


def _advance(
    repository: Repository,
    name: str,
    version: str,
    prefix: str,
    values: dict[str, Any],
    **given: Any,
) -> Advanced:
    """Read the reports, decide, and print the decision."""
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations.reports import advance, read_reports

    found = read_reports(prefix, name, store=store_given(values), reporter=Terminal())
    done = advance(repository, name, version, found, **given)
    works, fails = len(done.tally.works), len(done.tally.fails)
    decided = {0: "stopped", done.before: f"stays at {done.before}%"}.get(
        done.now, f"goes on to {done.now}%"
    )
    console.note(
        f"{name} {version} works on {console.counted(works, 'host')} and failed on {fails}: {decided}"
    )
    return done
