"""Steps of a build: commands that are run one after the other until one fails."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pkgrel.builder import failure
from pkgrel.builder.workplace import Workplace


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and what it is called on the screen and in the log."""

    title: str
    command: str
    folder: str = "."


def run(place: Workplace, steps: Iterable[Step], say: Callable[[str], None]) -> None:
    """Run steps until one fails, which is a BuildError."""
    for step in steps:
        say(step.title)
        place.log.step(step.title)
        if status := place.run(step.command, folder=step.folder):
            raise failure.failed(place.name, step.title, place.log, status)


def own_steps(key: str, commands: tuple[str, ...]) -> Iterator[Step]:
    """The steps of [build.before] or [build.after]."""
    for number, command in enumerate(commands, 1):
        shown = command if len(command) <= 40 else command[:39] + "…"
        yield Step(f"build.{key} {number}: {shown}", command)
