"""`pkgrel repo`: the commands for a repository as a whole."""

import importlib

import click

_COMMANDS = {
    "init": "pkgrel.cli.repo.init",
    "list": "pkgrel.cli.repo.list_",
    "promote": "pkgrel.cli.repo.promote",
    "remove": "pkgrel.cli.repo.remove",
    "rollback": "pkgrel.cli.repo.rollback",
    "prune": "pkgrel.cli.repo.prune",
    "gc": "pkgrel.cli.repo.gc",
    "verify": "pkgrel.cli.repo.verify",
    "sync": "pkgrel.cli.repo.sync",
    "import": "pkgrel.cli.repo.import_",
    "set": "pkgrel.cli.repo.set_",
    "doctor": "pkgrel.cli.repo.doctor",
    "client": "pkgrel.cli.repo.client",
}


class _Group(click.Group):
    """Loads a command's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The `command` of the module with that name."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(_COMMANDS[cmd_name]).command
        return command


@click.group("repo", cls=_Group)
def command() -> None:
    """Make, look into and look after a repository of packages.

    REPOSITORY is a directory (./repo if it is left out), s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or
    az://CONTAINER/FOLDER. PKGREL_REPO names it for all commands.
    """
