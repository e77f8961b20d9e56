"""The order of Debian's versions: deb-version(7), Debian Policy 5.6.12."""

import re

_PARTS = re.compile(r"([^0-9]*)([0-9]*)")

_END = ("\2", 0)

Parts = tuple[tuple[str, int], ...]
SortKey = tuple[int, Parts, Parts]


def sort_key(version: str) -> SortKey:
    """A value that sorts as dpkg does; for versions that dpkg accepts, and some value for all others."""
    epoch, colon, rest = version.partition(":")
    if not (colon and epoch.isdecimal()):
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch), _parts(upstream), _parts(revision)


def _parts(text: str) -> Parts:
    """Pairs of text and number, and the end, which is as good as any number of empty pairs."""
    parts = [(_weighed(word), int(digits or 0)) for word, digits in _PARTS.findall(text)]
    while parts and parts[-1] == _END:
        parts.pop()
    return (*parts, _END)


def _weighed(word: str) -> str:
    """`~` before the end, the end before letters, letters before everything else."""
    weighed = "".join("\1" if c == "~" else c if c.isalpha() else "\x7f" + c for c in word)
    return weighed + "\2"
