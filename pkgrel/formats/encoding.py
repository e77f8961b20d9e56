"""How both formats write names, links and descriptions."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from textwrap import wrap

from pkgrel.errors import PackageError
from pkgrel.package import Entry, File, HardLink


def encoded(path: PurePosixPath) -> bytes:
    """A path as the target's file system has it; names that are not UTF-8 survive."""
    text = str(path)
    if "\n" in text:
        raise PackageError(f"{text!r}: neither dpkg nor rpm can install a name with a line break")
    return text.encode("utf-8", "surrogateescape")


def link_targets(entries: Iterable[Entry]) -> Mapping[HardLink, File]:
    """The File that each hard link is another name of; PackageError if it is not there."""
    links = [entry for entry in entries if isinstance(entry, HardLink)]
    if not links:
        return {}
    files = {entry.path: entry for entry in entries if isinstance(entry, File)}
    try:
        return {link: files[link.target] for link in links}
    except KeyError as error:
        raise PackageError(f"{error.args[0]}: a hard link's target is not in the package") from None


WIDTH = 79
"""lintian and rpmlint complain about 80 and more; Debian's begin with a space."""


def description_lines(text: str) -> list[str]:
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
