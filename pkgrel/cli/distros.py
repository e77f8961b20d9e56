"""`pkgrel distros`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli.outputs import emit
from pkgrel.cli.tables import Row, table, wide_option

if TYPE_CHECKING:
    from pkgrel.distro import Distro

_HEAD = ("ID", "NAME", "GLIBC", "SYSTEMD", "OPENSSL", "SUPPORTED UNTIL", "ALIASES")
_MORE = ("FORMAT", "TOOL", "GLIBCXX", "CXXABI", "GCC", "COMPRESSION", "ARCHITECTURES", "IMAGE")
"""What only --wide has."""
_SHOWN = 2
"""Aliases."""


@click.command("distros")
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print every fact as JSON.")
def command(wide: bool, as_json: bool) -> None:
    """List the distros that packages can be made for.

    With what each of them has: the versions of glibc, systemd, OpenSSL and others decide what can
    run there. --wide has more of it, --json all.

    \b
    pkgrel distros
    pkgrel distros --wide
    pkgrel distros --json | jq -r '.[] | select(.format == "rpm").id'
    """
    from pkgrel.distro import distros

    rows = distros().values()
    if as_json:
        emit([_facts(row) for row in rows])
        return
    console.out_all(table(_rows(rows, wide=wide), wide=wide))


def _facts(row: Distro) -> dict[str, Any]:
    """What the table says; libraries are known only where an image was asked."""
    names = [field.name for field in fields(row) if field.name != "libraries"]
    return {name: getattr(row, name) for name in names}


def _rows(rows: Iterable[Distro], *, wide: bool) -> Iterator[Row]:
    from datetime import date

    today = date.today()
    yield _HEAD + (_MORE if wide else ())
    for row in rows:
        until = f"{row.eol} (over)" if row.ended(today) else row.eol or ""
        aliases = " ".join(row.aliases if wide else _few(row.aliases))
        known = (row.id, row.title, row.glibc, row.systemd, row.openssl, until, aliases)
        more = (
            *(row.format, row.tool, row.glibcxx, row.cxxabi, row.gcc),
            *(row.compression, " ".join(row.architectures), row.image),
        )
        yield known + (more if wide else ())


def _few(names: Sequence[str]) -> Sequence[str]:
    return names if len(names) <= _SHOWN else (*names[:_SHOWN], "…")
