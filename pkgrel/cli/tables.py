"""Rows of text under each other: tables, and the entries of a package as `ls -l` prints files."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pkgrel.console import one_line

if TYPE_CHECKING:
    from pkgrel.artifact import Entry

Row = Sequence[object]

_TYPES = {
    "file": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "hardlink": stat.S_IFREG,
    # A device, a pipe or a socket: ls has no letter for not knowing.
    "special": 0,
}


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Yield a line for each row, the columns as wide as their widest cell."""
    lines = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(cells).rstrip()


def listing(entries: Sequence[Entry]) -> list[str]:
    """One line for each entry: mode, owner, group, size, time in UTC, path, target, flags."""
    rows = [
        (
            stat.filemode(_TYPES[entry.kind] | entry.mode),
            one_line(entry.owner),
            one_line(entry.group),
            str(entry.size),
            time.strftime("%Y-%m-%d %H:%M", time.gmtime(entry.time)),
            _name(entry),
        )
        for entry in entries
    ]
    owner, group, size = (max((len(row[i]) for row in rows), default=0) for i in (1, 2, 3))
    return [
        f"{row[0]} {row[1]:{owner}} {row[2]:{group}} {row[3]:>{size}} {row[4]} {row[5]}"
        for row in rows
    ]


def _name(entry: Entry) -> str:
    name = str(entry.path)
    if entry.kind == "directory" and name != "/":
        name += "/"
    elif entry.kind == "symlink":
        name += f" -> {entry.target}"
    elif entry.kind == "hardlink":
        name += f" link to {entry.target}"
    name = one_line(name)
    return f"{name} [{', '.join(entry.flags)}]" if entry.flags else name
