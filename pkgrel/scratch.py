"""Temporary folders for releases, sources and secrets, and the removal of those that a killed process left.

A folder is locked while its process lives; the kernel releases the lock, however the process ends.
"""

import contextlib
import functools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "pkgrel-run-"


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is removed at the end of the `with` block, or else by the next process of pkgrel."""
    _remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as path, _opened(Path(path)) as descriptor:
        _lock(descriptor, wait=True)
        yield Path(path)


@functools.cache
def _remove_abandoned() -> None:
    """Remove folders of this user whose processes have ended; done once per process."""
    if sys.platform == "win32":  # folders cannot be locked on that system
        return
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Of another user, in use, or already removed.
        with contextlib.suppress(OSError), _opened(path) as descriptor:
            _lock(descriptor, wait=False)
            # An empty one may be about to be locked.
            if os.fstat(descriptor).st_uid == os.getuid() and any(path.iterdir()):
                shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    if sys.platform == "win32":
        yield -1
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, wait: bool) -> None:
    """Lock it until it is closed; BlockingIOError if it is locked and `wait` is not set."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
