"""Arguments that name packages of a repository."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from pkgrel.cli import candidates

F = TypeVar("F", bound=Callable[..., Any])


def words(metavar: str) -> Callable[[F], F]:
    """`[REPOSITORY]` and what `metavar` says, as one tuple; `split` takes it apart."""
    return click.argument(
        "words",
        metavar=f"[REPOSITORY] {metavar}",
        nargs=-1,
        required=True,
        shell_complete=candidates.repositories,
    )
