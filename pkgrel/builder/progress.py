"""What a person sees of several builds: one line for each on a terminal, one line a step elsewhere."""

import os
import sys
import threading
import time
from types import TracebackType

import click

_TICK = 0.2
"""Seconds between two looks at the clock."""
_COLUMNS = 80
"""Of a terminal that does not say."""


class Progress:
    """Lines on stderr; `say` may be called from any thread."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._lock = threading.Lock()
        self._lines: dict[str, str] = {}
        self._begun: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._drawn = 0
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> "Progress":
        if self._live:
            self._ticker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._live:
            self._ticker.join()
            self._draw()

    def say(self, name: str, text: str) -> None:
        """The build `name` is at this step now."""
        with self._lock:
            self._begun.setdefault(name, time.monotonic())
            self._lines[name] = text
        if not self._live:
            click.echo(f"{name}: {text}", err=True)

    def end(self, name: str, text: str) -> None:
        """The build is over; its time stops."""
        with self._lock:
            self._ended[name] = time.monotonic()
        seconds = self._ended[name] - self._begun.setdefault(name, self._ended[name])
        if self._live:
            self._lines[name] = text
        else:
            click.echo(f"{name}: {text} ({_duration(seconds)})", err=True)

    def _tick(self) -> None:
        while not self._over.wait(_TICK):
            self._draw()

    def _draw(self) -> None:
        width = _width() - 1
        now = time.monotonic()
        with self._lock:
            lines = [
                f"{name:<12} {_duration(self._ended.get(name, now) - self._begun[name]):>6}  {text}"
                for name, text in self._lines.items()
            ]
            # Up to the first line, each one written anew to its end.
            up = f"\x1b[{self._drawn}A" if self._drawn else ""
            text = up + "".join(f"\r{line[:width]}\x1b[K\n" for line in lines)
            self._drawn = len(lines)
        sys.stderr.write(text)
        sys.stderr.flush()


def _width() -> int:
    """Columns of the terminal behind stderr; stdout may be a file."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _COLUMNS
    except OSError:
        return _COLUMNS


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes else f"{seconds:.1f} s"
