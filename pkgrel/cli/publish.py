"""`pkgrel publish`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pkgrel.cli import candidates
from pkgrel.cli.options import (
    channel_option,
    distros_option,
    packages_alone,
    sign_packages_option,
    signer_given,
    store_given,
    to_option,
)
from pkgrel.cli.outputs import emit
from pkgrel.cli.paths import FilePath
from pkgrel.cli.repo.changes import change_options, finish, phase_option

if TYPE_CHECKING:
    from pkgrel.config.delivery import UploadSettings
    from pkgrel.operations.uploading import Uploaded

# Spelled out, so that --help need not load the repository.
TYPES = ("security", "bugfix", "enhancement")
_PACKAGE = FilePath(exists=True, dir_okay=False)


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
@click.option(
    "--upload",
    "uploads",
    multiple=True,
    metavar="NAME|URL",
    help="Send the files there: one of [publish.uploads], or https://HOST/{channel}/{file}. Without --to, only there; repeats.",
)
@channel_option("--channel", default="stable", help="apt's component, yum's repository.")
@distros_option("Where the revision does not say it; repeats.")
@click.option(
    "--replace", is_flag=True, help="Publish other contents under a version that is there already."
)
@phase_option
@sign_packages_option
@click.option(
    "--tried",
    is_flag=True,
    help="Refuse what has not passed `pkgrel try`, as a signed statement beside it says.",
)
@click.option(
    "--tried-key",
    type=_PACKAGE,
    help="Public keys of those whose statements count besides the signing key's.",
)
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
@click.pass_context
def command(ctx: click.Context, /, packages: tuple[Path, ...], url: str, **values: Any) -> None:
    """Publish packages into a signed apt and yum repository.

    A .deb goes to the suite of its distro, an .rpm to the distro's own repository, and both into one
    channel there. Several jobs may publish at once. A package that is there already is left alone; the same version with other
    contents is refused.

    \b
    pkgrel publish dist/* --to s3://packages.example.org --channel testing
    pkgrel publish hello_1.0.0-1~debian12_amd64.deb
    pkgrel publish dist/* --upload artifactory
    pkgrel publish dist/* --advisory security --fixes CVE-2026-12345
    """
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations.publishing import Advisory, publish

    advisory, tried_key = values["advisory"], values["tried_key"]
    if values["fixes"] and not advisory:
        raise click.UsageError("--fixes needs --advisory, such as `--advisory security`.")
    targets = [_upload_settings(each) for each in values["uploads"]]
    if targets and ctx.get_parameter_source("url") is not click.core.ParameterSource.COMMANDLINE:
        sent = _upload(packages, targets, values)
        if values["as_json"]:
            emit(sent)
        return
    done = publish(
        url,
        packages,
        store=store_given(values),
        signer=signer_given(values),
        expect_generation=values["expect_generation"] or 0,
        channel=values["channel"],
        distros=values["distros"],
        phase=values["phase"],
        replace=values["replace"],
        sign_packages=values["sign_packages"],
        advisory=Advisory(advisory, values["fixes"]) if advisory else None,
        tried=values["tried"],
        tried_key=tried_key.read_bytes() if tried_key else b"",
        dry_run=values["dry_run"],
        reporter=Terminal(),
    )
    finish(done.repository, done.outcome, values, notifies=True)
    if targets:
        _upload(packages, targets, values)


def _upload_settings(where: str) -> UploadSettings:
    """Those of a URL, or of a name in pkgrel.toml."""
    from pkgrel import config
    from pkgrel.errors import did_you_mean
    from pkgrel.operations.uploading import from_template

    if "://" in where:
        return from_template(where)
    file = config.find_file(Path())
    known = config.load(file).base.publish.uploads if file else {}
    if where not in known:
        raise click.UsageError(
            f"there is no [publish.uploads.{where}] in pkgrel.toml; "
            + did_you_mean(where, known, otherwise="name one, or a URL.")
        )
    return known[where]


def _upload(
    packages: tuple[Path, ...],
    targets: list[UploadSettings],
    values: Mapping[str, Any],
) -> list[Uploaded]:
    """Send the files to each; a line for what was sent, on standard output unless that is JSON."""
    from pkgrel import console
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations.uploading import upload

    signer = signer_given(values) if values["sign_packages"] else None
    sent: list[Uploaded] = []
    for settings in targets:
        done = upload(
            packages,
            settings,
            channel=values["channel"],
            distros=values["distros"],
            signer=signer,
            sign_packages=values["sign_packages"],
            dry_run=values["dry_run"],
            reporter=Terminal(),
        )
        sent += done
        for one in done:
            if not values["as_json"]:
                console.out(f"{'=' if one.was_there else '+'} {one.path.name} {one.url}")
    if values["dry_run"]:
        console.note("nothing was sent: --dry-run")
    return sent
