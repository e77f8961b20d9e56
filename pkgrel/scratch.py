"""Temporary folders, and those that a killed process left: releases, sources and secrets are in them.

A folder is locked as long as its process lives; whoever kills that, the kernel takes the lock away.
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
    """A folder that goes with the `with` block, or when another process finds that it should have."""
    _remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as path, _opened(Path(path)) as descriptor:
        _lock(descriptor, wait=True)
        yield Path(path)


@functools.cache
def _remove_abandoned() -> None:
    """Remove the folders of this user whose processes are no more; once is enough."""
    if sys.platform == "win32":  # a folder cannot be locked there
        return
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Somebody else's, in use, or gone by now.
        with contextlib.suppress(OSError), _opened(path) as descriptor:
            _lock(descriptor, wait=False)
            # One that is empty may be about to be locked.
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
    """Until it is closed; BlockingIOError if another one has it and this one does not wait."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
