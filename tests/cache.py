"""A directory of things that are slow to make, kept between runs."""

import hashlib
import os
import shutil
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


def directory(name: str, make: Callable[[Path], None]) -> Path:
    """The cached directory; made by `make` in a temporary one when it is not there yet.

    It appears by rename, so that test runs at the same time and an interrupted one leave nothing
    half made: whoever comes second throws its own away.
    """
    wanted = ROOT / name
    if wanted.is_dir():
        return wanted
    wanted.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{wanted.name}-", dir=wanted.parent))
    try:
        made = work / "made"
        made.mkdir()
        make(made)
        try:
            made.rename(wanted)
        except OSError:
            if not wanted.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return wanted
