"""Options and output of all commands that change a repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pkgrel import console
from pkgrel.cli.options import (
    dry_run_option,
    expect_generation_option,
    json_option,
    signing_options,
    store_options,
    together,
)
from pkgrel.cli.outputs import emit

if TYPE_CHECKING:
    from pkgrel.repository.layout import Place
    from pkgrel.repository.record import Record
    from pkgrel.repository.state import Repository
    from pkgrel.repository.transaction import Outcome

F = TypeVar("F", bound=Callable[..., Any])

_ANNOUNCE = (
    click.option(
        "--after",
        metavar="COMMAND",
        help="Run it when indices have changed; PKGREL_ADDED and PKGREL_REMOVED have the packages, PKGREL_POINTERS keys.",
    ),
    click.option(
        "--cloudfront",
        metavar="ID",
        help="Invalidate the changed indices in this distribution.",
    ),
)


def change_options(command: F) -> F:
    """Options of all commands that change what clients see; `finish` takes their values."""
    signing = (signing_options, expect_generation_option)
    common = (store_options, *signing, *_ANNOUNCE, dry_run_option, json_option)
    return together(command, common)


phase_option = click.option(
    "--phase",
    type=click.IntRange(1, 100),
    metavar="PERCENT",
    help="Only for this part of the hosts; `repo phase` widens it.",
)


def percentage(ctx: click.Context, text: str) -> int:
    """A number or percentage of hosts as a person writes it."""
    number = text.removesuffix("%")
    if not number.isascii() or not number.isdigit() or not 1 <= int(number[:4]) <= 100:
        raise click.UsageError(f"`{text}` is neither 1 to 100 percent nor `stop`.", ctx)
    return int(number)


def finish(
    repository: Repository, outcome: Outcome, values: Mapping[str, Any], *, notifies: bool = False
) -> None:
    """Print the outcome, then announce it; a failed announcement does not undo the change.

    Subscribers of [notify] are told of new packages, if the command publishes some.
    """
    from pkgrel.operations.publishing import announce

    _print(outcome, dry_run=values["dry_run"], as_json=values["as_json"])
    announce(
        repository,
        outcome.pointers,
        changes=outcome.changes,
        command=values["after"],
        cloudfront=values["cloudfront"],
    )
    if notifies and outcome.changes and not values["dry_run"] and _may_notify():
        from pkgrel.cli.terminal import Terminal
        from pkgrel.operations.notifying import notify, project, published

        reporter = Terminal()
        if document := project(reporter):
            for event in published(repository, outcome):
                notify(document, event, reporter)


def _may_notify() -> bool:
    """Whether the project may have [notify]: importing the modules for it takes 0.1 s."""
    here = Path().resolve()
    files = (folder / "pkgrel.toml" for folder in (here, *here.parents))
    first = next((file for file in files if file.is_file()), None)
    return first is not None and b"notify" in first.read_bytes()


def _print(outcome: Outcome, *, dry_run: bool, as_json: bool) -> None:
    """The changes as JSON, or as lines with `+` for added and `-` for removed packages."""
    if as_json:
        emit(_document(outcome, dry_run=dry_run))
        return
    for text in _lines(outcome):
        console.out(text)
    if not outcome.changes:
        console.note("nothing to do")
    elif dry_run:
        console.note("nothing was changed: --dry-run")
    else:
        console.note(f"published as generation {outcome.generation}")


def _lines(outcome: Outcome) -> Iterator[str]:
    for change in outcome.changes:
        for sign, records in (("-", change.removed), ("+", change.added)):
            for record in records:
                yield f"{sign} {line(change.place, record)}"


def line(place: Place, record: Record) -> str:
    """A package and its place, for people."""
    text = f"{place.channel} {place.distro} {record.name} {record.version} {record.architecture}"
    return text if record.phase == 100 else f"{text} {offered_to(record)}"


def offered_to(record: Record) -> str:
    """The hosts that a version is for, in a few words; empty for all."""
    return {0: "stopped", 100: ""}.get(record.phase, f"{record.phase}%")


def _document(outcome: Outcome, *, dry_run: bool) -> dict[str, Any]:
    return change_document(
        outcome.generation,
        added=[package(c.place, r) for c in outcome.changes for r in c.added],
        removed=[package(c.place, r) for c in outcome.changes for r in c.removed],
        pointers=outcome.pointers,
        dry_run=dry_run,
    )


def change_document(
    generation: int,
    *,
    added: Sequence[dict[str, Any]],
    removed: Sequence[dict[str, Any]] = (),
    pointers: Sequence[str] = (),
    dry_run: bool,
) -> dict[str, Any]:
    """A change as JSON."""
    return {
        "generation": generation,
        "dry_run": dry_run,
        "added": added,
        "removed": removed,
        "pointers": pointers,
    }


def package(place: Place, record: Record) -> dict[str, Any]:
    """A package and its place as JSON."""
    return {
        "channel": place.channel,
        "distro": place.distro,
        "format": place.format,
        "name": record.name,
        "version": record.version,
        "architecture": record.architecture,
        "path": record.path,
        "size": record.size,
        "sha256": record.sha256,
        "phase": record.phase,
    }
