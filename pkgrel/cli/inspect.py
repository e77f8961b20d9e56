"""`pkgrel inspect`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli.options import config_option, there
from pkgrel.cli.outputs import emit
from pkgrel.cli.paths import FilePath
from pkgrel.cli.tables import Row, table, wide_option

if TYPE_CHECKING:
    from pkgrel.compatibility import Reason
    from pkgrel.distro import Distro
    from pkgrel.operations.projects import Inspected
    from pkgrel.release.model import Release

Verdicts = Mapping["Distro", "Sequence[Reason]"]


@click.command("inspect")
@click.argument("source", type=FilePath(), callback=there)
@config_option
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def command(source: Path, config_file: Path | None, wide: bool, as_json: bool) -> None:
    """Show what is in the release SOURCE, and who can run it.

    SOURCE is a tarball that `mix release`, relx or Distillery wrote, or the unpacked release.
    What deserves a look, such as a cookie inside, is said on stderr.

    \b
    pkgrel inspect _build/prod/hello-1.0.0.tar.gz
    pkgrel inspect --json _build/prod/rel/hello | jq '.distros[] | select(.runs).id'
    """
    from pkgrel.operations.projects import inspect

    found = inspect(source, config_file)
    if as_json:
        document = found.release.as_json() | {"distros": _json(found.distros)}
        emit(document)
    else:
        console.out_all(_text(found, wide=wide))
    for warning in found.release.warnings:
        console.warn(warning)


def _json(verdicts: Verdicts) -> list[dict[str, Any]]:
    from datetime import date

    today = date.today()
    return [
        {
            "id": row.id,
            "title": row.title,
            "runs": not reasons,
            "end_of_life": row.ended(today),
            "reasons": [reason.as_json() for reason in reasons],
        }
        for row, reasons in verdicts.items()
    ]


def _who(verdicts: Verdicts) -> Iterator[Row]:
    from datetime import date

    today = date.today()
    yield "DISTRO", "NAME", "RUNS IT"
    for row, reasons in verdicts.items():
        title = f"{row.title} (end of life)" if row.ended(today) else row.title
        yield row.id, title, f"no: {reasons[0].sentence}" if reasons else "yes"


def _text(found: Inspected, *, wide: bool) -> Iterator[str]:
    """Tables, the longest first, so that the most important ones are at the visible end."""
    release = found.release
    yield from table(
        [("APPLICATION", "VERSION"), *((a.name, a.version) for a in release.applications)]
    )
    yield ""
    native = [(n.path, n.role, n.architecture, console.amount(n.size)) for n in release.native]
    yield from table([("NATIVE CODE", "ROLE", "ARCHITECTURE", "SIZE"), *native], wide=wide)
    yield ""
    if release.variables:
        yield from table(_variables(release), wide=wide)
        yield ""
    yield from table(_who(found.distros), wide=wide)
    yield ""
    able = sum(not reasons for reasons in found.distros.values())
    runs = ("runs on", f"{able} of {console.counted(len(found.distros), 'distro')}")
    yield from table([*_summary(release), runs], wide=wide)


def _variables(release: Release) -> Iterator[Row]:
    from pkgrel.plan.environment import meaning, source

    yield "VARIABLE", "NEEDED", "DEFAULT", "READ IN", "WHAT IT IS"
    for item in release.variables:
        needed = " or ".join(("yes", *item.instead)) if item.needed else "no"
        yield item.name, needed, item.default or "", item.where, source(item) or meaning(item)


def _summary(release: Release) -> Iterator[Row]:
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
    yield "size", console.amount(release.size)
