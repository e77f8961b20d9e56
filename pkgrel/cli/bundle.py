"""`pkgrel bundle`."""

from __future__ import annotations

from pathlib import Path

import click

from pkgrel import console
from pkgrel.cli import Group, candidates
from pkgrel.cli.fleet import document_of
from pkgrel.cli.options import config_option, json_option, packages_alone
from pkgrel.cli.outputs import emit
from pkgrel.cli.paths import FilePath


@click.group("bundle", cls=Group)
def command() -> None:
    """Pack packages as other systems deploy them.

    \b
    pkgrel bundle codedeploy dist/*
    """


@command.command("codedeploy")
@click.argument(
    "packages",
    metavar="PACKAGE...",
    nargs=-1,
    required=True,
    type=FilePath(exists=True, dir_okay=False),
    callback=packages_alone,
    shell_complete=candidates.packages,
)
@click.option(
    "-o",
    "--output",
    type=FilePath(),
    metavar="PATH",
    help="The file, or a folder for it.  [default: NAME-VERSION-codedeploy.zip]",
)
@click.option(
    "--wait",
    type=click.IntRange(0, 3600),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="How long the service must stay ready.",
)
@config_option
@json_option
def codedeploy(
    packages: tuple[Path, ...],
    output: Path | None,
    wait: int,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Write a revision of AWS CodeDeploy with each PACKAGE.

    It is a .zip of appspec.yml, hooks and the packages, as CodeDeploy takes it from a bucket.

    The packages are of one version, for as many distros and architectures as you like; a machine takes its own.
    The version is installed whatever is there, so that an older revision can be deployed again. Then the service must
    be ready, as [service.ready] of pkgrel.toml says, and stay so. Behind a load balancer it is stopped when its traffic
    is drained, and started afterwards. The path is printed.

    \b
    pkgrel bundle codedeploy dist/*
    aws s3 cp hello-1.1.0-codedeploy.zip s3://revisions/
    """
    from pkgrel.operations.bundles import codedeploy_bundle
    from pkgrel.rollout.steps import Ready

    settings = document_of(config_file).base.service.ready
    ready = Ready(url=settings.http, tcp=settings.tcp, patience=settings.timeout_sec)
    written = codedeploy_bundle(packages, output, ready=ready, wait=wait)
    if as_json:
        emit({"path": str(written)})
    else:
        console.out(str(written))
