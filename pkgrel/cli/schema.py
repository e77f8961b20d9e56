"""`pkgrel schema`."""

import json

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of pkgrel.toml: every key, what it does, its default."""
    from pkgrel.config.schema import schema

    click.echo(json.dumps(schema(), indent=2))
