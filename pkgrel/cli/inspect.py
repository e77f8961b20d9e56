"""`pkgrel inspect`."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pkgrel import console

if TYPE_CHECKING:
    from pkgrel.release.model import Release

Row = Sequence[str]


@click.command("inspect")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def command(source: Path, as_json: bool) -> None:
    """Show what the release SOURCE is and what is in it.

    SOURCE is a tarball that `mix release`, relx or Distillery wrote, or the unpacked release.
    What deserves a look, such as a cookie inside, is said on stderr.

    \b
    pkgrel inspect _build/prod/hello-1.0.0.tar.gz
    pkgrel inspect --json _build/prod/rel/hello | jq .applications
    """
    from pkgrel import release

    with release.read(source) as read:
        click.echo(json.dumps(read.as_json(), indent=2) if as_json else "\n".join(_text(read)))
        for warning in read.warnings:
            console.warn(warning)


def _text(release: "Release") -> Iterator[str]:
    yield from _table(_summary(release))
    yield ""
    yield from _table(
        [("APPLICATION", "VERSION")] + [(a.name, a.version) for a in release.applications]
    )
    yield ""
    native = [(n.path, n.role, n.architecture, _size(n.size)) for n in release.native]
    yield from _table([("NATIVE CODE", "ROLE", "ARCHITECTURE", "SIZE"), *native])


def _summary(release: "Release") -> Iterator[Row]:
    files = release.as_json()["files"]
    yield "name", release.name
    yield "version", release.version
    yield "kind", release.kind
    yield "erts", release.erts
    yield "otp", release.otp
    yield "elixir", release.elixir or "none"
    yield "architecture", release.architecture
    yield "libc", release.libc
    yield "start", " ".join(release.start)
    yield "writes config", "yes, at each start" if release.writes_config else "no"
    yield "setuid", " ".join(release.setuid) or "none"
    yield "entries", f"{len(release.entries)}, of them {files} files"
    yield "size", _size(release.size)


def _table(rows: Iterator[Row] | Sequence[Row]) -> Iterator[str]:
    lines = list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _size(size: int) -> str:
    if size < 1 << 10:
        return f"{size} B"
    if size < 1 << 20:
        return f"{size / (1 << 10):.1f} KiB"
    return f"{size / (1 << 20):.1f} MiB"
