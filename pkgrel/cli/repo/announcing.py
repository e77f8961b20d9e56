"""What follows a change of a repository: its result is shown, and others are told."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pkgrel.cli.repo.options import (
    dry_run_option,
    expect_generation_option,
    json_option,
    signing_options,
    store_options,
    together,
)
from pkgrel.cli.repo.outcome import show

if TYPE_CHECKING:
    from pkgrel.repository.commit import Outcome, Repository

F = TypeVar("F", bound=Callable[..., Any])

_ANNOUNCE = (
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


def change_options(command: F) -> F:
    """What all commands take that change what clients see; `finish` takes the values."""
    signing = (signing_options, expect_generation_option)
    common = (store_options, *signing, *_ANNOUNCE, dry_run_option, json_option)
    return together(command, common)


def finish(repository: "Repository", outcome: "Outcome", values: Mapping[str, Any]) -> None:
    """Print the outcome and tell those who want to know."""
    show(outcome, dry_run=values["dry_run"], as_json=values["as_json"])
    tell(repository, outcome.pointers, values)


def tell(repository: "Repository", pointers: Sequence[str], values: Mapping[str, Any]) -> None:
    """Tell those who want to know of the pointers."""
    from pkgrel.repository.announce import announce

    announce(repository.store, pointers, command=values["after"], cloudfront=values["cloudfront"])
