"""`python -m pkgrel`."""

from pkgrel.cli import main

main(prog_name="pkgrel")
