"""What a sequence of commands costs: wall time, CPU time, memory.

Source: wait4(2) and getrusage(2). CPU is that of a command and all processes it has waited for.
Memory is the largest resident set of any one of them; a program cannot report less than this
Python had when it started it, some 15 MiB.
"""

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

Command = Sequence[str | Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one run, or the medians of several."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds, user and system."""
    memory: int
    """Bytes."""
    size: int = 0
    """Bytes of what was made."""


class Failed(Exception):
    """A command did not succeed."""


def run(commands: Iterable[Command], cwd: Path) -> Cost:
    """Run one after the other; Failed if one does not exit 0."""
    wall = cpu = 0.0
    memory = 0
    for command in commands:
        cost = _run(command, cwd)
        wall += cost.wall
        cpu += cost.cpu
        memory = max(memory, cost.memory)
    return Cost(wall=wall, cpu=cpu, memory=memory)


def median(costs: Sequence[Cost]) -> Cost:
    """The median of every measure; of memory the largest."""
    return Cost(
        wall=statistics.median(cost.wall for cost in costs),
        cpu=statistics.median(cost.cpu for cost in costs),
        memory=max(cost.memory for cost in costs),
        size=costs[-1].size,
    )


def _run(command: Command, cwd: Path) -> Cost:
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            text = output.read().decode(errors="replace").strip()[-2000:]
            said = shorten(" ".join(map(str, command)), 300)
            raise Failed(f"{said}\nexited {process.returncode}: {text}")
    return Cost(wall=wall, cpu=usage.ru_utime + usage.ru_stime, memory=usage.ru_maxrss << 10)


def _environment() -> dict[str, str]:
    """Ours, but Python may keep what it compiles: for users it does not compile pkgrel in every run."""
    return {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
