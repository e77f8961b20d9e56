"""`pkgrel man`."""

from pathlib import Path

import click

from pkgrel import console


@click.command("man")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default="man",
    show_default=True,
    help="Folder for the pages, which go into its man1.",
)
@click.pass_context
def command(ctx: click.Context, output: Path) -> None:
    """Write the manual pages: pkgrel(1), and one for each command.

    Their paths are printed, one a line. They say what --help says. SOURCE_DATE_EPOCH is honoured.

    \b
    pkgrel man --output ~/.local/share/man && man pkgrel-build
    pkgrel man && man ./man/man1/pkgrel-repo.1
    """
    from pkgrel.cli.man_page import pages
    from pkgrel.operations.build import now

    root = ctx.find_root().command
    top = click.Context(root, info_name="pkgrel", **root.context_settings)
    made = list(pages(top, f"{now():%Y-%m-%d}"))
    folder = output / "man1"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made:
        (folder / f"{name}.1").write_text(text, encoding="ascii")
    for name, _ in made:  # who reads this may have seen enough, as `head` has
        console.out(str(folder / f"{name}.1"))
