"""`pkgrel repo set`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli.repo.announcing import change_options, tell
from pkgrel.cli.repo.init import SETTINGS, keep_policy
from pkgrel.cli.repo.options import open_repository, repository_argument

if TYPE_CHECKING:
    from pkgrel.repository.configure import Configured
    from pkgrel.repository.place import Place

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
    help="Whether Release names the keys that apt accepts from now on.",
)
@click.option(
    "--contents/--no-contents",
    default=None,
    help="Whether there are Contents indices, for apt-file.",
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
    from pkgrel.errors import RepositoryError
    from pkgrel.repository.configure import configure

    if adopt and not new_key:
        raise click.UsageError("--adopt needs --new-key; or use `pkgrel repo sync --adopt`.")
    repository = open_repository(url, values, tolerant=adopt)
    wanted = {name: values[name] for name in _SETTINGS if values[name] is not None}
    if public is not None:
        wanted["url"] = public
    if keep:
        policy = {**repository.settings.keep, **keep_policy(keep)}
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
    _show(done, repository.view().places())
    if done and dry_run:
        console.note("nothing was changed: --dry-run")
    tell(repository, done.pointers, values)


def _show(done: "Configured", places: "Sequence[Place]") -> None:
    """Say what has changed, and what that leaves to do or what looks like a typing error."""
    from pkgrel.repository.settings import plain_http

    for field in fields(done.new):
        old, new = getattr(done.old, field.name), getattr(done.new, field.name)
        if old != new:
            console.note(f"{field.name}: {old!r} -> {new!r}")
    if done.new.signed and not done.old.signed and any(p.format == "rpm" for p in places):
        console.warn(
            "dnf and zypper refuse the unsigned .rpm files that are here already: take them out with"
            " `pkgrel repo remove` and publish them again"
        )
    if done.new.url != done.old.url and (problem := plain_http(done.new)):
        console.warn(problem)
    known = {place.channel for place in places}
    for channel in sorted(done.new.keep.keys() - done.old.keep.keys() - known):
        console.warn(f"there is no channel `{channel}` yet")
    for warning in done.warnings:
        console.warn(warning)
    for fingerprint in done.keys:
        console.note(f"public key: {fingerprint}")
    if not done:
        console.note("nothing to do")
