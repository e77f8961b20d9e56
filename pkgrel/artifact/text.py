"""Text out of a package, made safe for a terminal."""

import re

# Anything a terminal could take as a command, and bytes of a name that are no UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Escape what is no text; tabs and line ends stay."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def one_line(text: str) -> str:
    """Escape line ends and tabs too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")
