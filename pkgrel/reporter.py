"""What an operation tells while it works, to whoever called it: a terminal, a log, nobody."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from pkgrel.errors import PkgrelError


class Reporter(Protocol):
    """Who listens; every method may be called from any thread."""

    def note(self, text: str) -> None:
        """Something is to be known, and is right."""

    def detail(self, text: str) -> None:
        """Something is of interest to whoever looks for a reason."""

    def warn(self, text: str) -> None:
        """Something deserves a look, and stops nothing."""

    def failed(self, problem: PkgrelError) -> None:
        """One of several parts has failed, and the others go on."""

    def parts(self) -> AbstractContextManager[object]:
        """Several parts are worked on while the block lasts, which `step` and `ended` tell of."""

    def step(self, part: str, text: str) -> None:
        """The part, such as the build for a distro, is at this step now."""

    def progress(self, part: str, done: int, size: int) -> None:
        """So many bytes of the part are done, of that many; said several times a second."""

    def ended(self, part: str, text: str) -> None:
        """The part is over; its time stops."""


class Silent:
    """A Reporter that tells nobody."""

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
