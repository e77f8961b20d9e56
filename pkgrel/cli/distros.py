"""`pkgrel distros`."""

import json
from typing import Any

import click


@click.command("distros")
@click.option("--json", "as_json", is_flag=True, help="Print every fact as JSON.")
def command(as_json: bool) -> None:
    """List the distros that packages can be made for."""
    from dataclasses import asdict

    from pkgrel.distro import distros

    rows = distros().values()
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2, default=str))
        return
    table: list[tuple[Any, ...]] = [
        ("ID", "NAME", "GLIBC", "SYSTEMD", "COMPRESSION", "SUPPORTED UNTIL", "ALIASES")
    ]
    for row in rows:
        table.append(
            (
                row.id,
                row.title,
                row.glibc,
                row.systemd,
                row.compression,
                row.eol or "",
                " ".join(row.aliases),
            )
        )
    widths = [max(len(str(line[column])) for line in table) for column in range(len(table[0]))]
    for line in table:
        text = "  ".join(str(cell).ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo(text.rstrip())
