"""`pkgrel repo`: the commands for a repository as a whole."""

import click

from pkgrel.cli import LazyGroup

_COMMANDS = {
    "init": "pkgrel.cli.repo.init",
    "list": "pkgrel.cli.repo.list_",
    "promote": "pkgrel.cli.repo.promote",
    "phase": "pkgrel.cli.repo.phase",
    "remove": "pkgrel.cli.repo.remove",
    "rollback": "pkgrel.cli.repo.rollback",
    "prune": "pkgrel.cli.repo.prune",
    "gc": "pkgrel.cli.repo.gc",
    "verify": "pkgrel.cli.repo.verify",
    "sync": "pkgrel.cli.repo.sync",
    "import": "pkgrel.cli.repo.import_",
    "set": "pkgrel.cli.repo.set_",
    "doctor": "pkgrel.cli.repo.doctor",
    "audit": "pkgrel.cli.repo.audit",
    "client": "pkgrel.cli.repo.client",
}


@click.group("repo", cls=LazyGroup, modules=_COMMANDS)
def command() -> None:
    """Make, look into and look after a repository of packages.

    REPOSITORY is a directory (./repo if it is left out), ssh://USER@HOST/FOLDER, s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or
    az://CONTAINER/FOLDER. PKGREL_REPO names it for all commands.

    \b
    pkgrel repo init s3://packages.example.org --signing-key key.asc
    pkgrel repo list s3://packages.example.org
    """
