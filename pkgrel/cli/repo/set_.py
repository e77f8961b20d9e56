"""`pkgrel repo set`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli.options import open_repository, repository_argument
from pkgrel.cli.outputs import emit
from pkgrel.cli.repo.changes import change_options
from pkgrel.cli.repo.init import SETTINGS, keep_policy

if TYPE_CHECKING:
    from pkgrel.repository.setup import Configured

_SETTINGS = ("origin", "label", *SETTINGS)


@click.command("set")
@repository_argument
@click.option("--origin", help="What apt shows and pins by; needs --allow-releaseinfo-change.")
@click.option("--label", help="The same, shorter; needs --allow-releaseinfo-change.")
@click.option(
    "--allow-releaseinfo-change",
    is_flag=True,
    help="Every client must say so to apt-get update, too.",
)
@click.option("--description", help="A line about the repository.")
@click.option(
    "--url", "public", metavar="URL", help="Where clients see it; needed for yum's mirrorlist."
)
@click.option(
    "--valid-days",
    type=click.IntRange(0),
    metavar="DAYS",
    help="apt distrusts indices that are older; 0 for never.",
)
@click.option(
    "--not-automatic/--automatic",
    default=None,
    help="Whether apt installs from it only when asked to.",
)
@click.option(
    "--but-automatic-upgrades/--no-automatic-upgrades",
    default=None,
    help="Whether it then upgrades what was installed from it.",
)
@click.option(
    "--signed-by/--no-signed-by",
    default=None,
    help="Whether Release names the keys that apt before 3.3 accepts from now on.",
)
@click.option(
    "--contents/--no-contents",
    default=None,
    help="Whether there are Contents indices, for apt-file.",
)
@click.option(
    "--mirrorable/--not-mirrorable",
    default=None,
    help="Whether yum's metadata name packages by --url, for reposync and Pulp.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="CHANNEL=N",
    help="How many versions a channel keeps; 0 keeps all; repeats.",
)
@click.option(
    "--concurrency",
    type=click.Choice(["native", "external"]),
    help="external: the store cannot do conditional writes, and only one job at a time writes.",
)
@click.option(
    "--new-key",
    is_flag=True,
    help="The given keys sign from now on: both for a while, then the new one; or the old one, extended.",
)
@click.option(
    "--adopt",
    is_flag=True,
    help="With --new-key: although none of the keys has signed what is there.",
)
@change_options
def command(
    url: str,
    public: str | None,
    keep: tuple[str, ...],
    new_key: bool,
    adopt: bool,
    allow_releaseinfo_change: bool,
    dry_run: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Change settings, and write all indices anew with them.

    \b
    pkgrel repo set s3://packages.example.org --keep testing=10 --signing-key key.asc
    """
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations.publishing import announce
    from pkgrel.operations.repositories import change_settings

    if adopt and not new_key:
        raise click.UsageError("--adopt needs --new-key; or use `pkgrel repo sync --adopt`.")
    repository = open_repository(url, values, tolerant=adopt)
    wanted = {name: values[name] for name in _SETTINGS if values[name] is not None}
    if public is not None:
        wanted["url"] = public
    if keep:
        wanted["keep"] = keep_policy(keep)
    done = change_settings(
        repository,
        wanted,
        new_key=new_key,
        allow_release_change=allow_releaseinfo_change,
        dry_run=dry_run,
        reporter=Terminal(),
    )
    if as_json:
        emit(done.new)
    _show(done)
    if done and dry_run:
        console.note("nothing was changed: --dry-run")
    announce(repository, done.pointers, command=values["after"], cloudfront=values["cloudfront"])


def _show(done: Configured) -> None:
    from pkgrel.operations.repositories import changed

    for name, (old, new) in changed(done).items():
        console.note(f"{name}: {old!r} -> {new!r}")
    for fingerprint in done.keys:
        console.note(f"public key: {fingerprint}")
    if not done:
        console.note("nothing to do")
