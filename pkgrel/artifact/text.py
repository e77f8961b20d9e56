"""Text out of a package, made safe for a terminal."""

from pkgrel.console import visible


def one_line(text: str) -> str:
    """Escape line ends and tabs, and all that a terminal could take as a command."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")
