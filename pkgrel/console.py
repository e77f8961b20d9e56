"""Messages for people, always on stderr, and coloured only on terminals that want it.

click strips colour when stderr is not a terminal; NO_COLOR (https://no-color.org) and FORCE_COLOR
(https://force-color.org) are handled here, and the first wins. With `--json` each message is a line of JSON.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import click

from pkgrel.errors import PkgrelError

# C0 except tab and newline, DEL, C1, Unicode line separators, bidirectional controls, lone surrogates.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


# ECMA-48: control sequences that colour text, move the cursor, or set the window's title.
_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")

_LONG_QUOTE = re.compile("`([^`]{300})[^`]{100,}`")
_LONGEST = 4000
"""The most characters of a message; our longest are diffs of settings."""


def visible(text: str) -> str:
    """Escape what a terminal would interpret; any message may quote untrusted text."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def one_line(text: str) -> str:
    """The same with newlines and tabs escaped, for text that must stay on one line."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def stripped(text: str, instead: str = "") -> str:
    """Remove control characters and whole control sequences, for text that is stored in a file."""
    return _CONTROL.sub(instead, _SEQUENCE.sub("", text))


def is_plain(text: str) -> bool:
    """Whether the text is one line without control characters."""
    return "\n" not in text and not _CONTROL.search(text)


def brief(text: str) -> str:
    """Shorten a message, and what it quotes, to a readable length."""
    text = _LONG_QUOTE.sub(r"`\1…`", text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def amount(size: int) -> str:
    """A number of bytes for people, in powers of ten: `12.3 MB`."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= step * (0.1 if unit == "MB" else 1):
            return f"{size / step:.1f} {unit}"
    return f"{size} B"


def counted(number: int, what: str, many: str = "") -> str:
    """`1 object`, `2 objects`, `3 entries`."""
    return f"{number:,} {what if number == 1 else many or f'{what}s'}"


def out(text: str, *, colour: str | None = None) -> None:
    """Print one or more lines of a command's result to stdout; coloured on a terminal."""
    text = visible(text)
    click.echo(click.style(text, fg=colour) if colour else text, color=_coloured())


def out_all(lines: Iterable[str], *, colours: Mapping[str, str] | None = None) -> None:
    """Print lines of a command's result, through a pager if they do not fit on the terminal.

    `colours` maps the first character of a line to its colour. As with git(1), PAGER names the pager; if it is empty
    there is none.
    """
    texts = [
        click.style(text, fg=colour) if (colour := (colours or {}).get(text[:1])) else text
        for text in map(visible, lines)
    ]
    rows = shutil.get_terminal_size().lines
    on_terminal = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if (
        on_terminal
        and sum(text.count("\n") + 1 for text in texts) >= rows
        and os.environ.get("PAGER") != ""
    ):
        os.environ.setdefault("LESS", "FRX")
        click.echo_via_pager((f"{text}\n" for text in texts), color=_coloured())
    else:
        for text in texts:
            click.echo(text, color=_coloured())


@dataclass(slots=True)
class Manner:
    """How messages are shown; set by options of every command."""

    as_json: bool = False
    quiet: bool = False
    """Only warnings and errors."""
    verbose: bool = False
    """Also details."""


manner = Manner()


def _say(level: str, text: str, *, label: str = "", colour: str | None = None) -> None:
    text = visible(text)
    if manner.as_json:
        _say_json({"level": level, "text": text})
        return
    if label:
        text = f"{click.style(f'{label}:', fg=colour, bold=True)} {text}"
    click.echo(text, err=True, color=_coloured())


def _say_json(message: dict[str, str | int]) -> None:
    click.echo(json.dumps(message), err=True)


def _coloured() -> bool | None:
    """Whether to use colour; None: if stderr is a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def error(problem: PkgrelError) -> None:
    """Show an error and its hint."""
    if manner.as_json:
        fields = {name: visible(getattr(problem, name)) for name in ("subject", "reason", "remedy")}
        text = visible(str(problem))
        _say_json({"level": "error", "text": text, "kind": type(problem).__name__, **fields})
        return
    _say("error", brief(str(problem)), label="error", colour="red")
    if problem.hint:
        _say("error", problem.hint, label=" hint", colour="cyan")


def warn(text: str) -> None:
    """Show a warning."""
    _say("warning", text, label="warning", colour="yellow")


def note(text: str) -> None:
    """Show what was done."""
    if not manner.quiet:
        _say("note", text)


def detail(text: str) -> None:
    """Show a detail, with --verbose only."""
    if manner.verbose:
        _say("detail", text)


def step(part: str, text: str) -> None:
    """Show the current step of a part of the work."""
    if manner.as_json:
        _say_json({"level": "step", "part": visible(part), "text": visible(text)})
    else:
        note(f"{part}: {text}")


def progress(part: str, done: int, size: int) -> None:
    """Show how many bytes of a part are done."""
    text = f"{amount(done)} of {amount(size)}"
    if manner.as_json:
        fields = {"level": "progress", "part": visible(part), "text": text}
        _say_json({**fields, "done": done, "size": size})
    else:
        note(f"{part}: {text}")
