"""`pkgrel distros`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING

import click

from pkgrel import console
from pkgrel.cli.tables import Row, table

if TYPE_CHECKING:
    from pkgrel.distro import Distro

_HEAD = (
    *("ID", "NAME", "FORMAT", "TOOL", "GLIBC", "GLIBCXX", "CXXABI", "GCC", "SYSTEMD", "OPENSSL"),
    *("COMPRESSION", "ARCHITECTURES", "SUPPORTED UNTIL", "IMAGE", "ALIASES"),
)


@click.command("distros")
@click.option("--json", "as_json", is_flag=True, help="Print every fact as JSON.")
def command(as_json: bool) -> None:
    """List the distros that packages can be made for.

    With what each of them has: the versions of glibc, systemd, OpenSSL and others decide what can
    run there.

    \b
    pkgrel distros
    pkgrel distros --json | jq -r '.[] | select(.format == "rpm").id'
    """
    from dataclasses import asdict

    from pkgrel.distro import distros

    rows = distros().values()
    if as_json:
        facts = [asdict(row) for row in rows]
        for known in facts:
            del known["libraries"]  # known only where an image of it was asked
        click.echo(json.dumps(facts, indent=2, default=str))
        return
    for line in table(_rows(rows)):
        console.out(line)


def _rows(rows: Iterable[Distro]) -> Iterator[Row]:
    today = date.today()
    yield _HEAD
    for row in rows:
        yield (
            *(row.id, row.title, row.format, row.tool),
            *(row.glibc, row.glibcxx, row.cxxabi, row.gcc, row.systemd, row.openssl),
            *(row.compression, " ".join(row.architectures)),
            f"{row.eol} (over)" if row.ended(today) else row.eol or "",
            *(row.image, " ".join(row.aliases)),
        )
