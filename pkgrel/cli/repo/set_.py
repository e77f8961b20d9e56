"""`pkgrel repo set`."""

import json
from dataclasses import asdict
from typing import Any

import click

from pkgrel import console
from pkgrel.cli.repo.init import keep_policy
from pkgrel.cli.repo.options import (
    dry_run_option,
    json_option,
    open_repository,
    repository_argument,
    signing_options,
    store_options,
)

_PLAIN = (
    "origin",
    "label",
    "description",
    "valid_days",
    "not_automatic",
    "but_automatic_upgrades",
    "signed_by",
    "contents",
    "concurrency",
)


@click.command("set")
@repository_argument
@click.option("--origin", help="Needs --allow-releaseinfo-change.")
@click.option("--label", help="Needs --allow-releaseinfo-change.")
@click.option(
    "--allow-releaseinfo-change",
    is_flag=True,
    help="Every client must say so to apt-get update, too.",
)
@click.option("--description")
@click.option(
    "--url", "public", metavar="URL", help="Where clients see it; needed for yum's mirrorlist."
)
@click.option(
    "--valid-days",
    type=click.IntRange(0),
    help="apt distrusts indices that are older; 0 for never.",
)
@click.option("--not-automatic/--automatic", default=None)
@click.option("--but-automatic-upgrades/--no-automatic-upgrades", default=None)
@click.option("--signed-by/--no-signed-by", default=None)
@click.option("--contents/--no-contents", default=None)
@click.option("--keep", multiple=True, metavar="CHANNEL=N", help="0 keeps all; repeats.")
@click.option("--concurrency", type=click.Choice(["native", "external"]))
@click.option(
    "--new-key",
    is_flag=True,
    help="The given keys sign from now on: both for a while, then the new one; or the old one, extended.",
)
@store_options
@signing_options
@dry_run_option
@json_option
def command(
    url: str,
    public: str | None,
    keep: tuple[str, ...],
    new_key: bool,
    allow_releaseinfo_change: bool,
    dry_run: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Change settings, and write all indices anew with them."""
    from pkgrel.errors import RepositoryError
    from pkgrel.repository.configure import configure

    repository = open_repository(url, values)
    old = repository.settings
    wanted = {name: values[name] for name in _PLAIN if values[name] is not None}
    if public is not None:
        wanted["url"] = public
    if keep:
        channels = {place.channel for place in repository.view().places()}
        for channel in keep_policy(keep).keys() - channels:
            console.warn(f"there is no channel `{channel}` yet")
        policy = {**old.keep, **keep_policy(keep)}
        wanted["keep"] = {channel: count for channel, count in policy.items() if count}
    if new_key:
        if repository.signer is None:
            raise RepositoryError("`--new-key` without a key", hint="name it with `--signing-key`")
        wanted["fingerprints"] = repository.signer.fingerprints
    done = configure(
        repository, wanted, allow_release_change=allow_releaseinfo_change, dry_run=dry_run
    )
    if as_json:
        click.echo(json.dumps(asdict(done.new), indent=2))
    for name in sorted(wanted):
        if getattr(done.old, name) != getattr(done.new, name):
            console.note(f"{name}: {getattr(done.old, name)!r} -> {getattr(done.new, name)!r}")
    for fingerprint in done.keys:
        console.note(f"public key: {fingerprint}")
    if not done:
        console.note("nothing to do")
    elif dry_run:
        console.note("nothing was changed: --dry-run")
