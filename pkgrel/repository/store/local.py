"""A store in a directory, with the same conditional writes as an object store.

A write creates a temporary file, which is complete and flushed before it is renamed, so that the object exists
completely or not at all, even after a power failure. Conditions are checked under a lock, so that processes of one
machine, and of NFS clients with locks, cannot interleave. Readers, such as a web server, need no lock: a rename is
atomic.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from pkgrel.errors import RepositoryError
from pkgrel.repository import layout
from pkgrel.repository.store import Content, Entry, Kind, Object, Stale

_PRIVATE = ".pkgrel"
_TEMPORARY = f"{_PRIVATE}/tmp"
_FORBIDDEN = "name a directory that you may write, or run as the user who owns it"
_FULL = "make room, and run the command again: what is not published yet has changed nothing"


class Local:
    """The store; `root` is created by the first write."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)

    def get(self, key: str) -> Object | None:
        """The object, or None if it does not exist."""
        with self._reading(key) as source:
            if source is None:
                return None
            about = os.fstat(source.fileno())
            layout.check_size(key, about.st_size)
            return Object(source.read(about.st_size), _token(about))

    def stat(self, key: str) -> Entry | None:
        """Size, time and token of the object, or None if it does not exist."""
        try:
            about = self._path(key).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as e:
            raise self._no_file(key, e) from e
        if not stat.S_ISREG(about.st_mode):
            raise self._no_file(key)
        return _entry(key, about)

    def digest(self, key: str) -> str | None:
        """The SHA-256 of the file, which has no metadata."""
        return self.read_digest(key)

    def read_digest(self, key: str) -> str | None:
        """The SHA-256 of the file, by reading it."""
        with self._reading(key) as source:
            return hashlib.file_digest(source, "sha256").hexdigest() if source else None

    def create(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> bool:
        """Write a file if it does not exist; returns False if it does."""
        path = self._path(key)
        if path.exists():
            return False
        with self._temporary(data) as temporary, self._lock():
            if path.exists():
                return False
            _place(temporary, path)
        _flush(path.parent)
        return True

    def replace(self, key: str, data: Content, kind: Kind, token: str) -> None:
        """Write a file if it is still in the token's state; Stale if it is not."""
        path = self._path(key)
        with self._temporary(data) as temporary, self._lock():
            try:
                current = _token(path.stat())
            except FileNotFoundError:
                current = ""
            if current != token:
                raise Stale(f"{self.url}: `{key}` was changed by somebody else")
            _place(temporary, path)
        _flush(path.parent)

    def overwrite(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> None:
        """Write a file unconditionally."""
        path = self._path(key)
        with self._temporary(data) as temporary, self._lock():
            _place(temporary, path)
        _flush(path.parent)

    def list(self, prefix: str) -> Iterator[Entry]:
        """The files whose keys start with the prefix, in any order, without temporary ones."""
        folder, _, start = prefix.rpartition("/")
        top = self._path(folder) if folder else self.root
        for parent, folders, names in os.walk(top):
            below = Path(parent).relative_to(self.root).as_posix()
            below = "" if below == "." else f"{below}/"
            if Path(parent) == self.root / _PRIVATE:
                folders[:] = [name for name in folders if name != "tmp"]
                names = [name for name in names if name != "lock"]
            if Path(parent) == top and start:
                folders[:] = [name for name in folders if name.startswith(start)]
                names = [name for name in names if name.startswith(start)]
            for name in names:
                with suppress(FileNotFoundError):  # replaced meanwhile
                    yield _entry(f"{below}{name}", _about(Path(parent, name)))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete files, and folders that become empty."""
        for path in map(self._path, keys):
            if not path.exists():
                continue
            # Under the lock, since another process may be about to write into the folder.
            with self._lock():
                path.unlink(missing_ok=True)
                self._remove_empty(path.parent)

    def sent(self) -> None:
        """None: a disk is fast enough."""

    @property
    def folds_case(self) -> bool:
        """Whether the file system is case-insensitive, as on macOS and Windows."""
        return (self.root / _PRIVATE.upper()).exists()

    def sweep(self, before: float) -> None:
        """Delete temporary files of killed processes that were last written before that time."""
        for path in (self.root / _TEMPORARY).glob("*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()

    def _remove_empty(self, folder: Path) -> None:
        with suppress(OSError):
            while folder != self.root:
                folder.rmdir()
                folder = folder.parent

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if not all(parts) or {".", ".."} & set(parts) or "\0" in key:
            raise RepositoryError(f"`{key}` is not a key of a repository")
        return self.root.joinpath(*parts)

    @contextmanager
    def _reading(self, key: str) -> Iterator[BufferedReader | None]:
        """The open file, or None if it does not exist; RepositoryError if it is a pipe or the like, which may block."""
        with ExitStack() as kept:
            try:
                source = kept.enter_context(open(self._path(key), "rb", opener=_without_waiting))
            except (FileNotFoundError, NotADirectoryError):
                yield None
                return
            except OSError as e:
                raise self._no_file(key, e) from e
            if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
                raise self._no_file(key)
            yield source

    def _no_file(self, key: str, problem: OSError | None = None) -> RepositoryError:
        why = "is not a regular file"
        if problem and problem.errno not in (errno.EISDIR, errno.ELOOP):
            why = f"cannot be read: {problem.strerror}"
        return RepositoryError(
            f"{self.url}: `{key}` {why}", hint="restore the object, or its permissions"
        )

    @contextmanager
    def _temporary(self, data: Content) -> Iterator[Path]:
        folder = self.root / _TEMPORARY
        with ExitStack() as kept:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                temporary = kept.enter_context(_complete(folder / uuid.uuid4().hex, data))
            except OSError as e:
                is_full = e.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))
                raise RepositoryError(
                    f"{self.url}: cannot be written: {e.strerror}",
                    hint=_FULL if is_full else _FORBIDDEN,
                ) from e
            yield temporary

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self.root / _PRIVATE / "lock").open("w") as held:
            _exclusive(held.fileno())
            yield


def _token(about: os.stat_result) -> str:
    return f"{about.st_ino:x}-{about.st_mtime_ns:x}-{about.st_size:x}"


def _entry(key: str, about: os.stat_result) -> Entry:
    return Entry(key, about.st_size, about.st_mtime, _token(about))


def _about(path: Path) -> os.stat_result:
    """Follows links, but returns the link itself if it is circular."""
    try:
        return path.stat()
    except OSError as e:
        if e.errno != errno.ELOOP:
            raise
        return path.lstat()


def _without_waiting(path: str, flags: int) -> int:
    """Open without blocking: a pipe would otherwise wait for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@contextmanager
def _complete(name: Path, data: Content) -> Iterator[Path]:
    """A new, flushed file with the data; removed afterwards unless it was renamed."""
    # Not NamedTemporaryFile, whose mode locks a web server out: the umask decides.
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


def _exclusive(descriptor: int) -> None:
    """Wait for the lock; it is released with the descriptor, even if the process is killed."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _place(temporary: Path, path: Path) -> None:
    """Rename the file atomically; creates the folder if necessary."""
    try:
        temporary.replace(path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(path)


def _flush(folder: Path) -> None:
    """Flush the folder's entries to the disk, since other objects will refer to them."""
    with suppress(OSError):  # on Windows, folders cannot be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
