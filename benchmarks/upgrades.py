"""What clients of a service see of its upgrades, on a booted host of Debian 12: `script/bench --only upgrades`.

Fifty requests a second, each on a connection of its own; over hot upgrades also a connection and a websocket that
stay open, with as many. The releases are those of tests/data/hot. Needs root, as the acceptance tests do.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import releases
from tests.acceptance import hosts
from tests.acceptance.clients import Seen, clients
from tests.artifacts import Artifacts
from tests.bases import usable_base

_PLACE = "/srv/packages"
_SOCKET = 'listen = ["4000"]\n'
_READY = '[service.ready]\nhttp = "http://127.0.0.1:4000/"\n'
HEAD = ("UPGRADE", "TIMES", "EACH", "REQUESTS", "FAILED", "LONGEST WAIT", "SAME VM", "LOAD")


@dataclass(frozen=True, slots=True)
class Way:
    """How a service is upgraded."""

    name: str
    settings: str
    times: int
    hot: bool = False


def ways(*, quick: bool) -> tuple[Way, ...]:
    """From what loses nothing and nobody to what is as ever."""
    part = 10 if quick else 1
    return (
        Way("hot", f'[service]\non-upgrade = "hot"\n{_SOCKET}{_READY}', 100 // part, hot=True),
        Way(
            "cold, with a socket", f'[service]\non-upgrade = "wait"\n{_SOCKET}{_READY}', 10 // part
        ),
        Way("cold", f'[service]\non-upgrade = "wait"\n{_READY}', 10 // part),
    )


def rows(folder: Path, *, quick: bool) -> Iterator[tuple[str, ...]]:
    """One for each way, as HEAD says."""
    # apt and dpkg read it from within the host.
    folder.chmod(0o755)
    for way in ways(quick=quick):
        with hosts.boot(usable_base("bookworm"), "bench", {folder: _PLACE}) as host:
            yield _measured(way, host, Artifacts(folder))


def _measured(way: Way, host: hosts.Host, artifacts: Artifacts) -> tuple[str, ...]:
    versions = [releases.hot("1.0.0"), releases.hot("1.1.0", config="polite")]
    packages = [artifacts.build(version, "debian12", way.settings) for version in versions]

    def install(number: int) -> float:
        begun = time.monotonic()
        host.run(f"dpkg --install --force-confold {_PLACE}/{packages[number % 2]}", timeout=300)
        return time.monotonic() - begun

    install(0)
    host.http()
    started = host.run("systemctl show --value -p ExecMainStartTimestampMonotonic hot")
    loads, took = [os.getloadavg()[0]], []
    with clients(host, staying=way.hot) as seen:
        for number in range(1, way.times + 1):
            took.append(install(number))
            loads.append(os.getloadavg()[0])
    same = started == host.run("systemctl show --value -p ExecMainStartTimestampMonotonic hot")
    return _row(way, seen, statistics.median(took), max(loads), same=same)


def _row(way: Way, seen: Seen, each: float, load: float, *, same: bool) -> tuple[str, ...]:
    answered = sum(seen.answers.values()) + sum(number for _, number in seen.kept)
    return (
        way.name,
        str(way.times),
        f"{each:.1f} s",
        f"{answered + len(seen.failures):,}",
        str(len(seen.failures)),
        f"{seen.longest * 1000:.0f} ms",
        "yes" if same else "no",
        f"{load:.0f}",
    )
