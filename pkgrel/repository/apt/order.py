"""The order of Debian's versions: deb-version(7), Debian Policy 5.6.12."""

import re

_PARTS = re.compile(r"([^0-9]*)([0-9]*)")

SortKey = tuple[int, tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]


def sort_key(version: str) -> SortKey:
    """A value that sorts as dpkg does; for versions that dpkg accepts."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch), _parts(upstream), _parts(revision)


def _parts(text: str) -> tuple[tuple[str, int], ...]:
    """Pairs of text and number; a missing number is 0, and the end of a version is such a pair."""
    return tuple((_weighed(word), int(digits or 0)) for word, digits in _PARTS.findall(text))


def _weighed(word: str) -> str:
    """`~` before the end, the end before letters, letters before everything else."""
    weighed = "".join("\1" if c == "~" else c if c.isalpha() else "\x7f" + c for c in word)
    return weighed + "\2"
