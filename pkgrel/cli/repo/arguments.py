"""Arguments that name packages of a repository."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from pkgrel.cli import candidates

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT = "./repo"
"""The repository that is meant if none is named."""


def words(metavar: str) -> Callable[[F], F]:
    """`[REPOSITORY]` and what `metavar` says, as one tuple; `split` takes it apart."""
    return click.argument(
        "words",
        metavar=f"[REPOSITORY] {metavar}",
        nargs=-1,
        required=True,
        shell_complete=candidates.repositories,
    )


def split(
    ctx: click.Context, words: Sequence[str], fewest: int, most: int
) -> tuple[str, list[str]]:
    """The repository, and the other words.

    A repository is named first by what no package is called, a path with a slash or a URL, or is a
    folder that is one; else it is PKGREL_REPO, or ./repo.
    """
    rest = list(words)
    url = os.environ.get("PKGREL_REPO") or DEFAULT
    if "/" in rest[0] or len(rest) > most or Path(rest[0], ".pkgrel").is_dir():
        url = rest.pop(0)
    if not fewest <= len(rest) <= most:
        raise click.UsageError(f"wrong number of arguments: {' '.join(words)}", ctx)
    return url, rest
