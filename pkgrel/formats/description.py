"""Long descriptions, in lines that fit a terminal."""

from textwrap import wrap

WIDTH = 79
"""lintian and rpmlint complain about 80 and more; Debian's begin with a space."""


def lines(text: str) -> list[str]:
    """Lines of a description; longer ones are wrapped, with the indentation that they have."""
    result: list[str] = []
    for line in text.strip("\n").splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        result += wrap(
            line,
            WIDTH - 1,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return result
