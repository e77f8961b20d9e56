"""Files that are there whole or not at all, even after a power cut."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def complete(name: Path, data: bytes | Path) -> Iterator[Path]:
    """A new file with the data, on the disk; gone afterwards if it was not given another name."""
    # Not NamedTemporaryFile, whose mode keeps a web server out: the umask decides.
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(descriptor, "wb") as out:  # noqa: PTH123
            if isinstance(data, Path):
                with data.open("rb") as source:
                    shutil.copyfileobj(source, out, 1 << 20)
            else:
                out.write(data)
            out.flush()
            os.fsync(out.fileno())
        yield name
    finally:
        name.unlink(missing_ok=True)


def exclusive(descriptor: int) -> None:
    """Wait for the lock; it ends with the descriptor, even when the process is killed."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def place(temporary: Path, path: Path) -> None:
    """Give the file its name, at once, in a folder that may not be there yet."""
    try:
        temporary.replace(path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(path)


def flush(folder: Path) -> None:
    """Wait until the folder's names are on the disk: others will refer to them."""
    with suppress(OSError):  # Windows has no folders that can be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
