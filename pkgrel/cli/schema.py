"""`pkgrel schema`."""

import json

import click


@click.command("schema")
@click.option("--markdown", is_flag=True, help="The same as a page for people: docs/reference.md.")
def command(markdown: bool) -> None:
    """Print the JSON Schema of pkgrel.toml.

    Every key, what it does, its default and its bounds. Editors complete and check by it, such as those with taplo,
    when the first line of pkgrel.toml names it:

    \b
    pkgrel schema >pkgrel.schema.json
    #:schema ./pkgrel.schema.json
    """
    from pkgrel.config.reference import reference_page
    from pkgrel.config.schema import json_schema

    click.echo(
        reference_page() if markdown else json.dumps(json_schema(), indent=2), nl=not markdown
    )
