"""`pkgrel repo promote`, `remove`, `prune` and `rollback`: change the contents of channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli.options import (
    channel_option,
    distros_option,
    open_repository,
    repository_argument,
    split,
    words,
)
from pkgrel.cli.outputs import emit
from pkgrel.cli.repo.changes import change_options, finish, line, package, phase_option

if TYPE_CHECKING:
    from pkgrel.repository.channels import State


@click.command("promote")
@words("NAME VERSION")
@channel_option(
    "--from", "source", default="testing", metavar="CHANNEL", help="Where the version is."
)
@channel_option(
    "--to", "target", default="stable", metavar="CHANNEL", help="Where it goes, as well."
)
@distros_option()
@click.option(
    "--replace", is_flag=True, help="Even if the target has the version with other contents."
)
@phase_option
@change_options
@click.pass_context
def promote_command(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    source: str,
    target: str,
    distros: tuple[str, ...],
    replace: bool,
    phase: int | None,
    **values: Any,
) -> None:
    """Put a version into another channel as well.

    Nothing is sent again. A VERSION without a revision, `1.0.0`, means all its packages, for every
    distro.

    \b
    pkgrel repo promote s3://packages.example.org hello 1.0.0 --from testing --to stable
    pkgrel repo promote hello 1.1.0 --phase 10
    """
    from pkgrel.operations.repositories import promote

    url, (name, version) = split(ctx, words, 2, 2)
    repository = open_repository(url, values)
    outcome = promote(
        repository,
        name,
        version,
        source=source,
        target=target,
        distros=distros,
        phase=phase,
        replace=replace,
        dry_run=values["dry_run"],
    )
    finish(repository, outcome, values, notifies=True)


@click.command("remove")
@words("NAME [VERSION]")
@channel_option("--channel", default="stable", help="The one that changes.")
@distros_option()
@change_options
@click.pass_context
def remove_command(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    channel: str,
    distros: tuple[str, ...],
    **values: Any,
) -> None:
    """Take a version, or all versions, of a package out of a channel.

    The files stay until `pkgrel repo gc` takes them: clients with yesterday's index still ask for
    them, and `pkgrel repo rollback` brings them back.

    \b
    pkgrel repo remove s3://packages.example.org hello 1.0.0 --channel testing
    """
    from pkgrel.operations.repositories import remove

    url, (name, *version) = split(ctx, words, 1, 2)
    repository = open_repository(url, values)
    outcome = remove(
        repository,
        name,
        version[0] if version else None,
        channel=channel,
        distros=distros,
        dry_run=values["dry_run"],
    )
    finish(repository, outcome, values)


@click.command("prune")
@repository_argument
@click.option(
    "--keep",
    type=click.IntRange(1),
    metavar="N",
    help="Versions of each package.  [default: the channels' policies]",
)
@channel_option("--channel", help="Only this channel.")
@change_options
def prune_command(
    url: str,
    keep: int | None,
    channel: str | None,
    **values: Any,
) -> None:
    """Keep only the newest versions of each package.

    Of each architecture by itself. A policy, `pkgrel repo set --keep stable=5`, does so with every
    publish.

    \b
    pkgrel repo prune s3://packages.example.org --keep 5 --channel testing
    """
    from pkgrel.operations.repositories import prune

    repository = open_repository(url, values)
    outcome = prune(repository, keep, channel=channel, dry_run=values["dry_run"])
    finish(repository, outcome, values)


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
def rollback_command(
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
"""Number of packages of a state that are shown."""


def _lines(state: State) -> Iterator[str]:
    """A state as lines for people: what was done, and how that changed the channel."""
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
