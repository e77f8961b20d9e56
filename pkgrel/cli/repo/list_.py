"""`pkgrel repo list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli import candidates
from pkgrel.cli.options import (
    channel_option,
    distros_option,
    json_option,
    open_repository,
    reading_options,
    repository_argument,
    signed_by_option,
)
from pkgrel.cli.outputs import emit
from pkgrel.cli.tables import Row, table, wide_option

if TYPE_CHECKING:
    from pkgrel.repository.selection import Listed


@click.command("list")
@repository_argument
@channel_option("--channel", help="Only this channel.")
@distros_option()
@click.option(
    "--name", metavar="PACKAGE", shell_complete=candidates.names, help="Only this package."
)
@wide_option
@reading_options
@signed_by_option
@json_option
def command(
    url: str,
    channel: str | None,
    distros: tuple[str, ...],
    name: str | None,
    wide: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """List packages, versions, distros and channels.

    \b
    pkgrel repo list
    pkgrel repo list s3://packages.example.org --channel testing --name hello
    """
    from pkgrel.cli.repo.changes import offered_to, package
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations.repositories import list_packages

    repository = open_repository(url, values)
    found = list_packages(
        repository, channel=channel, distros=distros, name=name, reporter=Terminal()
    )
    if as_json:
        documents = [
            {
                **package(p.place, p.record),
                "published": p.record.published,
                "summary": p.record.summary,
                "advisory": p.record.advisory,
            }
            for p in found
        ]
        emit(documents)
        return
    head: Row = ("CHANNEL", "DISTRO", "NAME", "VERSION", "ARCHITECTURE", "SIZE")
    rows = [head, *map(_row, found)]
    phases = ["PHASE", *(offered_to(one.record) for one in found)]
    if any(phases[1:]):
        rows = [(*row, phase) for row, phase in zip(rows, phases, strict=True)]
    console.out_all(table(rows, wide=wide))


def _row(listed: Listed) -> Row:
    place, record = listed.place, listed.record
    version, size = record.version, console.amount(record.size)
    return place.channel, place.distro, record.name, version, record.architecture, size
