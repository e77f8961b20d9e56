"""`pkgrel man`: manual pages, man(7), of commands from the texts of their --help, and pkgrel.toml(5).

Not by click-man 0.6, which does not escape text, ignores click's preformatted blocks, and looks for
commands in an attribute that a group of lazily loaded commands lacks.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path

import click

from pkgrel import console
from pkgrel.cli.paths import FilePath

_WIDTH = 78
_CODE = re.compile(r"`([^`]+)`")
_COMMAND = re.compile(r"`(?:pkgrel )?([a-z]+(?: [a-z]+)?)\b[^`\n]*`")
_OPTION = re.compile(r"(?<![\w-])-[\w-]+")
_VARIABLES = (
    ("NO_COLOR", "No colours, whatever the terminal can."),
    ("FORCE_COLOR", "Colours although it is not a terminal."),
    (
        "SOURCE_DATE_EPOCH",
        "Seconds since 1970 in place of the date of the sources, for the same bytes again.",
    ),
    (
        "XDG_CACHE_HOME",
        "Where builds without Docker are made, in a folder `pkgrel`; `~/.cache` by default.",
    ),
    ("DOCKER_HOST", "The daemon that builds and tries; that of the current context by default."),
)
_FILES = (
    (
        "pkgrel.toml",
        "What pkgrel is told about a project; found in its folder, or above it. See pkgrel.toml(5).",
    ),
    (".tool-versions", "The Erlang and Elixir of a build in Docker."),
    ("dist/", "Where packages are put."),
)
"""The section FILES of pkgrel(1)."""
_EXIT = (
    ("0", "It is done."),
    ("1", "Something is wrong that can be mended; standard error says what to do."),
    ("2", "The command was used wrongly."),
    ("70", "This is a bug of pkgrel; it says what to report."),
)


@click.command("man")
@click.option(
    "-o",
    "--output",
    type=FilePath(file_okay=False),
    default="man",
    show_default=True,
    help="Folder for the pages, which go into its man1 and man5.",
)
@click.pass_context
def command(ctx: click.Context, output: Path) -> None:
    """Write the manual pages of all commands, and pkgrel.toml(5).

    Their paths are printed, one a line. They say what --help says. SOURCE_DATE_EPOCH is honoured.

    \b
    pkgrel man --output ~/.local/share/man && man pkgrel-build
    pkgrel man && man ./man/man1/pkgrel-repo.1
    pkgrel man && man ./man/man5/pkgrel.toml.5
    """
    from pkgrel.operations.building import now

    root = ctx.find_root().command
    top = click.Context(root, info_name="pkgrel", **root.context_settings)
    date = f"{now():%Y-%m-%d}"
    made = {output / "man1" / f"{name}.1": text for name, text in pages(top, date)}
    made[output / "man5" / "pkgrel.toml.5"] = settings_page(date)
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    for path in made:  # the reader may have closed the pipe, as `head` does
        console.out(str(path))


def pages(ctx: click.Context, date: str) -> Iterator[tuple[str, str]]:
    """Name and text of a page for the command of `ctx` and each one below it."""
    children = list(_children(ctx))
    yield _name(ctx), "\n".join(_page(ctx, children, date)) + "\n"
    for child in children:
        yield from pages(child, date)


def settings_page(date: str) -> str:
    """pkgrel.toml(5)."""
    return "\n".join(_settings(date)) + "\n"


def _settings(date: str) -> Iterator[str]:
    from pkgrel.config.reference import INTRODUCTION, sections

    yield _title("pkgrel.toml", 5, date)
    yield from (".SH NAME", "pkgrel.toml \\-", "what pkgrel is told about a project")
    yield ".SH DESCRIPTION"
    yield from _body(INTRODUCTION.strip().split("\n\n"))
    for section in sections():
        yield f".SH {_roff(section.title)}"
        yield from _prose(section.text)
        for key in section.keys:
            kind = re.sub("[^`, ]+", lambda m: f"\\fI{_roff(m[0])}\\fR", key.kind).replace("`", "")
            yield from (".TP", f"{_bold(key.name)} = {kind}")
            yield from _prose(f"{key.doc} [default: {key.default}]" if key.default else key.doc)
    yield ".SH EXAMPLES"
    yield from _body(
        [
            '\b\n[package]\nmaintainer = "Jane Doe <jane@example.org>"\n\n[service]\non-upgrade = "hot"'
        ]
    )
    yield from _see_also(
        [("pkgrel", 1), ("pkgrel-init", 1), ("pkgrel-build", 1), ("pkgrel-schema", 1)]
    )


def _title(name: str, number: int, date: str) -> str:
    from pkgrel import __version__

    return f".TH {_roff(name.upper())} {number} {date} pkgrel\\~{__version__} pkgrel"


def _name(ctx: click.Context) -> str:
    return ctx.command_path.replace(" ", "-")


def _children(ctx: click.Context) -> Iterator[click.Context]:
    if isinstance(ctx.command, click.Group):
        for name in ctx.command.list_commands(ctx):
            command = ctx.command.get_command(ctx, name)
            if command and not command.hidden:
                yield click.Context(command, parent=ctx, info_name=name)


def _page(ctx: click.Context, children: list[click.Context], date: str) -> Iterator[str]:
    command = ctx.command
    paragraphs = cleandoc(command.help or "").split("\n\n")
    examples = _examples(paragraphs)
    options = [
        record
        for parameter in command.get_params(ctx)
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx))
    ]
    yield _title(_name(ctx), 1, date)
    yield from (".SH NAME", f"{_roff(_name(ctx))} \\-", *_prose(_summary(command)))
    yield from (".SH SYNOPSIS", f".B {_roff(ctx.command_path)}")
    yield from map(_roff, command.collect_usage_pieces(ctx))
    yield ".SH DESCRIPTION"
    yield from _body(paragraphs[: len(paragraphs) - len(examples)])
    yield from _table("OPTIONS", ((_term(term), text) for term, text in options))
    yield from _table("COMMANDS", ((_bold(c.info_name), _summary(c.command)) for c in children))
    variables = _environment(command) if ctx.parent else _VARIABLES
    yield from _table("ENVIRONMENT", ((_bold(v), text) for v, text in variables))
    if not ctx.parent:
        yield from _table("FILES", ((f"\\fI{_roff(name)}\\fR", text) for name, text in _FILES))
    yield from _table("EXIT STATUS", _EXIT)
    if examples:
        yield ".SH EXAMPLES"
        yield from _body(examples)
    others = [(_name(other), 1) for other in (ctx.parent, *children) if other]
    named = _mentioned(ctx, [command.help or "", *(text for _, text in options)])
    others += [(name, 1) for name in named if (name, 1) not in others]
    has_config = any("config" in (parameter.name or "") for parameter in command.params)
    if not ctx.parent or has_config or "pkgrel.toml" in (command.help or ""):
        others.append(("pkgrel.toml", 5))
    yield from _see_also(others)


def _mentioned(ctx: click.Context, texts: Iterable[str]) -> list[str]:
    """Pages of other commands that a text names: `repo phase`, `pkgrel try`."""
    names = {_name(each) for each in _all(ctx.find_root())}
    found = set()
    for words in _COMMAND.findall("\n".join(texts)):
        named = [f"pkgrel-{'-'.join(words.split()[:count])}" for count in (2, 1)]
        found |= {name for name in named if name in names and name != _name(ctx)}
    return sorted(found)


def _all(ctx: click.Context) -> Iterator[click.Context]:
    for child in _children(ctx):
        yield child
        yield from _all(child)


def _summary(command: click.Command) -> str:
    """The first sentence of the help."""
    return command.get_short_help_str(1000).rstrip(".")


def _examples(paragraphs: list[str]) -> list[str]:
    """The blocks of examples at the end of a help text."""
    count = 0
    while count < len(paragraphs) and _is_example(paragraphs[-1 - count]):
        count += 1
    return paragraphs[len(paragraphs) - count :]


def _is_example(paragraph: str) -> bool:
    return paragraph.startswith("\b") and "pkgrel " in paragraph


def _environment(command: click.Command) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        names = parameter.envvar or ()
        for variable in (names,) if isinstance(names, str) else names:
            if not isinstance(parameter, click.Option):
                yield variable, f"The same as {(parameter.metavar or '').strip('[]')}."
            elif parameter.hidden:
                yield variable, parameter.help or ""
            else:
                yield variable, f"The same as `{max(parameter.opts, key=len)}`."


def _see_also(others: list[tuple[str, int]]) -> Iterator[str]:
    """Pages and their sections of the manual."""
    yield ".SH SEE ALSO"
    for number, (name, section) in enumerate(others, 1):
        yield f".BR {_roff(name)} ({section}){',' if number < len(others) else ''}"


def _body(paragraphs: Iterable[str]) -> Iterator[str]:
    """Filled text, and preformatted blocks between `.EX` and `.EE`."""
    for number, text in enumerate(paragraphs):
        preformatted = text.startswith("\b")
        if number and not preformatted:
            yield ".PP"
        if preformatted:
            yield from (".RS 4", ".EX")
            yield from (_request_free(_roff(line)) for line in text.split("\n")[1:])
            yield from (".EE", ".RE")
        else:
            yield from _prose(text)


def _table(title: str, rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for number, (term, text) in enumerate(rows):
        if number == 0:
            yield f".SH {title}"
        yield from (".TP", term)
        yield from _prose(text)


def _term(text: str) -> str:
    """An option: literal text is bold, placeholders are italic."""
    parts = _OPTION.split(text)
    options = _OPTION.findall(text)
    rest = (re.sub(r"[^\s,/\[\]]+", lambda m: f"\\fI{_roff(m[0])}\\fR", part) for part in parts[1:])
    return "".join(_bold(option) + part for option, part in zip(options, rest, strict=True))


def _bold(text: str | None) -> str:
    return f"\\fB{_roff(text or '')}\\fR"


def _prose(text: str) -> Iterator[str]:
    """Filled lines; text in backquotes becomes bold."""
    plain = _CODE.split(text)
    marked = "".join(
        _bold(part) if number % 2 else _roff(part) for number, part in enumerate(plain)
    )
    lines = textwrap.wrap(marked, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return map(_request_free, lines)


def _request_free(line: str) -> str:
    return f"\\&{line}" if line.startswith((".", "'")) else line


def _roff(text: str) -> str:
    """Escape roff(7) control characters and non-ASCII text."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("'", "\\(aq")
    return "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in text)
