"""Contenders take turns, so that whatever else the machine does meets all of them alike."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.measure import Command, Cost, median, run


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to make packages in a fresh folder."""

    name: str
    commands: tuple[Command, ...]
    """Run in the folder; what they make goes to its `out`."""
    folders: tuple[str, ...] = ("out",)
    """Made before the clock starts."""
    prepare: Callable[[Path], None] = field(default=lambda folder: None)
    """Whatever else is not timed, such as a configuration file."""


def contest(contenders: Sequence[Contender], rounds: int, *, warm_up: bool = True) -> list[Cost]:
    """Run all of them `rounds` times in turn; the medians, in the contenders' order."""
    costs: list[list[Cost]] = [[] for _ in contenders]
    for number in range(-1 if warm_up else 0, rounds):
        for contender, found in zip(contenders, costs, strict=True):
            print(f"  {contender.name} …", end=" ", file=sys.stderr, flush=True)
            cost = _once(contender)
            print(f"{cost.wall:.2f} s", file=sys.stderr)
            if number >= 0:
                found.append(cost)
    return [median(found) for found in costs]


def _once(contender: Contender) -> Cost:
    folder = Path(tempfile.mkdtemp(prefix="pkgrel-bench-"))
    try:
        for name in contender.folders:
            (folder / name).mkdir(parents=True)
        contender.prepare(folder)
        cost = run(contender.commands, folder)
        made = [path for path in (folder / "out").rglob("*") if path.suffix in (".deb", ".rpm")]
        return replace(cost, size=sum(path.stat().st_size for path in made))
    finally:
        shutil.rmtree(folder)
