"""`pkgrel nix`."""

from pathlib import Path

import click

from pkgrel import console
from pkgrel.cli import candidates
from pkgrel.cli.options import json_option
from pkgrel.cli.outputs import emit
from pkgrel.cli.paths import FilePath


@click.command("nix")
@click.argument(
    "package",
    metavar="PACKAGE",
    type=FilePath(exists=True, dir_okay=False),
    shell_complete=candidates.packages,
)
@click.option(
    "-o",
    "--output",
    type=FilePath(dir_okay=False),
    metavar="FILE",
    help="Where the module goes; by default it is printed.",
)
@json_option
def command(package: Path, output: Path | None, as_json: bool) -> None:
    """Write a module of NixOS with what PACKAGE brings.

    PACKAGE is a .deb from pkgrel, which stays beside the module: its files are patched for NixOS when that is built,
    and the unit, its sandbox and its user are the same. `services.NAME.enable` turns it on.

    \b
    pkgrel nix dist/hello_1.1.0-1~debian13_amd64.deb -o dist/hello.nix
    """
    from pkgrel.operations.bundles import nixos_module

    text = nixos_module(package)
    if output is not None:
        output.write_text(text, encoding="utf-8")
    if as_json:
        emit({"path": output and str(output), "text": text})
    else:
        console.out(text.removesuffix("\n") if output is None else str(output))
