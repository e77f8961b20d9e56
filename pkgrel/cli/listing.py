"""Entries of a package as `ls -l` prints files, and texts that are safe for a terminal."""

import re
import stat
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pkgrel.artifact import Entry

_TYPES = {
    "file": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "hardlink": stat.S_IFREG,
    # A device, a pipe or a socket: ls has no letter for not knowing.
    "special": 0,
}

# Anything a terminal could take as a command, and bytes of a name that are no UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Escape what is no text; tabs and line ends stay."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def listing(entries: "Sequence[Entry]") -> list[str]:
    """One line for each entry: mode, owner, group, size, time in UTC, path, target, flags."""
    rows = [
        (
            stat.filemode(_TYPES[entry.kind] | entry.mode),
            entry.owner,
            entry.group,
            str(entry.size),
            time.strftime("%Y-%m-%d %H:%M", time.gmtime(entry.time)),
            _name(entry),
        )
        for entry in entries
    ]
    owner, group, size = (max((len(row[i]) for row in rows), default=0) for i in (1, 2, 3))
    return [
        printable(f"{row[0]} {row[1]:{owner}} {row[2]:{group}} {row[3]:>{size}} {row[4]} {row[5]}")
        for row in rows
    ]


def _name(entry: "Entry") -> str:
    name = str(entry.path)
    if entry.kind == "directory" and name != "/":
        name += "/"
    elif entry.kind == "symlink":
        name += f" -> {entry.target}"
    elif entry.kind == "hardlink":
        name += f" link to {entry.target}"
    # A line end in a name would make two lines of it.
    name = name.replace("\n", "\\n").replace("\t", "\\t")
    return f"{name} [{', '.join(entry.flags)}]" if entry.flags else name
