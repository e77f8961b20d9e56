"""`pkgrel publish`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli import candidates
from pkgrel.cli.repo.announcing import change_options, finish
from pkgrel.cli.repo.options import (
    channel_option,
    distros_option,
    sign_packages_option,
    store,
    to_option,
    trust,
)
from pkgrel.repository.advisory import TYPES

if TYPE_CHECKING:
    from pkgrel.repository.settings import Settings
    from pkgrel.repository.store import Store
    from pkgrel.repository.trust import Trust

_PACKAGE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("publish")
@click.argument(
    "packages",
    metavar="PACKAGE...",
    nargs=-1,
    required=True,
    type=_PACKAGE,
    shell_complete=candidates.packages,
)
@to_option("A directory, s3://, gs:// or az:// with a bucket and a folder.")
@channel_option("--channel", default="stable", help="apt's component, yum's repository.")
@distros_option("Where the revision does not say it; repeats.")
@click.option(
    "--replace", is_flag=True, help="Publish other contents under a version that is there already."
)
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
    from pkgrel import distro
    from pkgrel.cli.repo.progress import Progress
    from pkgrel.repository import key, publish
    from pkgrel.repository.commit import Repository

    items = publish.read(packages, distro.select(distros), channel, _advisory(advisory, fixes))
    if advisory and not any(item.advisory for item in items):
        console.warn("--advisory: apt knows no advisories, and there is no .rpm file among these")
    opened = store(url, values)
    believed = trust(values)
    own = believed.signer
    for warning in key.check(own, (item.place for item in items)):
        console.warn(warning)
    if not sign_packages:
        for file, reason in publish.distrusted(own, items).items():
            console.warn(f"{file}: dnf and zypper will refuse it: {reason}")
    settings = _settings(opened, believed, values["dry_run"])
    repository = Repository(opened, settings, own, believed)
    with Progress() as progress:
        outcome = publish.publish(
            repository,
            items,
            replace=replace,
            sign_packages=sign_packages,
            dry_run=values["dry_run"],
            report=progress,
        )
    for title in publish.left_out(repository, items, outcome):
        console.warn(f"{title} is too old for {channel}, which keeps the newest versions only")
    finish(repository, outcome, values)


def _advisory(type: str | None, fixes: tuple[str, ...]) -> tuple[str, ...]:
    from pkgrel.repository.advisory import advisory

    if type is None:
        if fixes:
            raise click.UsageError("--fixes needs --advisory, such as `--advisory security`.")
        return ()
    return advisory(type, fixes)


def _settings(opened: Store, believed: Trust, dry_run: bool) -> Settings:
    """The repository's; a new one with the defaults in a directory, if there is a key."""
    from pkgrel.errors import RepositoryError
    from pkgrel.repository import layout, settings
    from pkgrel.repository.initialise import default_origin, initialise
    from pkgrel.repository.store.local import Local

    found = settings.find(opened, believed)
    if found:
        return found[0]
    if not isinstance(opened, Local):
        return settings.read(opened, believed)  # says how to make one
    if opened.stat(layout.HEAD):
        raise RepositoryError(
            f"{opened.url}: `{layout.SETTINGS}` is missing, though there have been changes",
            hint="restore the object; or make it with `pkgrel repo init`, and take over the rest with"
            " `pkgrel repo sync --adopt`",
        )
    origin = default_origin(opened)
    wanted = settings.Settings(origin=origin, label=origin)
    made = initialise(opened, wanted, believed.signer, dry_run=dry_run)
    believed.begin(made.id, made.fingerprints)
    if not dry_run:
        console.note(f"made a repository: {opened.url}")
    return made
