"""Which repository a command line means."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

DEFAULT = "./repo"
"""The repository that is meant if none is named."""


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
