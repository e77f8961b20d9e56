"""`pkgrel show`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli import candidates
from pkgrel.cli.options import packages_alone
from pkgrel.cli.outputs import emit, plain
from pkgrel.cli.paths import FilePath
from pkgrel.cli.tables import listing
from pkgrel.console import amount, counted, one_line

if TYPE_CHECKING:
    from pkgrel.artifact import Artifact


_SHOWN = 8
"""The most items of a line at the top."""
_UNIT = re.compile(r"/systemd/system/[^/]+\.(?:service|socket|timer|path|target)$")
_COMMAND = re.compile(r"/usr/s?bin/[^/]+")


@click.command("show")
@click.argument(
    "packages",
    metavar="PACKAGE...",
    nargs=-1,
    required=True,
    type=FilePath(exists=True, dir_okay=False),
    callback=packages_alone,
    shell_complete=candidates.packages,
)
@click.option("--scripts", is_flag=True, help="Print the texts of the maintainer scripts only.")
@click.option("--files", is_flag=True, help="List the files only.")
@click.option(
    "--provenance",
    is_flag=True,
    help="Print what is said beside it of who built and tried it only.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything, as a JSON list.")
def command(
    packages: tuple[Path, ...], scripts: bool, files: bool, provenance: bool, as_json: bool
) -> None:
    """Show what is in each PACKAGE.

    It is a .deb or .rpm file from pkgrel or from anyone. The whole file is read and its digests are verified; a damaged one is an error. Times are UTC.

    \b
    pkgrel show dist/hello_1.0.0-1_amd64.deb
    pkgrel show --scripts dist/*.rpm
    pkgrel show --provenance dist/*
    pkgrel show --json dist/* | jq '.[] | {name, version, size}'
    """
    from pkgrel.operations.artifacts import show

    if as_json:
        # All are read first: an incomplete list is not valid JSON.
        emit([_as_json(show(file)) for file in packages])
        return
    lines: list[str] = []
    for number, file in enumerate(packages):
        package = show(file)
        lines += [*([""] if number else []), f"==> {file} <=="] if len(packages) > 1 else []
        if scripts:
            lines += _scripts(package)
        if files:
            lines += listing(package.entries)
        if provenance:
            lines += _provenance(file)
        if not scripts and not files and not provenance:
            lines += _everything(package)
    console.out_all(lines)


def _as_json(package: Artifact) -> dict[str, Any]:
    document: dict[str, Any] = plain(package)
    return {"path": document.pop("file"), **document}


def _everything(package: Artifact) -> Iterator[str]:
    yield from _opening(package)
    yield ""
    for name, value in package.metadata.items():
        yield f"{name}: {_indented(value)}"
    for kind, items in package.relations.items():
        yield from _list(kind, items)
    yield from _list("Scripts", tuple(_about_scripts(package)))
    yield from _list("Control files", tuple(package.control_files))
    yield from _list("Conffiles", package.conffiles)
    yield from _list("Changelog", tuple(_changelog(package)))
    yield f"Payload: {package.payload_size} bytes, {package.compression}"
    yield f"Digests: {', '.join(package.digests) or 'none'}"
    yield f"Signatures: {', '.join(package.signatures) or 'none'}"
    yield f"Files: {len(package.entries)}"
    yield from listing(package.entries)


def _provenance(file: Path) -> Iterator[str]:
    from pkgrel.operations import verifying

    said = verifying.beside(file)
    for each in said:
        yield f"{one_line(each.type)}, not verified:"
        yield from (f"  {one_line(line)}" for line in each.lines)
    if not said:
        yield "nothing is said beside it of who built it"


def _opening(package: Artifact) -> Iterator[str]:
    """The summary: name, relations, sizes."""
    yield f"{package.name} {package.version} ({package.architecture}, .{package.format})"
    summary = package.metadata.get("Summary") or package.metadata.get("Description", "")
    yield f"  {summary.partition(chr(10))[0]}"
    paths = [str(entry.path) for entry in package.entries if entry.kind != "directory"]
    units = [path for path in paths if _UNIT.search(path)]
    yield from _line("needs", _needed(package))
    yield from _line("units", [path.rpartition("/")[2] for path in units])
    yield from _line("commands", [path for path in paths if _COMMAND.fullmatch(path)])
    yield from _line("configuration", [path for path in package.conffiles if path])
    installed = sum(entry.size for entry in package.entries if entry.kind == "file")
    files = counted(len(paths), "file")
    yield f"  size: {amount(package.size)}, installed {amount(installed)} in {files}"
    yield f"  sha256: {package.sha256}"


def _needed(package: Artifact) -> list[str]:
    """The dependencies, without rpmlib() features and symbol versions."""
    found = [*package.relations.get("Depends", ()), *package.relations.get("Requires", ())]
    return list(dict.fromkeys(item for item in found if not item.startswith(("rpmlib(", "/"))))


def _line(title: str, items: list[str]) -> Iterator[str]:
    if items:
        shown = ", ".join(items[:_SHOWN])
        more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
        yield f"  {title}: {one_line(shown)}{more}"


def _list(title: str, items: tuple[str, ...]) -> Iterator[str]:
    if items:
        yield f"{title}:"
        yield from (f"  {item}" for item in items)


def _indented(text: str) -> str:
    """Indent the lines after the first, if the format has not done so."""
    return "\n".join(
        line if number == 0 or line.startswith(" ") else f" {line}"
        for number, line in enumerate(text.split("\n"))
    )


def _about_scripts(package: Artifact) -> Iterator[str]:
    for name, script in package.scripts.items():
        lines = len(script.text.splitlines())
        yield f"{name} ({script.interpreter}, {lines} line{'' if lines == 1 else 's'})"


def _scripts(package: Artifact) -> Iterator[str]:
    for name, script in package.scripts.items():
        yield f"--- {name} ({script.interpreter})"
        yield script.text.rstrip("\n")


def _changelog(package: Artifact) -> Iterator[str]:
    for change in package.changelog:
        date = time.strftime("%Y-%m-%d", time.gmtime(change.time))
        yield f"{date} {change.author} {change.version}".rstrip()
        yield from (f"  {line}" for line in change.lines)
