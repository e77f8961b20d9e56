"""Programs that tests run: pkgrel, and those of the system."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import skip_unless

PKGREL = (sys.executable, "-m", "pkgrel")
PATIENCE = 180.0
"""Seconds for what is to succeed on a slow machine that runs other tests as well; it costs nothing where it does."""


def pkgrel(
    *arguments: object, folder: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it, in a folder, with variables besides those that are there."""
    return subprocess.run(
        [*PKGREL, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def wait_until(
    condition: Callable[[], object], complaint: object = "", *, every: float = 0.05
) -> None:
    """Until it is true; a complaint that can be called is asked for when it never is."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(complaint() if callable(complaint) else complaint)
        time.sleep(every)


def need(*tools: str) -> None:
    """Skip, or fail in CI, where a tool is missing."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    skip_unless(not missing, f"{', '.join(missing)} is not on this machine")


def run(*command: str | Path, **env: str) -> str:
    """Standard output of a program that has to succeed."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
