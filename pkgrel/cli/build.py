"""`pkgrel build`."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli.options import config_option, distro_option, signer_given, signing_options, there
from pkgrel.cli.outputs import emit
from pkgrel.cli.paths import FilePath

if TYPE_CHECKING:
    from pkgrel.builder.project import Options
    from pkgrel.operations.building import Built


@click.command("build")
@click.argument("source", type=FilePath(), default=".", callback=there)
@distro_option
@click.option(
    "-o",
    "--output",
    type=FilePath(file_okay=False),
    default="dist",
    show_default=True,
    help="Folder for the packages.",
)
@config_option
@click.option(
    "--version-from",
    type=click.Choice(["release", "git", "date"]),
    default="release",
    show_default=True,
    help="git and date: a version that grows with every build.",
)
@click.option(
    "--builder",
    type=click.Choice(["docker", "host"]),
    envvar="PKGREL_BUILDER",
    help="Where a project is built: in images of the distros (default), or by this machine's mix.",
)
@click.option("--release", "release_name", default="", metavar="NAME", help="Release of mix.exs.")
@click.option(
    "--arch",
    type=click.Choice(["amd64", "arm64"]),
    help="Architecture to build a project for, if not that of the Docker daemon.",
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Builds side by side; default: half the cores.",
)
@click.option(
    "--no-cache",
    "fresh",
    is_flag=True,
    help="Use nothing that earlier builds of the project left, and leave nothing to later ones.",
)
@signing_options
@click.option("--json", "as_json", is_flag=True, help="Print the packages as JSON.")
def command(
    source: Path, distros: tuple[str, ...], output: Path, as_json: bool, **given: Any
) -> None:
    """Package the release SOURCE for each distro.

    SOURCE is a mix or rebar3 project, which is built in a Docker image of each distro first; or the
    tarball that `mix release` (with `steps: [:assemble, :tar]`), relx or Distillery wrote; or the
    unpacked release, such as _build/prod/rel/hello. The paths of the packages are printed, one a
    line. SOURCE_DATE_EPOCH is honoured. With a signing key, PACKAGE.intoto.jsonl says what each was built of.

    \b
    pkgrel build . --distro debian12 --distro ubuntu24 --distro el10
    pkgrel build hello-1.0.0.tar.gz --distro debian12
    pkgrel build _build/prod/rel/hello --distro all --output packages
    """
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations.building import BuildRequest, build
    from pkgrel.version import Source

    request = BuildRequest(
        source,
        distros,
        output,
        given["config_file"],
        Source(given["version_from"]),
        _options(output, given),
        signer_given(given),
    )
    made: list[dict[str, Any]] = []
    try:
        for built in build(request, Terminal()):
            made.append(_as_json(built))
            if not as_json:
                console.out(str(built.file))
    finally:
        # One distro's build may fail: the packages of the others are there.
        if as_json and (made or not sys.exc_info()[0]):
            emit(made)


def _options(output: Path, given: Mapping[str, Any]) -> Options:
    """How a project is built; the folder of the packages is not one of its sources."""
    from pkgrel.builder.project import Options
    from pkgrel.config.delivery import Builder
    from pkgrel.operations.building import source_date_epoch

    return Options(
        builder=Builder(given["builder"]) if given["builder"] else None,
        release=given["release_name"],
        architecture=given["arch"] or "",
        jobs=given["jobs"] or 0,
        fresh=given["fresh"],
        date=source_date_epoch(),
        left_out=(output.resolve(),),
    )


def _as_json(built: Built) -> dict[str, Any]:
    from pkgrel.formats import package_format

    package = built.package
    with built.file.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "path": str(built.file),
        "format": package.format,
        "distro": package.distro,
        "name": package.name,
        "version": str(package.version),
        "architecture": package_format(package.format).architecture(package.architecture),
        "size": built.file.stat().st_size,
        "sha256": sha256,
    }
