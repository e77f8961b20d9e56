"""`pkgrel schema`."""

import json

import click

from pkgrel.cli.outputs import NAMES


@click.command("schema")
@click.option(
    "--output",
    type=click.Choice([*NAMES, "all"]),
    metavar="NAME",
    help="Of what a command prints with --json: build, repo-list…; `all` with --markdown.",
)
@click.option("--markdown", is_flag=True, help="The same as a page for people: docs/reference.md.")
def command(output: str | None, markdown: bool) -> None:
    """Print the JSON Schema of pkgrel.toml.

    Every key, what it does, its default and its bounds. Editors complete and check by it, such as those with taplo,
    when the first line of pkgrel.toml names it:

    \b
    pkgrel schema >pkgrel.schema.json
    #:schema ./pkgrel.schema.json

    With --output, that of what a command prints with --json. Shapes have versions, at the end of `$id`.

    \b
    pkgrel schema --output build
    pkgrel schema --output all --markdown
    """
    if (output == "all") > markdown:
        raise click.UsageError("--output all needs --markdown; or name one command.")
    if output and markdown:
        from pkgrel.cli.outputs import outputs_page

        if output != "all":
            raise click.UsageError("--markdown with --output is of all: say `--output all`.")
        click.echo(outputs_page(), nl=False)
    elif output:
        from pkgrel.cli.outputs import output_schema

        click.echo(json.dumps(output_schema(output), indent=2))
    elif markdown:
        from pkgrel.config.reference import reference_page

        click.echo(reference_page(), nl=False)
    else:
        from pkgrel.config.schema import json_schema

        click.echo(json.dumps(json_schema(), indent=2))
