"""Shows the progress of parts of the work: on a terminal a line for each part, elsewhere a line for each step."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pkgrel import console
from pkgrel.errors import PkgrelError

_TICK = 0.2
"""Seconds between updates of the display."""
_TELL = {True: 1.0, False: 10.0}
"""Seconds between two lines about bytes, for JSON or text without a terminal."""
_BAR = 20
_COLUMNS = 80
_LINES = 24
"""The size of a terminal that does not tell it."""


class Terminal:
    """A Reporter on stderr."""

    def __init__(self) -> None:
        said = console.manner
        lines = said.as_json or said.quiet or said.verbose
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not lines
        self._lock = threading.Lock()
        self._lines: dict[str, str] = {}
        self._begun: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._sums: set[str] = set()
        self._told: dict[str, float] = {}
        self._drawn = 0
        self._over = threading.Event()

    @contextmanager
    def parts(self) -> Iterator[None]:
        """See Reporter; the lines are redrawn until the end of the block, and stay."""
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
            for part in self._sums:
                del self._lines[part], self._begun[part]
            self._sums.clear()
            self._draw()

    def note(self, text: str) -> None:
        """See Reporter."""
        self._above(lambda: console.note(text))

    def detail(self, text: str) -> None:
        """See Reporter."""
        console.detail(text)

    def warn(self, text: str) -> None:
        """See Reporter."""
        self._above(lambda: console.warn(text))

    def failed(self, problem: PkgrelError) -> None:
        """See Reporter."""
        self._above(lambda: console.error(problem))

    def step(self, part: str, text: str) -> None:
        """See Reporter."""
        with self._lock:
            self._ended.pop(part, None)
            self._begun.setdefault(part, time.monotonic())
            self._lines[part] = text
        if not self._live:
            console.step(part, text)

    def progress(self, part: str, done: int, size: int) -> None:
        """See Reporter; what is no part by itself has a line above the others, which goes when all is done."""
        now = time.monotonic()
        with self._lock:
            if part not in self._lines:
                self._sums.add(part)
            self._begun.setdefault(part, now)
            self._lines[part] = _bar(done, size)
            is_due = now - self._told.setdefault(part, now) >= _TELL[console.manner.as_json]
            if is_due:
                self._told[part] = now
        if is_due and not self._live:
            console.progress(part, done, size)

    def ended(self, part: str, text: str) -> None:
        """See Reporter."""
        with self._lock:
            self._ended[part] = time.monotonic()
            seconds = self._ended[part] - self._begun.setdefault(part, self._ended[part])
            self._lines[part] = text
        if not self._live:
            console.step(part, f"{text} ({_duration(seconds)})")

    def _tick(self) -> None:
        while not self._over.wait(_TICK):
            self._draw()

    def _draw(self) -> None:
        """What has ended is written for the last time, above what goes on: there may be more than fits."""
        with self._lock:
            self._clear()
            over = [name for name in self._lines if name in self._ended]
            text = "".join(self._line(name) for name in over)
            for name in over:
                del self._lines[name], self._begun[name], self._ended[name]
            going = sorted(self._lines, key=lambda name: name not in self._sums)[: _height() - 1]
            text += "".join(self._line(name) for name in going)
            self._drawn = len(going)
            sys.stderr.write(text)
            sys.stderr.flush()

    def _above(self, say: Callable[[], None]) -> None:
        """Write a line above the ones that are redrawn."""
        with self._lock:
            self._clear()
            say()

    def _clear(self) -> None:
        if self._drawn:
            sys.stderr.write(f"\x1b[{self._drawn}A\x1b[J")
            sys.stderr.flush()
            self._drawn = 0

    def _line(self, name: str) -> str:
        seconds = self._ended.get(name, time.monotonic()) - self._begun[name]
        text = f"{console.one_line(name):<12} {_duration(seconds):>6}  {console.one_line(self._lines[name])}"
        return f"\r{text[: _width() - 1]}\x1b[K\n"


def _height() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).lines or _LINES
    except OSError:
        return _LINES


def _width() -> int:
    """Columns of the terminal behind stderr; stdout may be a file."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _COLUMNS
    except OSError:
        return _COLUMNS


def _bar(done: int, size: int) -> str:
    filled = _BAR * done // max(size, 1)
    return f"[{'#' * filled:.<{_BAR}}] {console.amount(done)} of {console.amount(size)}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes else f"{seconds:.1f} s"
