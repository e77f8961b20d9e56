"""`pkgrel publish`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pkgrel.cli import candidates
from pkgrel.cli.options import packages_alone
from pkgrel.cli.repo.changes import change_options, finish, phase_option
from pkgrel.cli.repo.options import (
    channel_option,
    distros_option,
    sign_packages_option,
    signer_given,
    store_given,
    to_option,
)

# Spelled out, so that --help need not load the repository.
TYPES = ("security", "bugfix", "enhancement")
_PACKAGE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("publish")
@click.argument(
    "packages",
    metavar="PACKAGE...",
    nargs=-1,
    required=True,
    type=_PACKAGE,
    callback=packages_alone,
    shell_complete=candidates.packages,
)
@to_option(
    "A directory, ssh://USER@HOST/FOLDER, or s3://, gs:// or az:// with a bucket and a folder."
)
@channel_option("--channel", default="stable", help="apt's component, yum's repository.")
@distros_option("Where the revision does not say it; repeats.")
@click.option(
    "--replace", is_flag=True, help="Publish other contents under a version that is there already."
)
@phase_option
@sign_packages_option
@click.option(
    "--advisory",
    type=click.Choice(TYPES),
    help="What the .rpm files are, for `dnf updateinfo` and `dnf upgrade --security`.",
)
@click.option(
    "--fixes",
    multiple=True,
    metavar="CVE|URL",
    help="What the advisory fixes; repeats.",
)
@change_options
def command(
    packages: tuple[Path, ...],
    url: str,
    channel: str,
    distros: tuple[str, ...],
    replace: bool,
    phase: int | None,
    sign_packages: bool,
    advisory: str | None,
    fixes: tuple[str, ...],
    **values: Any,
) -> None:
    """Publish packages into a signed apt and yum repository.

    A .deb goes to the suite of its distro, an .rpm to the distro's own repository, and both into one
    channel there. Several jobs may publish at once. A package that is there already is left alone; the same version with other
    contents is refused.

    \b
    pkgrel publish dist/* --to s3://packages.example.org --channel testing
    pkgrel publish hello_1.0.0-1~debian12_amd64.deb
    pkgrel publish dist/* --advisory security --fixes CVE-2026-12345
    """
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations.publishing import Advisory, publish

    if fixes and not advisory:
        raise click.UsageError("--fixes needs --advisory, such as `--advisory security`.")
    done = publish(
        url,
        packages,
        store=store_given(values),
        signer=signer_given(values),
        expect_generation=values["expect_generation"] or 0,
        channel=channel,
        distros=distros,
        phase=phase,
        replace=replace,
        sign_packages=sign_packages,
        advisory=Advisory(advisory, fixes) if advisory else None,
        dry_run=values["dry_run"],
        reporter=Terminal(),
    )
    finish(done.repository, done.outcome, values, notifies=True)
