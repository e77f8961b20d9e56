"""`pkgrel repo client`."""

import json
from typing import Any

import click

from pkgrel import console
from pkgrel.cli import candidates
from pkgrel.cli.repo.options import (
    channel_option,
    json_option,
    open_repository,
    repository_argument,
    say_what_was_believed,
    signed_by_option,
    store_options,
)

# Spelled out, so that --help need not load the repository.
_FORMATS = ("sources", "list", "preferences", "repo", "cloud-init", "dockerfile", "install")


@click.command("client")
@repository_argument
@click.option(
    "--distro",
    metavar="ID",
    shell_complete=candidates.distros,
    help="The machine's; needed for all formats but install.",
)
@channel_option(
    "--channel", default="", help="What is installed from.  [default: stable, if there is one]"
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    help="See above.  [default: sources for apt, repo for dnf and zypper; install without --distro]",
)
@click.option(
    "--url", "public", default="", metavar="URL", help="Where clients see it, if not as it says."
)
@store_options
@signed_by_option
@json_option
def command(
    url: str,
    distro: str | None,
    channel: str,
    format_: str | None,
    public: str,
    as_json: bool,
    **values: Any,
) -> None:
    """Print what a machine needs to install from REPOSITORY.

    \b
    sources     /etc/apt/sources.list.d/NAME.sources; its key is a file
    list        the same as one line, for old tools
    preferences /etc/apt/preferences.d/NAME: apt takes these packages from here, and no
                higher version from elsewhere
    repo        NAME.repo, for dnf, yum and zypper
    cloud-init  user data that sets it up and installs a package
    dockerfile  an image with the package
    install     a script that sets up any machine that there are packages for

    \b
    pkgrel repo client s3://packages.example.org --distro debian12
    pkgrel repo client --format install | ssh root@server sh
    """
    from pkgrel import distro as distros
    from pkgrel.repository.client import file, selection

    repository = open_repository(url, values)
    by = selection.opened(repository, public)
    row = distros.find(distro) if distro else None
    wanted = selection.select(repository, by, format_, row, channel)
    made = file(by, wanted.format, wanted.distro, wanted.channel, wanted.package)
    say_what_was_believed(repository)
    if not by.public:
        console.warn(
            "the repository has no public address: this is for machines that have"
            f" {by.url} (`pkgrel repo set --url` gives it one)"
        )
    if not as_json:
        console.out(made.text.removesuffix("\n"))
        return
    document = {
        "format": wanted.format,
        "distro": wanted.distro.id if wanted.distro else None,
        "channel": wanted.channel,
        "path": made.path,
        "text": made.text,
    }
    click.echo(json.dumps(document, indent=2))
