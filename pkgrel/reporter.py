"""How an operation reports to its caller while it works: to a terminal, to a log, or not at all."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from pkgrel.errors import PkgrelError


class Reporter(Protocol):
    """Receives reports; every method may be called from any thread."""

    def note(self, text: str) -> None:
        """Something was done."""

    def detail(self, text: str) -> None:
        """A detail, for --verbose."""

    def warn(self, text: str) -> None:
        """A warning; the operation goes on."""

    def failed(self, problem: PkgrelError) -> None:
        """One of several parts has failed; the others go on."""

    def parts(self) -> AbstractContextManager[object]:
        """Within the block several parts are worked on; `step` and `ended` report on each."""

    def step(self, part: str, text: str) -> None:
        """A part, such as the build for a distro, has reached this step."""

    def progress(self, part: str, done: int, size: int) -> None:
        """Bytes of a part that are done, of how many; called several times a second."""

    def ended(self, part: str, text: str) -> None:
        """A part is finished."""


class Silent:
    """A Reporter that ignores all reports."""

    def note(self, text: str) -> None:
        """Nothing."""

    def detail(self, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """Nothing."""

    def failed(self, problem: PkgrelError) -> None:
        """Nothing."""

    def parts(self) -> AbstractContextManager[object]:
        """Nothing."""
        return nullcontext()

    def step(self, part: str, text: str) -> None:
        """Nothing."""

    def progress(self, part: str, done: int, size: int) -> None:
        """Nothing."""

    def ended(self, part: str, text: str) -> None:
        """Nothing."""


SILENT = Silent()
