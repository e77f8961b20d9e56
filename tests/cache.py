"""A directory of things that are slow to make, kept between runs."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(os.environ.get("PKGREL_TEST_CACHE") or Path.home() / ".cache" / "pkgrel-tests")


def key(*parts: str | bytes) -> str:
    """A short name that changes when any part does."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def tree_key(files: Iterable[Path], root: Path) -> str:
    """A key of names, executable bits and contents."""
    parts: list[str | bytes] = []
    for path in sorted(files):
        mode = path.stat().st_mode & 0o111
        parts += [str(path.relative_to(root)), f"{mode:o}", path.read_bytes()]
    return key(*parts)


def directory(name: str, make: Callable[[Path], None], root: Path = ROOT) -> Path:
    """The cached directory; made by `make` in a temporary one when it is not there yet.

    It appears by rename, so that an interrupted test run leaves nothing half made; another run that
    wants the same waits for the first.
    """
    wanted = root / name
    wanted.parent.mkdir(parents=True, exist_ok=True)
    with wanted.with_name(f".{wanted.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not wanted.is_dir():
            with tempfile.TemporaryDirectory(
                prefix=f".{wanted.name}-", dir=wanted.parent, ignore_cleanup_errors=True
            ) as work:
                made = Path(work, "made")
                made.mkdir()
                make(made)
                made.rename(wanted)
    return wanted
