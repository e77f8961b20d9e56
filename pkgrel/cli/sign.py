"""`pkgrel sign`."""

import json
from pathlib import Path

import click

from pkgrel import console
from pkgrel.cli import candidates
from pkgrel.cli.repo.options import json_option, signing_options
from pkgrel.cli.repo.options import signer as signer_of
from pkgrel.errors import PackageError, SigningError

_NOT_SIGNED = "apt trusts the signature of the repository, not that of a .deb"


@click.command("sign")
@click.argument(
    "packages",
    metavar="PACKAGE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    shell_complete=candidates.packages,
)
@signing_options
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
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
    from pkgrel import signing
    from pkgrel.signing import rpm

    rpms = [package for package in packages if not _is_deb(package)]
    if not rpms:
        raise PackageError(
            f"no .rpm is among the packages, and {_NOT_SIGNED}",
            hint="publish .deb files with `pkgrel publish`, which signs the repository",
        )
    for package in packages:
        if package not in rpms:
            console.warn(f"{package}: left alone: {_NOT_SIGNED}")
    signer = signer_of(key)
    if signer is None:
        raise SigningError(
            "there is no key to sign with", hint="name it with `--signing-key` or `--gpg-key`"
        )
    for warning in signing.check(signer, ()):
        console.warn(warning)
    if output:
        output.mkdir(parents=True, exist_ok=True)
    done = []
    for package in rpms:
        path = output / package.name if output else package
        done.append({"path": str(path), "signed": rpm.sign(package, signer, path, keep=keep)})
        if not as_json:
            console.out(str(path))
    if as_json:
        click.echo(json.dumps(done, indent=2))


def _is_deb(package: Path) -> bool:
    with package.open("rb") as file:
        return file.read(8) == b"!<arch>\n"
