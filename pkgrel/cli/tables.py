"""Formats tables, and the entries of a package in the manner of `ls -l`."""

from __future__ import annotations

import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pkgrel.console import one_line

if TYPE_CHECKING:
    from pkgrel.artifact import Entry

F = TypeVar("F", bound=Callable[..., Any])
Row = Sequence[object]

_TYPES = {
    "file": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "hardlink": stat.S_IFREG,
    # A device, a pipe or a socket: which one is unknown.
    "special": 0,
}


_NARROWEST = 8
"""The smallest width of a column that is cut."""


def table(rows: Iterable[Row], *, wide: bool = False) -> Iterator[str]:
    """Yield a line for each row, the columns as wide as their widest cell.

    On a terminal the widest columns are cut until a line fits, unless all is wanted; a pipe gets all.
    """
    lines = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    room = 0 if wide else _columns()
    # Not the first column, a name that people copy.
    while (
        room
        and sum(widths) + 2 * (len(widths) - 1) > room
        and max(widths[1:], default=0) > _NARROWEST
    ):
        widths[widths.index(max(widths[1:]), 1)] -= 1
    for line in lines:
        cells = (_cut(cell, width).ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(cells).rstrip()


def wide_option(command: F) -> F:
    """Whether a table may be wider than the terminal."""
    return click.option(
        "--wide", is_flag=True, help="Cut nothing that the terminal is too narrow for."
    )(command)


def _columns() -> int:
    """The width of the terminal; 0 if stdout is not one, even if COLUMNS is set."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 1]}…"


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
