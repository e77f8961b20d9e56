"""`pkgrel sign`."""

from pathlib import Path

import click

from pkgrel import console
from pkgrel.cli import candidates
from pkgrel.cli.options import json_option, packages_alone, signer_given, signing_options
from pkgrel.cli.outputs import emit
from pkgrel.cli.paths import FilePath
from pkgrel.errors import SigningError


@click.command("sign")
@click.argument(
    "packages",
    metavar="PACKAGE...",
    nargs=-1,
    required=True,
    type=FilePath(exists=True, dir_okay=False),
    callback=packages_alone,
    shell_complete=candidates.packages,
)
@signing_options
@click.option(
    "-o",
    "--output",
    type=FilePath(file_okay=False),
    help="Folder for the signed packages; by default they take the place of the others.",
)
@click.option("--keep", is_flag=True, help="Leave a package alone that somebody has signed.")
@json_option
def command(
    packages: tuple[Path, ...],
    output: Path | None,
    keep: bool,
    as_json: bool,
    **key: str | None,
) -> None:
    """Sign each PACKAGE, an .rpm file from pkgrel or from anyone.

    A signature is added in front of what is signed, so nothing is built again. The paths are
    printed, one a line. A package that this key has signed already stays as it is.

    A .deb is left alone: apt trusts the signature of the repository. `pkgrel publish` signs .rpm
    files and repositories itself.

    The key may be in PKGREL_SIGNING_KEY, its passphrase in PKGREL_SIGNING_PASSPHRASE.

    \b
    pkgrel sign dist/*.rpm --signing-key key.asc
    pkgrel sign dist/*.rpm --gpg-key packages@example.org --output signed
    """
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations.artifacts import sign

    signer = signer_given(key)
    if signer is None:
        raise SigningError(
            "there is no key to sign with", hint="name it with `--signing-key` or `--gpg-key`"
        )
    done = []
    for package in sign(packages, signer, output=output, keep=keep, reporter=Terminal()):
        done.append({"path": str(package.file), "signed": package.signed})
        if not as_json:
            console.out(str(package.file))
    if as_json:
        emit(done)
