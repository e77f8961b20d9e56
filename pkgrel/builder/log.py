"""The log of a build: the output of all steps in a file, with secrets hidden.

It is `$XDG_STATE_HOME/pkgrel/PROJECT-DISTRO.log` (by default below ~/.local/state), of the last build.
"""

import os
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from pkgrel.console import stripped
from pkgrel.errors import PkgrelError

HIDDEN = "[hidden]"
_SHORTEST_SECRET = 4
"""Shorter values are not hidden: they are not secrets, and would match everywhere."""
_SHORTEST_WORD = 12
"""The same for words of a longer text, such as the password in a .netrc."""
_KEPT_LINES = 2000
_SHOWN_LINES = 25
_FIRST_COMPLAINT = re.compile(
    r"\*\* \(|^==> .*error|\berror:|\bError\b|^error\b|^===> .*(?:fail|error)|Compilation error"
    r"|fatal:|No space left|npm ERR!|cannot |Could not |not found",
    re.IGNORECASE,
)


class Log:
    """Where the output of a build's steps goes."""

    def __init__(self, file: BinaryIO, path: Path, secrets: Iterable[str] = ()) -> None:
        self.path = path
        self._file = file
        self._secrets = _lines_to_hide(secrets)
        self._rest = b""
        self._step: deque[str] = deque(maxlen=_KEPT_LINES)

    def step(self, title: str) -> None:
        """Begin a step."""
        self._flush()
        self._line(f"==> {title}".encode())
        self._step.clear()

    def write(self, data: bytes) -> None:
        """Add output as it appears; secrets are hidden even if they arrive in pieces."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        self._file.flush()

    def note(self, text: str) -> None:
        """Add a line of pkgrel's."""
        self._flush()
        self._line(text.encode())
        self._file.flush()

    def relevant(self) -> tuple[str, ...]:
        """The lines of the current step that probably explain its failure."""
        self._flush()
        lines = [line for line in self._step if line.strip()]
        first = next((n for n, line in enumerate(lines) if _FIRST_COMPLAINT.search(line)), None)
        if first is None or len(lines) - first < 3:
            return tuple(lines[-10:])
        return tuple(lines[first : first + _SHOWN_LINES])

    def text(self) -> str:
        """What the current step has printed so far, or the end of it."""
        self._flush()
        return "\n".join(self._step)

    def _line(self, line: bytes) -> None:
        # The last state of a line that a progress bar has rewritten.
        text = line.decode(errors="replace").rstrip("\r").rpartition("\r")[2]
        text = stripped(text)
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        self._step.append(text)
        self._file.write(text.encode() + b"\n")

    def _flush(self) -> None:
        if self._rest:
            line, self._rest = self._rest, b""
            self._line(line)


def _lines_to_hide(secrets: Iterable[str]) -> list[str]:
    """Each line of each secret, and its long words; the longest first, since one may contain another."""
    lines = {line.strip() for secret in secrets for line in secret.splitlines()}
    words = {word for line in lines for word in line.split() if len(word) >= _SHORTEST_WORD}
    hidden = words | {line for line in lines if len(line) >= _SHORTEST_SECRET}
    return sorted(hidden, key=len, reverse=True)


@contextmanager
def opened(name: str, secrets: Iterable[str] = ()) -> Iterator[Log]:
    """The log with this name, emptied.

    If the usual directory is not writable, it is in the temporary directory, and kept only if an error's hint names it.
    """
    with ExitStack() as stack:
        try:
            path = _folder() / f"{name}.log"
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("wb")
        except (OSError, RuntimeError):  # RuntimeError: the user has no home
            path = stack.enter_context(_temporary()) / f"{name}.log"
            file = path.open("wb")
        log = Log(stack.enter_context(file), path, secrets)
        try:
            yield log
        finally:
            log._flush()


@contextmanager
def _temporary() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="pkgrel-log-"))
    kept = False
    try:
        yield folder
    except PkgrelError as e:
        kept = str(folder) in (e.hint or "")
        raise
    finally:
        if not kept:
            shutil.rmtree(folder)


def _folder() -> Path:
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (state if state.is_absolute() else Path.home() / ".local/state") / "pkgrel"
