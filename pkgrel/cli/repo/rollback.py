"""`pkgrel repo rollback`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli.options import channel_option, distros_option, open_repository, repository_argument
from pkgrel.cli.outputs import emit
from pkgrel.cli.repo.changes import change_options, finish, line, package

if TYPE_CHECKING:
    from pkgrel.repository.channels import State


@click.command("rollback")
@repository_argument
@channel_option("--channel", default="stable", help="The one that changes.")
@click.option(
    "--to",
    "generation",
    type=click.IntRange(0),
    metavar="GENERATION",
    help="What the channel was then.  [default: before its last change]",
)
@distros_option()
@click.option("--list", "listing", is_flag=True, help="Show the generations to go back to.")
@click.option(
    "--last",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    metavar="N",
    help="How many of them --list shows.",
)
@change_options
def command(
    url: str,
    channel: str,
    generation: int | None,
    distros: tuple[str, ...],
    listing: bool,
    last: int,
    **values: Any,
) -> None:
    """Give a channel the packages that it had before.

    It is a new generation with old contents, and can be rolled back as well. apt and dnf keep what
    they have installed: `NAME rollback VERSION` follows, or `dnf downgrade`.

    \b
    pkgrel repo rollback --list
    pkgrel repo rollback --channel testing --to 12 --dry-run
    """
    from pkgrel.operations.repositories import generations, rollback

    repository = open_repository(url, values)
    if listing:
        found = generations(repository, channel, distros=distros, last=last)
        if values["as_json"]:
            emit([_document(state) for state in found])
            return
        for state in found:
            for text in _lines(state):
                console.out(text)
        return
    outcome = rollback(repository, channel, generation, distros=distros, dry_run=values["dry_run"])
    finish(repository, outcome, values)


_SHOWN = 5
"""Packages of a state, for people."""


def _lines(state: State) -> Iterator[str]:
    """What was done, and what that changed in the channel."""
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(state.time, UTC)
    yield f"{state.generation:>6}  {moment:%Y-%m-%d %H:%M} UTC  {state.action}  ({state.actor})"
    changed = [
        f"{sign} {line(change.place, record)}"
        for change in state.changes
        for sign, records in (("-", change.removed), ("+", change.added))
        for record in records
    ]
    yield from (f"        {text}" for text in changed[:_SHOWN])
    if len(changed) > _SHOWN:
        yield f"        … and {len(changed) - _SHOWN} more"


def _document(state: State) -> dict[str, Any]:
    return {
        "generation": state.generation,
        "time": state.time,
        "actor": state.actor,
        "action": state.action,
        "added": [package(c.place, r) for c in state.changes for r in c.added],
        "removed": [package(c.place, r) for c in state.changes for r in c.removed],
    }
