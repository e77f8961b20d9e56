"""What follows a change of a repository: its result is shown, and others are told."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pkgrel.cli.repo.outcome import show

if TYPE_CHECKING:
    from pkgrel.repository.commit import Outcome, Repository

F = TypeVar("F", bound=Callable[..., Any])


def announce_options(command: F) -> F:
    """Whom to tell."""
    options = (
        click.option(
            "--after",
            metavar="COMMAND",
            help="Run it when indices have changed; PKGREL_POINTERS has their keys.",
        ),
        click.option(
            "--cloudfront",
            metavar="ID",
            help="Invalidate the changed indices in this distribution.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def finish(
    repository: "Repository",
    outcome: "Outcome",
    values: Mapping[str, Any],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Print the outcome and tell those who want to know."""
    from pkgrel.repository.announce import announce

    show(outcome, dry_run=dry_run, as_json=as_json)
    announce(
        repository.store,
        outcome.pointers,
        command=values["after"],
        cloudfront=values["cloudfront"],
    )
