"""`pkgrel repo client`."""

from typing import Any

import click

from pkgrel import console
from pkgrel.cli import candidates
from pkgrel.cli.options import (
    channel_option,
    json_option,
    open_repository,
    reading_options,
    repository_argument,
    signed_by_option,
)
from pkgrel.cli.outputs import emit

# Listed here, so that --help need not import the repository.
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
@reading_options
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
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations.repositories import client_file

    made = client_file(
        open_repository(url, values),
        distro=distro,
        channel=channel,
        format=format_,
        url=public,
        reporter=Terminal(),
    )
    if as_json:
        emit(made)
    else:
        console.out(made.text.removesuffix("\n"))
