"""A job whose clock is ahead: what it published would be "not valid yet" to apt, and all after it too."""

import os
import subprocess
import sys
from pathlib import Path

from pkgrel.repository.store.local import Local
from tests.packages import package
from tests.repositories import again, key, make, put

_AHEAD = """
import sys, time
now = time.time
time.time = lambda: now() + 10800
from pkgrel.cli import main
main()
"""


def test_a_clock_that_is_ahead_publishes_nothing(tmp_path: Path) -> None:
    store = Local(tmp_path / "repo")
    make(store)
    words = ["publish", str(package(tmp_path)), "--to", str(tmp_path / "repo")]
    done = subprocess.run(
        [sys.executable, "-c", _AHEAD, *words],
        env={**os.environ, "PKGREL_SIGNING_KEY": key()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "10800 s ahead of the store's" in done.stderr
    assert not list((tmp_path / "repo").rglob("InRelease"))
    assert put(again(store), package(tmp_path)).generation == 1
