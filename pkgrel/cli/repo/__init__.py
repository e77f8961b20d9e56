"""`pkgrel repo`: the group of commands for repositories."""

import click

from pkgrel.cli import LazyGroup

_COMMANDS = {
    "init": "pkgrel.cli.repo.setup:init_command",
    "list": "pkgrel.cli.repo.list_",
    "promote": "pkgrel.cli.repo.channels:promote_command",
    "phase": "pkgrel.cli.repo.phase",
    "remove": "pkgrel.cli.repo.channels:remove_command",
    "rollback": "pkgrel.cli.repo.channels:rollback_command",
    "prune": "pkgrel.cli.repo.channels:prune_command",
    "gc": "pkgrel.cli.repo.upkeep:gc_command",
    "verify": "pkgrel.cli.repo.upkeep:verify_command",
    "sync": "pkgrel.cli.repo.upkeep:sync_command",
    "import": "pkgrel.cli.repo.import_",
    "set": "pkgrel.cli.repo.setup:set_command",
    "doctor": "pkgrel.cli.repo.upkeep:doctor_command",
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
