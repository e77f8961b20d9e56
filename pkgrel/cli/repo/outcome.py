"""Prints what a command changed, or would change."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console

if TYPE_CHECKING:
    from pkgrel.repository.commit import Outcome
    from pkgrel.repository.place import Place
    from pkgrel.repository.record import Record


def show(outcome: "Outcome", *, dry_run: bool, as_json: bool) -> None:
    """Print the changes: a line each, `+` before what comes and `-` before what goes, or JSON."""
    if as_json:
        click.echo(json.dumps(_document(outcome, dry_run=dry_run), indent=2))
        return
    for line in _lines(outcome):
        console.out(line)
    if not outcome.changes:
        console.note("nothing to do")
    elif dry_run:
        console.note("nothing was changed: --dry-run")
    else:
        console.note(f"published as generation {outcome.generation}")


def _lines(outcome: "Outcome") -> Iterator[str]:
    for change in outcome.changes:
        for sign, records in (("-", change.removed), ("+", change.added)):
            for r in records:
                yield f"{sign} {line(change.place, r)}"


def line(place: "Place", r: "Record") -> str:
    """A package of a place, for people."""
    return f"{place.channel} {place.distro} {r.name} {r.version} {r.architecture}"


def _document(outcome: "Outcome", *, dry_run: bool) -> dict[str, Any]:
    return {
        "generation": outcome.generation,
        "dry_run": dry_run,
        "added": [package(c.place, r) for c in outcome.changes for r in c.added],
        "removed": [package(c.place, r) for c in outcome.changes for r in c.removed],
        "pointers": list(outcome.pointers),
    }


def package(place: "Place", record: "Record") -> dict[str, Any]:
    """A package of a place, for programs."""
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
    }
