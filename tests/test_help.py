"""Every command's --help teaches: a summary that fits, an example that is right, a text for each option."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pkgrel.cli import main

ROOT = Path(__file__).parents[1]


def contexts(ctx: click.Context) -> Iterator[click.Context]:
    yield ctx
    if isinstance(ctx.command, click.Group):
        for name in ctx.command.list_commands(ctx):
            command = ctx.command.get_command(ctx, name)
            assert command
            yield from contexts(click.Context(command, parent=ctx, info_name=name))


ALL = {
    ctx.command_path: ctx
    for ctx in contexts(click.Context(main, info_name="pkgrel", **main.context_settings))
}


def blocks(ctx: click.Context) -> list[str]:
    """Command lines of its examples."""
    paragraphs = (ctx.command.help or "").split("\n\n")
    lines = [line for text in paragraphs if "\b" in text for line in text.split("\n")]
    return [line.strip() for line in lines if re.match(r"\s*pkgrel ", line)]


@pytest.mark.parametrize("path", ALL)
def test_the_summary_is_a_sentence_that_fits(path):
    ctx = ALL[path]
    assert ctx.command.help
    summary = ctx.command.help.strip().partition("\n\n")[0]
    assert re.fullmatch(r"[A-Z][^\n]*[.]", summary)
    listed = ctx.parent.get_help() if ctx.parent else ctx.get_help()
    assert " ".join(summary.split()) in " ".join(listed.split())
    assert "..." not in "".join(re.findall(r"^  \w+ .*", ctx.get_help(), re.MULTILINE))


@pytest.mark.parametrize("path", ALL)
def test_every_option_has_a_text(path):
    for parameter in ALL[path].command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, parameter.opts


@pytest.mark.parametrize("path", ALL)
def test_every_option_says_what_it_takes(path):
    for parameter in ALL[path].command.params:
        if isinstance(parameter, click.Option):
            assert parameter.make_metavar(ALL[path]) not in ("INTEGER", "INTEGER RANGE")


@pytest.mark.parametrize("path", ALL)
def test_an_example_that_is_right(path):
    """It is a command that there is, with options that it knows."""
    examples = blocks(ALL[path])
    assert any(line.startswith(path) for line in examples) or path == "pkgrel"
    for line in examples:
        _refuse_unknown(line)


def _refuse_unknown(line: str) -> None:
    """The command of the line, up to a pipe or the like, is one of ours and has its options."""
    words = shlex.split(re.split(r" [|>&]+ ?| && |  +#", line)[0])
    ctx = ALL["pkgrel"]
    while len(words) > 1 and (inner := ALL.get(f"{ctx.command_path} {words[1]}")):
        ctx, words = inner, words[1:]
    assert not isinstance(ctx.command, click.Group) or not words[1:] or words[1][0] == "-", line
    known = {name for p in ctx.command.get_params(ctx) for name in (*p.opts, *p.secondary_opts)}
    assert {word for word in words if word.startswith("-")} <= known, line


DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_of_the_documents(document):
    text = document.read_text().replace("\\\n", " ")
    for line in re.findall(r"^[ ]*[$#] (?:sudo )?(pkgrel (?!COMMAND).*)$", text, re.MULTILINE):
        _refuse_unknown(line)
    for line in re.findall(r"`(pkgrel [a-z][^`]*)`", text):
        _refuse_unknown(" ".join(line.split()))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_of_ours_that_the_documents_name_are_there(document):
    ours = r"`((?:pkgrel|packaging_templates|script|tests|benchmarks)/[\w./-]+|[\w/]+\.py)`"
    for name in re.findall(ours, document.read_text()):
        assert (ROOT / name).exists() or [*(ROOT / "pkgrel").glob(f"**/{name}")], name
