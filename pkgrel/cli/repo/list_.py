"""`pkgrel repo list`."""

import json
from typing import Any

import click

from pkgrel.cli import candidates
from pkgrel.cli.repo.options import (
    json_option,
    open_repository,
    repository_argument,
    store_options,
)
from pkgrel.cli.repo.progress import megabytes


@click.command("list")
@repository_argument
@click.option(
    "--channel", metavar="NAME", help="Only this channel.", shell_complete=candidates.channels
)
@click.option(
    "--distro",
    "distros",
    multiple=True,
    metavar="ID",
    shell_complete=candidates.distros,
    help="Only these; repeats.",
)
@click.option("--name", metavar="PACKAGE", help="Only this package.")
@store_options
@json_option
def command(
    url: str,
    channel: str | None,
    distros: tuple[str, ...],
    name: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    """List packages, versions, distros and channels."""
    from pkgrel import distro
    from pkgrel.cli.repo.outcome import package
    from pkgrel.repository.listing import packages

    repository = open_repository(url, values)
    found = packages(repository, channel=channel, distros=distro.select(distros), name=name)
    if as_json:
        rows = [
            {
                **package(p.place, p.record),
                "published": p.record.published,
                "summary": p.record.summary,
            }
            for p in found
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    table = [("CHANNEL", "DISTRO", "NAME", "VERSION", "ARCHITECTURE", "SIZE")]
    table += [
        (
            p.place.channel,
            p.place.distro,
            p.record.name,
            p.record.version,
            p.record.architecture,
            megabytes(p.record.size),
        )
        for p in found
    ]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        click.echo("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())
