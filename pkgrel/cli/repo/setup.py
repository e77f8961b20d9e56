"""`pkgrel repo init` and `set`: create a repository and change its settings."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from pkgrel import console
from pkgrel.cli.options import (
    dry_run_option,
    json_option,
    open_repository,
    repository_argument,
    signer_given,
    signing_options,
    store_given,
    store_options,
)
from pkgrel.cli.outputs import emit
from pkgrel.cli.repo.changes import change_options

if TYPE_CHECKING:
    from pkgrel.repository.setup import Configured


SETTINGS = (
    "description",
    "concurrency",
    "valid_days",
    "not_automatic",
    "but_automatic_upgrades",
    "signed_by",
    "contents",
    "mirrorable",
)
"""Settings with options of the same name."""

_COUNT = re.compile("[0-9]{1,9}")


@click.command("init")
@repository_argument
@click.option(
    "--origin",
    help="What apt shows and pins by; cannot change later.  [default: the bucket or folder]",
)
@click.option("--label", help="The same, shorter.  [default: the origin]")
@click.option("--description", default="", help="A line about the repository.")
@click.option(
    "--url",
    "public",
    default="",
    metavar="URL",
    help="Where clients see it; needed for yum's mirrorlist.",
)
@click.option(
    "--unsigned", is_flag=True, help="Without signatures; clients must be told to trust it."
)
@click.option(
    "--valid-days",
    type=click.IntRange(0),
    metavar="DAYS",
    default=0,
    help="apt distrusts indices that are older.  [default: never]",
)
@click.option("--not-automatic", is_flag=True, help="apt installs from it only when asked to.")
@click.option(
    "--but-automatic-upgrades", is_flag=True, help="...and upgrades what was installed from it."
)
@click.option(
    "--signed-by",
    is_flag=True,
    help="Let Release name the keys that apt before 3.3 accepts from now on.",
)
@click.option("--contents", is_flag=True, help="Write Contents indices, for apt-file.")
@click.option(
    "--mirrorable",
    is_flag=True,
    help="Let yum's metadata name packages by --url, for reposync and Pulp.",
)
@click.option(
    "--keep",
    "keep",
    multiple=True,
    metavar="CHANNEL=N",
    help="How many versions a channel keeps; repeats.",
)
@click.option(
    "--concurrency",
    type=click.Choice(["native", "external"]),
    default="native",
    help="external: the store cannot do conditional writes, and only one job at a time writes.",
)
@store_options
@signing_options
@dry_run_option
@json_option
def init_command(
    url: str, public: str, unsigned: bool, dry_run: bool, as_json: bool, **values: Any
) -> None:
    """Make a repository at REPOSITORY.

    The store is tried: one that accepts conditional writes and ignores the conditions is refused,
    because two jobs would lose each other's packages. A repository that is there already with the
    same settings is fine. On a terminal the label and the description are asked for, if options do not
    say them.

    \b
    pkgrel repo init ./repo --signing-key key.asc --keep testing=10
    pkgrel repo init s3://packages.example.org --url https://packages.example.org
    """
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations.repositories import init_repository

    if not dry_run and not as_json:
        _ask_a_person(url, values)
    done = init_repository(
        url,
        store=store_given(values),
        signer=signer_given(values),
        unsigned=unsigned,
        origin=values["origin"] or "",
        label=values["label"] or "",
        dry_run=dry_run,
        reporter=Terminal(),
        url_for_clients=public,
        keep=keep_policy(values["keep"]),
        **{name: values[name] for name in SETTINGS},
    )
    if as_json:
        emit(done.settings)
    console.note(_said(url, done.made, dry_run=dry_run))


def _ask_a_person(url: str, values: dict[str, Any]) -> None:
    """Ask for settings that people see, and cannot change later or tend to forget; never in a script."""
    given = {name for name in ("label", "description") if _is_given(name)}
    if len(given) == 2 or console.manner.quiet or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    from pkgrel.operations.repositories import name_for_new

    name = name_for_new(url, store_given(values))
    if not name:
        return
    if "label" not in given:
        text = "Its name, for apt, dnf and its page"
        values["label"] = click.prompt(text, default=values["origin"] or name, err=True)
    if "description" not in given:
        text = "A line about it, or nothing"
        values["description"] = click.prompt(text, default="", show_default=False, err=True)


def _is_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source not in (ParameterSource.DEFAULT, None)


def _said(url: str, made: bool, *, dry_run: bool) -> str:
    if not made:
        return f"is a repository already, with these settings: {url}"
    return f"would make a repository: {url}" if dry_run else f"made a repository: {url}"


def keep_policy(texts: tuple[str, ...]) -> dict[str, int]:
    """Parse `CHANNEL=N` of repeated options."""
    policy = {}
    for text in texts:
        channel, _, number = text.partition("=")
        if not channel or not _COUNT.fullmatch(number):
            raise click.BadParameter(f"`{text}` is not CHANNEL=N", param_hint="--keep")
        policy[channel] = int(number)
    return policy


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
def set_command(
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
