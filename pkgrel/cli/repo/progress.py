"""Shows uploads: a bar per file on a terminal, a line per file elsewhere."""

import shutil
import sys
import threading
from types import TracebackType

import click

from pkgrel import console
from pkgrel.cli.repo.amounts import megabytes

_WIDTH = 30


class Progress:
    """Told by the uploading threads; on stderr."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._lock = threading.Lock()
        self._sending: dict[str, int] = {}

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._clear()

    def started(self, name: str, size: int) -> None:
        """Show that a file is being sent."""
        with self._lock:
            self._clear()
            self._sending[name] = size
            self._draw()

    def finished(self, name: str, size: int) -> None:
        """Show that a file has arrived."""
        with self._lock:
            self._clear()
            self._sending.pop(name, None)
            if self._terminal:
                click.echo(_bar(name, size, "#"), err=True)
            else:
                console.note(f"uploaded {name}, {megabytes(size)}")
            self._draw()

    def _draw(self) -> None:
        if self._terminal:
            for name, size in self._sending.items():
                click.echo(_bar(name, size, " "), err=True)

    def _clear(self) -> None:
        if self._terminal and self._sending:
            click.echo(f"\x1b[{len(self._sending)}A\x1b[J", nl=False, err=True)


def _bar(name: str, size: int, fill: str) -> str:
    """One line, however narrow the terminal is: as many lines are drawn over as there are files.

    A package is one request, of which the store says nothing before its end; so a bar is empty or
    full.
    """
    rest = f" [{fill * _WIDTH}] {megabytes(size)}"
    name = console.visible(name).replace("\n", "\\n")
    room = max(8, shutil.get_terminal_size().columns - len(rest) - 1)
    return (name if len(name) <= room else f"{name[: room - 1]}…").ljust(min(room, 40)) + rest
