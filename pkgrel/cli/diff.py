"""`pkgrel diff`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pkgrel import console
from pkgrel.cli import candidates
from pkgrel.cli.outputs import emit
from pkgrel.cli.paths import FilePath
from pkgrel.cli.tables import listing

if TYPE_CHECKING:
    from pkgrel.artifact.difference import Difference, FieldChange, TextChange
    from pkgrel.artifact.hot_upgrade import HotUpgrade

_COLOURS = {"-": "red", "+": "green", "@": "cyan"}
_PACKAGE = FilePath(exists=True, dir_okay=False)


@click.command("diff")
@click.argument("old", type=_PACKAGE, shell_complete=candidates.packages)
@click.argument("new", type=_PACKAGE, shell_complete=candidates.packages)
@click.option("--exit-code", is_flag=True, help="Exit 1 if the files are not the same.")
@click.option(
    "--upgrade", is_flag=True, help='Say what an upgrade with `on-upgrade = "hot"` does instead.'
)
@click.option("--require-hot", is_flag=True, help="The same; exit 1 if it is a restart.")
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
def command(
    old: Path, new: Path, exit_code: bool, upgrade: bool, require_hot: bool, as_json: bool
) -> None:
    """Show what changed from the package OLD to the package NEW.

    Fields, relations, scripts, conffiles, and files with their modes, owners, sizes, contents and
    targets; units, settings and other texts line by line, as `git diff` has them. `-` stands before what
    only OLD has, `+` before what only NEW has, `~` before a path that is different. What becomes of settings
    and units in an upgrade stands at the end. Modification times are counted, not listed. Nothing is printed for two files
    that are the same byte for byte.

    The exit status is 0 whether they differ or not, as with `git diff`; see --exit-code.

    --upgrade says whether the system that runs becomes the new version, and by which instructions, or why it is
    restarted: what the host will say, as far as packages know. What an administrator has changed there, and
    what runtime.exs makes of the host's environment, it does not see.

    \b
    pkgrel diff hello_1.0.0-1_amd64.deb hello_1.1.0-1_amd64.deb
    pkgrel diff --require-hot hello_1.0.0-1_amd64.deb hello_1.1.0-1_amd64.deb
    pkgrel diff --exit-code first.rpm second.rpm    # is the build reproducible?
    """
    if upgrade or require_hot:
        if exit_code:
            raise click.UsageError(
                "--exit-code is about differences, --require-hot about an upgrade."
            )
        _print_upgrade(old, new, require_hot, as_json)
        return
    from pkgrel.operations.artifacts import diff

    difference = diff(old, new)
    if as_json:
        emit(difference)
    elif not difference.same_bytes:
        lines = [f"--- {old}", f"+++ {new}", *_text(difference)]
        console.out_all(lines, colours=_COLOURS)
    if exit_code and not difference.same_bytes:
        raise SystemExit(1)


def _print_upgrade(old: Path, new: Path, require_hot: bool, as_json: bool) -> None:
    from pkgrel.operations.artifacts import hot_upgrade

    upgrade = hot_upgrade(old, new)
    if as_json:
        emit(upgrade)
    else:
        console.out_all(_upgrade_lines(upgrade))
    if require_hot and not upgrade.hot:
        raise SystemExit(1)


def _upgrade_lines(upgrade: HotUpgrade) -> Iterator[str]:
    yield f"{upgrade.old} -> {upgrade.new}: {'hot' if upgrade.hot else 'a restart'}"
    yield from (f"  {reason}" for reason in upgrade.reasons)
    if not upgrade.hot:
        return
    for application in upgrade.applications:
        old, new = application.old or "none", application.new or "none"
        own = ", by its own .appup" if application.own_appup else ""
        yield f"{application.name} {old} -> {new}{own}"
        yield from (f"  {instruction}" for instruction in application.instructions)
    if upgrade.protocols:
        yield f"protocols: {', '.join(upgrade.protocols)}"


def _text(difference: Difference) -> Iterator[str]:
    body = list(_differences(difference))
    yield from body
    if difference.times:
        yield f"{difference.times} other modification times"
    elif not body:
        yield "the same contents in other bytes: order, compression or headers"


def _differences(difference: Difference) -> Iterator[str]:
    for change in difference.fields:
        yield from _field(change)
    for items in difference.lists:
        yield f"{items.name}:"
        yield from (f"- {item}" for item in items.removed)
        yield from (f"+ {item}" for item in items.added)
    for texts in (difference.scripts, difference.control_files, difference.changelog):
        for text in texts:
            yield from _unified(text)
    for change in difference.versions:
        yield f"{change.name}{change.old} -> {change.name}{change.new}"
    yield from (f"- {line}" for line in listing(difference.removed))
    yield from (f"+ {line}" for line in listing(difference.added))
    if replaced := difference.replaced:
        yield f"warning: `{replaced[0]}`{_more(replaced)} is a directory in one and none in the other: dpkg may lose"
        yield "  files of it in silence, and rpm may refuse the upgrade; dpkg-maintscript-helper(1), dir_to_symlink"
    for entry in difference.changed:
        yield f"~ {entry.path}: {', '.join(_about(change) for change in entry.fields)}"

    for text in difference.texts:
        yield from (f"--- a{text.name}", f"+++ b{text.name}")
        yield from text.diff or ("  too large to be compared",)
    if difference.upgrade:
        yield "In an upgrade:"
        yield from (f"  {sentence}" for sentence in difference.upgrade)


def _more(paths: tuple[str, ...]) -> str:
    return f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""


def _field(change: FieldChange) -> Iterator[str]:
    if change.old and change.new and "\n" not in change.old + change.new:
        yield f"{change.name}: {change.old} -> {change.new}"
        return
    for sign, value in (("-", change.old), ("+", change.new)):
        if value is not None:
            first, *rest = value.splitlines() or [""]
            yield f"{sign} {change.name}: {first}"
            yield from (f"{sign}  {line}" for line in rest)


def _unified(text: TextChange) -> Iterator[str]:
    yield f"{text.name}:"
    yield from text.diff or ("  too large to be compared",)


def _about(change: FieldChange) -> str:
    if change.name == "sha256":
        return "content"
    return f"{change.name} {change.old or 'none'} -> {change.new or 'none'}"
