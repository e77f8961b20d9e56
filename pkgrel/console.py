"""What pkgrel says to people: always on stderr, with colour only where it is wanted.

click strips colour when stderr is no terminal; NO_COLOR (https://no-color.org) is ours.
"""

import os

import click

from pkgrel.errors import PkgrelError


def _say(text: str, *, label: str = "", colour: str | None = None) -> None:
    if label:
        text = (
            click.style(f"{label}:", fg=None if "NO_COLOR" in os.environ else colour, bold=True)
            + f" {text}"
        )
    click.echo(text, err=True, color=False if "NO_COLOR" in os.environ else None)


def error(problem: PkgrelError) -> None:
    """Show what went wrong and what to do about it."""
    _say(str(problem), label="error", colour="red")
    if problem.hint:
        _say(problem.hint, label=" hint", colour="cyan")


def warn(text: str) -> None:
    """Show something that deserves a look but stops nothing."""
    _say(text, label="warning", colour="yellow")


def note(text: str) -> None:
    """Say what was done."""
    _say(text)
