"""A store in a directory of another machine, over SFTP: `ssh://user@host/srv/repo`.

A new object is uploaded as a temporary file, which is complete and flushed before it is renamed; that fails if the name
exists. An object is replaced in two steps: the writer first renames the new content to a claim, a name derived from the
key and its present state, which only one writer can take; then it renames the claim to the key. If a writer dies in
between, the next one completes or removes its claim; since a claimed state never occurs again, a delayed step of a slow
writer cannot affect a later state. For readers, such as a web server, names appear and change atomically.
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from pkgrel.errors import RepositoryError
from pkgrel.repository import layout
from pkgrel.repository.store import Content, Entry, Kind, Object, Stale
from pkgrel.repository.store.sftp import POSIX_RENAME, Attributes, Connection, Failed, Lost

_TEMPORARY, _CLAIMS = ".pkgrel/tmp", ".pkgrel/claims"
_SMALL = 8 << 20
"""Bytes up to which a token is a hash of the content; for larger files, it is size and time."""
_DEAD = 5.0
"""Seconds after which the owner of an unused claim is considered dead."""
_ATTEMPTS = 10
_WRITES = 4
"""How many connections may be lost during a write."""
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\$?")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*|[0-9A-Fa-f:]+(%[A-Za-z0-9._-]+)?")
_HINT = "write ssh://USER@HOST/FOLDER, with a folder from the root on, or ssh://USER@HOST/~/FOLDER"
_T = TypeVar("_T")


def open_ssh(url: str) -> Ssh:
    """The store, not connected yet. RepositoryError for a URL without a host or a folder."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as e:
        raise RepositoryError(f"`{url}`: {e}", hint=_HINT) from None
    if parts.password is not None:
        raise RepositoryError(
            f"ssh://{host}: a password in a URL is seen by everybody",
            hint="use a key, or an agent, as with `ssh`",
        )
    # urlsplit converts the host to lower case, but aliases in ssh_config are case-sensitive.
    named = parts.netloc.rpartition("@")[2].removesuffix(f":{port}").strip("[]")
    folder = posixpath.normpath(unquote(parts.path))
    is_wrong = (
        not _HOST.fullmatch(named)
        or (parts.username is not None and not _USER.fullmatch(parts.username))
        or parts.query
        or parts.fragment
        or not folder.isprintable()
        or folder in (".", "/")
    )
    if is_wrong:
        raise RepositoryError(f"`{url}` names no folder of a host", hint=_HINT)
    words = ["-p", str(port)] if port else []
    words += ["-l", parts.username] if parts.username else []
    root = folder.removeprefix("/~/") if folder.startswith("/~/") else f"/{folder.lstrip('/')}"
    return Ssh(url, [*words, "--", named], root)


class Ssh:
    """The store."""

    def __init__(self, url: str, words: list[str], root: str) -> None:
        self.url = url
        self.root = root
        self._words = words
        self._open: Connection | None = None
        self._lock = threading.Lock()
        self._sent = 0

    def get(self, key: str) -> Object | None:
        """The object, or None if it does not exist."""

        def read(sftp: Connection) -> Object | None:
            with sftp.reading(self._path(key)) as (about, contents):
                layout.check_size(key, about.size)
                data = b"".join(contents)
            return Object(data, _token(about, data))

        return self._again(read)

    def stat(self, key: str) -> Entry | None:
        """Size, time and token of the object, or None if it does not exist."""

        def look(sftp: Connection) -> Entry | None:
            about = sftp.stat(self._path(key))
            if about is None or about.is_folder:
                return None
            token = self._token_of(sftp, self._path(key))
            return Entry(key, about.size, about.modified, token)

        return self._again(look)

    def digest(self, key: str) -> str | None:
        """The SHA-256 of the file, which has no metadata."""
        return self.read_digest(key)

    def read_digest(self, key: str) -> str | None:
        """The SHA-256 of the file, by reading it."""

        def read(sftp: Connection) -> str | None:
            sha256 = hashlib.sha256()
            with sftp.reading(self._path(key)) as (_, contents):
                for data in contents:
                    sha256.update(data)
            return sha256.hexdigest()

        return self._again(read)

    def create(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> bool:
        """Write a file if it does not exist; returns False if it does."""
        path = self._path(key)

        def write(sftp: Connection, lost: bool) -> bool:
            if sftp.stat(path):  # perhaps written by an earlier attempt
                return lost and self._holds(sftp, path, data)
            temporary = self._upload(sftp, data)
            try:
                return self._take(sftp, temporary, path) or (lost and self._holds(sftp, path, data))
            finally:
                _discard(sftp, temporary)

        return self._until_answered(write)

    def replace(self, key: str, data: Content, kind: Kind, token: str) -> None:
        """Write a file if it is still in the token's state; Stale if it is not."""

        def write(sftp: Connection, lost: bool) -> None:
            try:
                self._replace(sftp, key, data, token)
            except Stale:
                if not (lost and self._holds(sftp, self._path(key), data)):
                    raise

        self._until_answered(write)

    def _replace(self, sftp: Connection, key: str, data: Content, token: str) -> None:
        path = self._path(key)
        claim = self._path(f"{_CLAIMS}/{hashlib.sha256(f'{key} {token}'.encode()).hexdigest()}")
        temporary = self._upload(sftp, data)
        try:
            while not self._take(sftp, temporary, claim):
                self._settle(sftp, key, path, claim, token)
            # The claim excludes other writers, if the file is still in that state.
            if self._token_of(sftp, path) != token:
                _discard(sftp, claim)
                raise self._stale(key)
            try:
                sftp.replace(claim, path)
            except FileNotFoundError:  # considered dead, and completed or removed by another writer
                if not self._holds(sftp, path, data):
                    raise self._stale(key) from None
        finally:
            _discard(sftp, temporary)

    def overwrite(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> None:
        """Write a file unconditionally."""
        path = self._path(key)

        def write(sftp: Connection, lost: bool) -> None:
            temporary = self._upload(sftp, data)
            try:
                self._in_folder(sftp, path, lambda: sftp.replace(temporary, path))
            except OSError as e:
                raise self._refused(e) from e
            finally:
                _discard(sftp, temporary)

        self._until_answered(write)

    def list(self, prefix: str) -> Iterator[Entry]:
        """The files whose keys start with the prefix, in any order, without temporary ones."""
        folder, _, start = prefix.rpartition("/")
        sftp = self._connected()
        folders = [folder]
        while folders:
            below = folders.pop()
            inside = self._listed(sftp, below)
            for name, about in inside:
                key = f"{below}/{name}".lstrip("/")
                if not key.startswith(prefix if below == folder and start else ""):
                    continue
                if about.is_folder:
                    folders += [key] if key not in (_TEMPORARY, _CLAIMS) else []
                else:
                    yield Entry(key, about.size, about.modified)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete files, and folders that become empty."""
        sftp = self._writable()
        for path in map(self._path, keys):
            _discard(sftp, path)
            folder = posixpath.dirname(path)
            with suppress(OSError):
                while len(folder) > len(self.root):
                    sftp.remove_folder(folder)
                    folder = posixpath.dirname(folder)

    def sweep(self, before: float) -> None:
        """Delete temporary files and claims of killed processes that were last written before that time."""
        sftp = self._connected()
        for folder in (_TEMPORARY, _CLAIMS):
            for name, about in self._listed(sftp, folder):
                if about.modified < before:
                    _discard(sftp, self._path(f"{folder}/{name}"))

    def sent(self) -> int:
        """Bytes of files that the server has acknowledged."""
        return self._sent

    def close(self) -> None:
        """Close the connection."""
        if self._open:
            self._open.close()
            self._open = None

    def _count(self, size: int) -> None:
        with self._lock:
            self._sent += size

    def _connected(self) -> Connection:
        with self._lock:
            if self._open is None or not self._open.is_alive:
                if self._open:
                    self._open.close()
                self._open = Connection(self.url, self._words)
            return self._open

    def _writable(self) -> Connection:
        """The connection, if the server supports atomic replacement."""
        sftp = self._connected()
        if POSIX_RENAME not in sftp.extensions:
            raise RepositoryError(
                f"{self.url}: its SFTP server cannot replace a file at once, or is only to be read",
                hint="OpenSSH's own can (posix-rename@openssh.com), unless it runs with `-R` or denies that request",
            )
        return sftp

    def _again(self, read: Callable[[Connection], _T | None]) -> _T | None:
        """Read something, with one retry on a new connection; None if it does not exist."""
        for attempt in range(2):
            try:
                return read(self._connected())
            except FileNotFoundError:
                return None
            except Lost:
                if attempt:
                    raise
            except OSError as e:
                raise self._refused(e) from e
        return None

    def _until_answered(self, write: Callable[[Connection, bool], _T]) -> _T:
        """Write with retries on new connections; `write` is told whether an earlier attempt may have succeeded."""
        for attempt in range(_WRITES - 1):
            try:
                return write(self._writable(), attempt > 0)
            except Lost:
                time.sleep(0.2 * 4**attempt)
        return write(self._writable(), True)

    def _upload(self, sftp: Connection, data: Content) -> str:
        """Upload and flush a temporary file with the data."""
        temporary = self._path(f"{_TEMPORARY}/{uuid.uuid4().hex}")

        def write() -> None:
            with _opened(data) as source:
                sftp.write(temporary, source, self._count)

        try:
            self._in_folder(sftp, temporary, write)
        except OSError as e:
            _discard(sftp, temporary)
            raise self._refused(e) from e
        return temporary

    def _take(self, sftp: Connection, temporary: str, path: str) -> bool:
        """Rename a temporary file; returns False if the name exists."""
        why: OSError = Failed("failure")
        for _ in range(_ATTEMPTS):
            try:
                self._in_folder(sftp, path, lambda: sftp.take_name(temporary, path))
            except Failed as e:
                if sftp.stat(path):
                    return False
                why = e  # or the name existed a moment ago
            except OSError as e:
                raise self._refused(e) from e
            else:
                return True
        raise self._refused(why) from why

    def _in_folder(self, sftp: Connection, path: str, do: Callable[[], None]) -> None:
        """Do something in a folder that may not exist yet, or that may be removed meanwhile."""
        for _ in range(_ATTEMPTS):
            try:
                return do()
            except FileNotFoundError:
                folder, missing = posixpath.dirname(path), []
                while folder not in ("", "/") and not sftp.stat(folder):
                    missing.append(folder)
                    folder = posixpath.dirname(folder)
                for each in reversed(missing):
                    with suppress(Failed):  # created by another writer
                        sftp.make_folder(each)
        return do()

    def _settle(self, sftp: Connection, key: str, path: str, claim: str, token: str) -> None:
        """Wait for the owner of the claim, and complete its write if it is dead; Stale if the state has changed."""
        end = time.monotonic() + _DEAD
        while time.monotonic() < end:
            if self._token_of(sftp, path) != token:
                raise self._stale(key)
            if not sftp.stat(claim):
                return
            time.sleep(0.05)
        with suppress(FileNotFoundError):
            sftp.replace(claim, path)

    def _token_of(self, sftp: Connection, path: str) -> str:
        try:
            with sftp.reading(path) as (about, contents):
                return _token(about, b"".join(contents) if about.size <= _SMALL else b"")
        except FileNotFoundError:
            return ""

    def _holds(self, sftp: Connection, path: str, data: Content) -> bool:
        try:
            with _opened(data) as source, sftp.reading(path) as (_, contents):
                wanted = hashlib.file_digest(source, "sha256").digest()
                found = hashlib.sha256()
                for piece in contents:
                    found.update(piece)
        except FileNotFoundError:
            return False
        return found.digest() == wanted

    def _listed(self, sftp: Connection, folder: str) -> Sequence[tuple[str, Attributes]]:
        try:
            return tuple(sftp.folder(f"{self.root}/{folder}".rstrip("/")))
        except FileNotFoundError:
            return ()
        except OSError as e:
            raise self._refused(e) from e

    def _path(self, key: str) -> str:
        parts = key.split("/")
        if not all(parts) or {".", ".."} & set(parts) or "\0" in key:
            raise RepositoryError(f"`{key}` is not a key of a repository")
        return f"{self.root}/{key}"

    def _stale(self, key: str) -> Stale:
        return Stale(f"{self.url}: `{key}` was changed by somebody else")

    def _refused(self, error: OSError) -> RepositoryError:
        said = "".join(c if c.isprintable() else "?" for c in str(error))[:300]
        # SFTP has no error code for a full disk or an exceeded quota.
        hint = "the account must be allowed to write the folder, or to make it"
        if isinstance(error, Failed):
            hint = "is the disk full there, or what the account may use of it?"
        return RepositoryError(f"{self.url}: {said[:1].lower()}{said[1:]}", hint=hint)


def _token(about: Attributes, data: bytes) -> str:
    if about.size > _SMALL:
        return f"{about.size:x}-{about.modified:x}"
    return hashlib.sha256(data).hexdigest()


def _opened(data: Content) -> io.BufferedReader | io.BytesIO:
    return data.open("rb") if isinstance(data, Path) else io.BytesIO(data)


def _discard(sftp: Connection, path: str) -> None:
    with suppress(OSError, RepositoryError):
        sftp.remove(path)
