"""What a unit file says, read as systemd.syntax(7) and systemd.exec(5) have it."""

import re


def directives(text: str, key: str) -> list[str]:
    """The values of every line of a directive."""
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def environment(text: str) -> dict[str, str]:
    """The variables of Environment=, one a line as pkgrel writes them."""
    pairs = (_unquoted(line).partition("=") for line in directives(text, "Environment"))
    return {name: value for name, _, value in pairs}


def _unquoted(word: str) -> str:
    if word.startswith('"'):
        word = re.sub(r"\\(.)", r"\1", word[1:-1])
    return word.replace("%%", "%")
