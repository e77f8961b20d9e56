"""What pkgrel says to people: always on stderr, with colour only where it is wanted.

click strips colour when stderr is not a terminal; NO_COLOR (https://no-color.org) is ours.
"""

import os
import re

import click

from pkgrel.errors import PkgrelError

# C0 but tab and line end, DEL, C1, separators of lines, marks that turn text around, lone surrogates.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


_LONG_QUOTE = re.compile("`([^`]{300})[^`]{100,}`")
_LONGEST = 4000
"""Characters of a message: a diff of settings is the longest of ours."""


def visible(text: str) -> str:
    """Make visible what a terminal would obey; what others wrote may be in any text."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def one_line(text: str) -> str:
    """The same of line ends and tabs, for what has to stay in its line."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def is_plain(text: str) -> bool:
    """Whether the text is of one line, and has nothing in it that a terminal would obey."""
    return "\n" not in text and not _CONTROL.search(text)


def brief(text: str) -> str:
    """Cut what a message quotes, and the message, if they are longer than anybody reads."""
    text = _LONG_QUOTE.sub(r"`\1…`", text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def amount(size: int) -> str:
    """Bytes as people read them, in powers of ten as disks and downloads are sold: `12.3 MB`."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= step * (0.1 if unit == "MB" else 1):
            return f"{size / step:.1f} {unit}"
    return f"{size} B"


def counted(number: int, what: str) -> str:
    """`1 object`, `2 objects`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def out(text: str) -> None:
    """Print a line, or several, that the command was asked for."""
    click.echo(visible(text))


def _say(text: str, *, label: str = "", colour: str | None = None) -> None:
    text = visible(text)
    if label:
        text = (
            click.style(f"{label}:", fg=None if "NO_COLOR" in os.environ else colour, bold=True)
            + f" {text}"
        )
    click.echo(text, err=True, color=False if "NO_COLOR" in os.environ else None)


def error(problem: PkgrelError) -> None:
    """Show what went wrong and what to do about it."""
    _say(brief(str(problem)), label="error", colour="red")
    if problem.hint:
        _say(problem.hint, label=" hint", colour="cyan")


def warn(text: str) -> None:
    """Show something that deserves a look but stops nothing."""
    _say(text, label="warning", colour="yellow")


def note(text: str) -> None:
    """Say what was done."""
    _say(text)
