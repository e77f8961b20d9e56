"""`pkgrel verify`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli import candidates
from pkgrel.cli.options import (
    config_option,
    json_option,
    open_repository,
    reading_options,
    signed_by_option,
)
from pkgrel.cli.outputs import emit
from pkgrel.cli.paths import FilePath
from pkgrel.console import one_line

if TYPE_CHECKING:
    from pkgrel.operations.verifying import Proven

_FILE = FilePath(exists=True, dir_okay=False)


@click.command("verify")
@click.argument("package", type=_FILE, shell_complete=candidates.packages)
@click.option(
    "--from",
    "url",
    metavar="REPOSITORY",
    required=True,
    envvar="PKGREL_REPO",
    shell_complete=candidates.repositories,
    help="The repository that it should be of, or the https:// address that hosts read.",
)
@click.option(
    "--public-key",
    type=_FILE,
    help="Of who built and tried it, if that is not the repository's key.",
)
@click.option(
    "--rebuild",
    type=FilePath(exists=True),
    metavar="SOURCE",
    help="Build it again of this project or release, and compare.",
)
@config_option
@click.option(
    "--builder", type=click.Choice(["docker", "host"]), help="Where a project is built again."
)
@reading_options
@signed_by_option
@json_option
def command(
    package: Path,
    url: str,
    public_key: Path | None,
    rebuild: Path | None,
    config_file: Path | None,
    builder: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Prove that PACKAGE is what a repository offers.

    The signed state of the repository must have its hash; what is told of who built and tried it must be
    signed by the repository's key or another that is given. With --rebuild, SOURCE must be at the commit that
    is named, and what comes of it the same. Exit 1 if something of that is not so.

    \b
    pkgrel verify hello_1.0.0-1~debian12_amd64.deb --from s3://packages.example.org
    pkgrel verify hello.rpm --from ./repo --rebuild ~/src/hello
    """
    from pkgrel.builder.project import Options
    from pkgrel.cli.terminal import Terminal
    from pkgrel.config.delivery import Builder
    from pkgrel.operations.artifacts import read_public_key
    from pkgrel.operations.building import BuildRequest
    from pkgrel.operations.verifying import verify_package

    again = None
    if rebuild:
        options = Options(builder=Builder(builder) if builder else None)
        again = BuildRequest(rebuild, (), config_file=config_file, options=options)
    proven = verify_package(
        package,
        open_repository(url, values),
        public_key=read_public_key(public_key) if public_key else b"",
        rebuild=again,
        reporter=Terminal(),
    )
    if as_json:
        emit(proven)
    else:
        console.out_all(_lines(proven))


def _lines(proven: Proven) -> Iterator[str]:
    yield f"{proven.name} {proven.version} ({proven.architecture})"
    yield f"  sha256: {proven.sha256}"
    yield f"  offered: {', '.join(proven.places)}"
    yield f"  by: generation {proven.generation}, signed by {', '.join(proven.signed_by)}"
    for said in proven.statements:
        signer = f"signed by {said.signer}" if said.signer else "by a key that is not known"
        yield f"  {one_line(said.type)}, {signer}:"
        yield from (f"    {one_line(line)}" for line in said.lines)
    if proven.rebuilt:
        yield "  built again: the same"
