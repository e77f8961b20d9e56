"""Clients that send requests to a service on a host, one after another, whatever happens to it meanwhile."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.hosts import Host

_PROGRAM = Path(__file__).with_name("client_loop.py")


@dataclass
class Seen:
    """What the clients have seen, when they have gone."""

    answers: dict[str, int]
    """How many got which."""
    failures: list[str]
    longest: float
    """Seconds that one of them waited."""
    kept: list[tuple[str, int]]
    """Of the connection and the websocket that stayed open: the last answer, and how many there were."""


@contextmanager
def clients(
    host: Host, *, port: int = 4000, a_second: int = 50, staying: bool = False
) -> Iterator[Seen]:
    """Requests to the service from now on; what became of them is known behind the block."""
    seen = Seen({}, [], 0.0, [])
    enter = ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--target={host.leader}", "--net"]
    with subprocess.Popen(
        [*enter, sys.executable, _PROGRAM, *map(str, (port, 1 / a_second, staying))],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            yield seen
        finally:
            process.terminate()
        seen.__dict__.update(json.loads(process.stdout.read()))
