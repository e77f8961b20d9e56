"""`pkgrel repo audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from pkgrel.cli.paths import FilePath
from pkgrel.console import counted, one_line


@click.command("audit")
@repository_argument
@click.option(
    "--osv",
    "database",
    required=True,
    metavar="FOLDER",
    type=FilePath(exists=True, file_okay=False),
    help="JSON files of a vulnerability database, in OSV's format.",
)
@channel_option("--channel", help="Only this channel.")
@distros_option()
@click.option(
    "--name", metavar="PACKAGE", shell_complete=candidates.names, help="Only this package."
)
@reading_options
@signed_by_option
@json_option
def command(
    url: str,
    database: Path,
    channel: str | None,
    distros: tuple[str, ...],
    name: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    """List published packages with a known vulnerability.

    The components of each bill of materials are held against the files, without a network: those of osv.dev for Hex
    are https://osv-vulnerabilities.storage.googleapis.com/Hex/all.zip, unpacked. Exit 1 if something is found.

    \b
    pkgrel repo audit s3://packages.example.org --osv ./osv --channel stable
    """
    from pkgrel.cli.terminal import Terminal
    from pkgrel.errors import RepositoryError
    from pkgrel.operations.auditing import audit

    reporter = Terminal()
    repository = open_repository(url, values)
    done = audit(
        repository, database, channel=channel, distros=distros, name=name, reporter=reporter
    )
    if done.unknown:
        shown = ", ".join(done.unknown[:5])
        more = f" and {len(done.unknown) - 5} more" if len(done.unknown) > 5 else ""
        reporter.warn(f"without a bill of materials, and so not looked at: {shown}{more}")
    if as_json:
        emit(done.found)
    for each in () if as_json else done.found:
        names = ", ".join((each.id, *each.aliases))
        text = f"{each.channel} {each.distro} {each.name} {each.version}: {each.purl}: {names}"
        console.out(one_line(f"{text}: {each.summary}" if each.summary else text))
    if done.found:
        raise RepositoryError(
            f"{url}: {counted(len(done.found), 'vulnerability', 'vulnerabilities')} in"
            f" {counted(done.packages, 'package')}",
            hint="update the components, publish a new version, and `pkgrel repo remove` this one",
        )
    console.note(f"nothing is known of {counted(done.packages, 'package')}")
