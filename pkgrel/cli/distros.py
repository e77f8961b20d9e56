"""`pkgrel distros`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli.outputs import emit
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
    from pkgrel.distro import distros

    rows = distros().values()
    if as_json:
        emit([_facts(row) for row in rows])
        return
    for line in table(_rows(rows)):
        console.out(line)


def _facts(row: Distro) -> dict[str, Any]:
    """What the table says; libraries are known only where an image was asked."""
    names = [field.name for field in fields(row) if field.name != "libraries"]
    return {name: getattr(row, name) for name in names}


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
