"""What a person sees of work in parts: one line for each on a terminal, one line a step elsewhere."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pkgrel import console
from pkgrel.errors import PkgrelError

_TICK = 0.2
"""Seconds between two looks at the clock."""
_COLUMNS = 80
"""Of a terminal that does not say."""


class Terminal:
    """A Reporter on stderr."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._lock = threading.Lock()
        self._lines: dict[str, str] = {}
        self._begun: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._drawn = 0
        self._over = threading.Event()

    @contextmanager
    def parts(self) -> Iterator[None]:
        """See Reporter; the lines are drawn anew until the block ends, and stay as they are then."""
        if not self._live:
            yield
            return
        self._over.clear()
        ticker = threading.Thread(target=self._tick, daemon=True)
        ticker.start()
        try:
            yield
        finally:
            self._over.set()
            ticker.join()
            self._draw()

    def note(self, text: str) -> None:
        """See Reporter."""
        console.note(text)

    def warn(self, text: str) -> None:
        """See Reporter."""
        console.warn(text)

    def failed(self, problem: PkgrelError) -> None:
        """See Reporter."""
        console.error(problem)

    def step(self, part: str, text: str) -> None:
        """See Reporter."""
        with self._lock:
            self._begun.setdefault(part, time.monotonic())
            self._lines[part] = text
        if not self._live:
            console.note(f"{part}: {text}")

    def ended(self, part: str, text: str) -> None:
        """See Reporter."""
        with self._lock:
            self._ended[part] = time.monotonic()
            seconds = self._ended[part] - self._begun.setdefault(part, self._ended[part])
            self._lines[part] = text
        if not self._live:
            console.note(f"{part}: {text} ({_duration(seconds)})")

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
