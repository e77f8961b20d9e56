"""A control group for each host.

systemd-nspawn without machined puts a machine's processes into `payload` below the group that it was
started in. Two machines started in one group share it: each one's systemd finds the other's processes
in its own units, cannot end them, and its stop jobs time out.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

REMOVAL_SECONDS = 5


@contextlib.contextmanager
def own(name: str) -> Iterator[tuple[Path, ...]]:
    """New groups below this process's, in each hierarchy that systemd uses; gone afterwards."""
    groups = tuple(parent / name for parent in _parents())
    try:
        for group in groups:
            group.mkdir()
        yield groups
    finally:
        for group in groups:
            _remove(group)


def enter(groups: tuple[Path, ...]) -> None:
    """Move this process, and what it will start, into the groups."""
    for group in groups:
        (group / "cgroup.procs").write_text("0")


def _parents() -> Iterator[Path]:
    """This process's groups in the v2 hierarchy and in systemd's own of v1, where there is one."""
    groups = dict(
        line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines()
    )
    seen = set()
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, kind, options, *_ = line.split()
        if kind not in {"cgroup", "cgroup2"}:
            continue
        hierarchy = "" if kind == "cgroup2" else "name=systemd"
        # A container that another test runs may mount the same one again.
        if hierarchy in options and hierarchy in groups and hierarchy not in seen:
            seen.add(hierarchy)
            yield Path(mount + groups[hierarchy])


def _remove(group: Path) -> None:
    kill = group / "cgroup.kill"
    if kill.exists():
        # Only v2 has it: ends whatever is left.
        kill.write_text("1")
    deadline = time.monotonic() + REMOVAL_SECONDS
    while group.exists():
        try:
            for folder, _, _ in os.walk(group, topdown=False):
                Path(folder).rmdir()
        except OSError:
            # A process that was just killed counts until it is gone.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
