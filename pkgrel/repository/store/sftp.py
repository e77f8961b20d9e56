"""An SFTP client over the system's ssh, which runs requests of several threads in parallel on one connection.

`ssh -s HOST sftp` starts the subsystem, which accounts without a shell (`ForceCommand internal-sftp`) have too. Source:
draft-ietf-secsh-filexfer-02, which is version 3; OpenSSH's file PROTOCOL for its extensions: there, SSH_FXP_RENAME
creates a hard link, so that it fails if the new name exists, and posix-rename is rename(2).
"""

from __future__ import annotations

import struct
import subprocess
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO

from pkgrel.errors import RepositoryError

_OPTIONS = (
    *("ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=4"),
    *("ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes", "RequestTTY=no"),
    *("RemoteCommand=none", "PermitLocalCommand=no"),
)
_VERSION = 3
_INIT, _OPEN, _CLOSE, _READ, _WRITE = 1, 3, 4, 5, 6
_OPENDIR, _READDIR, _REMOVE, _MKDIR, _RMDIR = 11, 12, 13, 14, 15
_FSTAT, _STAT, _RENAME, _EXTENDED = 8, 17, 18, 200
_STATUS, _HANDLE, _DATA, _NAME, _ATTRIBUTES = 101, 102, 103, 104, 105
_OK, _EOF, _NO_SUCH_FILE, _DENIED = 0, 1, 2, 3
_TO_READ, _TO_WRITE_ANEW = 0x01, 0x02 | 0x08 | 0x20
"""Flags of SSH_FXP_OPEN: WRITE, CREAT and EXCL."""
_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES, _HAS_EXTENDED = 1, 2, 4, 8, 1 << 31
_CHUNK = 32 << 10
"""Bytes per request, which every server supports."""
_AHEAD = 64
"""Requests in progress for a file."""
_LARGEST = 1 << 20
"""Maximum bytes of a response."""
POSIX_RENAME, FSYNC = "posix-rename@openssh.com", "fsync@openssh.com"


class Lost(RepositoryError):
    """The connection was lost."""


class Failed(OSError):
    """The server refused the request; it does not say why."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes of a file."""

    size: int
    """Bytes."""
    modified: int
    """Seconds since the epoch."""
    is_folder: bool


class Connection:
    """A connection, which several threads may use."""

    def __init__(self, url: str, words: Sequence[str]) -> None:
        """Connect; `words` are ssh's arguments for host and port."""
        self._url = url
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it goes with this object
        options = [word for option in _OPTIONS for word in ("-o", option)]
        try:
            self._process = subprocess.Popen(
                ["ssh", *options, "-s", *words, "sftp"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
            )
        except OSError:
            raise RepositoryError(
                f"{url}: there is no `ssh` on this machine", hint="install the OpenSSH client"
            ) from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to = self._process.stdin
        self._from = self._process.stdout
        self._lock = threading.Lock()
        self._writes = threading.Lock()
        """Separate, since responses must be received while a request waits to be sent."""
        self._waiting: dict[int, Future[tuple[int, bytes]]] = {}
        self._last = 0
        self._end = weakref.finalize(self, _end, self._process, self._errors)
        try:
            self.extensions = self._begin()
        except RepositoryError:
            self.close()
            raise
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def is_alive(self) -> bool:
        """Whether it can still be used."""
        return self._process.poll() is None

    def stat(self, path: str) -> Attributes | None:
        """Attributes of a path; None if it does not exist."""
        try:
            return _attributes(self._ask(_STAT, _text(path), wanted=_ATTRIBUTES), 0)[0]
        except FileNotFoundError:
            return None

    @contextmanager
    def reading(self, path: str) -> Iterator[tuple[Attributes, Iterator[bytes]]]:
        """Attributes and content of an open file; FileNotFoundError if it does not exist."""
        handle = self._handle(_OPEN, _text(path) + struct.pack(">II", _TO_READ, 0))
        try:
            about = _attributes(self._ask(_FSTAT, _text(handle), wanted=_ATTRIBUTES), 0)[0]
            yield about, self._read(path, handle, about.size)
        finally:
            with suppress(OSError, RepositoryError):
                self._ask(_CLOSE, _text(handle))

    def _read(self, path: str, handle: bytes, size: int) -> Iterator[bytes]:
        asked: deque[tuple[int, Future[tuple[int, bytes]]]] = deque()
        at = 0
        while at < size or asked:
            while at < size and len(asked) < _AHEAD:
                length = min(_CHUNK, size - at)
                about = _text(handle) + struct.pack(">QI", at, length)
                asked.append((length, self._send(_READ, about)))
                at += length
            length, answer = asked.popleft()
            try:
                data = _bytes(self._answer(answer, _DATA), 0)[0]
            except EOFError:
                data = b""
            if len(data) != length:
                raise Failed(f"{path} became shorter while it was read")
            yield data

    def write(self, path: str, source: BinaryIO, count: Callable[[int], None]) -> None:
        """Write a new file and flush it to the disk; Failed if it exists.

        `count` is called with the sizes of acknowledged writes.
        """
        handle = self._handle(_OPEN, _text(path) + struct.pack(">II", _TO_WRITE_ANEW, 0))
        try:
            asked: deque[tuple[Future[tuple[int, bytes]], int]] = deque()
            at = 0

            def wait() -> None:
                answer, size = asked.popleft()
                self._answer(answer, _STATUS)
                count(size)

            while data := source.read(_CHUNK):
                about = _text(handle) + struct.pack(">Q", at) + _text(data)
                asked.append((self._send(_WRITE, about), len(data)))
                at += len(data)
                if len(asked) >= _AHEAD:
                    wait()
            while asked:
                wait()
            if FSYNC in self.extensions:
                self._ask(_EXTENDED, _text(FSYNC) + _text(handle))
        finally:
            self._ask(_CLOSE, _text(handle))

    def take_name(self, old: str, new: str) -> None:
        """Rename a file; Failed if the new name exists."""
        self._ask(_RENAME, _text(old) + _text(new))

    def replace(self, old: str, new: str) -> None:
        """Rename a file atomically, replacing an existing one."""
        self._ask(_EXTENDED, _text(POSIX_RENAME) + _text(old) + _text(new))

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._ask(_REMOVE, _text(path))

    def make_folder(self, path: str) -> None:
        """Create a folder; Failed if it exists."""
        self._ask(_MKDIR, _text(path) + struct.pack(">I", 0))

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder."""
        self._ask(_RMDIR, _text(path))

    def folder(self, path: str) -> Iterator[tuple[str, Attributes]]:
        """The entries of a folder; FileNotFoundError if it does not exist."""
        handle = self._handle(_OPENDIR, _text(path))
        try:
            while True:
                try:
                    data = self._ask(_READDIR, _text(handle), wanted=_NAME)
                except EOFError:
                    return
                (count,) = struct.unpack_from(">I", data)
                at = 4
                for _ in range(count):
                    name, at = _bytes(data, at)
                    _, at = _bytes(data, at)
                    about, at = _attributes(data, at)
                    if name not in (b".", b".."):
                        yield name.decode(errors="surrogateescape"), about
        finally:
            with suppress(OSError, RepositoryError):
                self._ask(_CLOSE, _text(handle))

    def close(self) -> None:
        """Close the connection."""
        self._end()

    def _begin(self) -> set[str]:
        """Negotiate the version; returns the server's extensions."""
        try:
            self._to.write(struct.pack(">IBI", 5, _INIT, _VERSION))
            self._to.flush()
            type, data = self._next()
            if type != 2:
                raise EOFError
            names, at = set(), 4
            while at < len(data):
                name, at = _bytes(data, at)
                _, at = _bytes(data, at)
                names.add(name.decode(errors="replace"))
        except (OSError, EOFError, struct.error):
            raise self._lost() from None
        return names

    def _next(self) -> tuple[int, bytes]:
        head = self._from.read(5)
        if len(head) < 5:
            raise EOFError
        size, type = struct.unpack(">IB", head)
        data = self._from.read(size - 1) if 1 <= size <= _LARGEST else b""
        if len(data) != size - 1:
            raise EOFError
        return type, data

    def _listen(self) -> None:
        """Deliver each response to the waiting thread."""
        try:
            while True:
                type, data = self._next()
                (number,) = struct.unpack_from(">I", data)
                with self._lock:
                    waiting = self._waiting.pop(number, None)
                if waiting:
                    waiting.set_result((type, data[4:]))
        except (OSError, EOFError, ValueError, struct.error):
            self._process.kill()
            lost = self._lost()
            with self._lock:
                left, self._waiting = list(self._waiting.values()), {}
                self._last = -1
            for each in left:
                each.set_exception(lost)

    def _send(self, type: int, about: bytes) -> Future[tuple[int, bytes]]:
        answer: Future[tuple[int, bytes]] = Future()
        with self._lock:
            if self._last < 0:
                raise self._lost()
            self._last = number = (self._last + 1) & 0x7FFFFFFF
            self._waiting[number] = answer
        with self._writes:
            try:
                self._to.write(struct.pack(">IBI", len(about) + 5, type, number) + about)
                self._to.flush()
            except (OSError, ValueError):
                raise self._lost() from None
        return answer

    def _ask(self, type: int, about: bytes, wanted: int = _STATUS) -> bytes:
        return self._answer(self._send(type, about), wanted)

    def _answer(self, answer: Future[tuple[int, bytes]], wanted: int) -> bytes:
        type, data = answer.result()
        if type == wanted != _STATUS:
            return data
        if type != _STATUS:
            raise Failed(f"answer {type}")
        (code,) = struct.unpack_from(">I", data)
        if code == _OK:
            return data
        said = _bytes(data, 4)[0].decode(errors="replace") if len(data) > 8 else f"error {code}"
        raise {_EOF: EOFError, _NO_SUCH_FILE: FileNotFoundError, _DENIED: PermissionError}.get(
            code, Failed
        )(said)

    def _handle(self, type: int, about: bytes) -> bytes:
        return _bytes(self._ask(type, about, wanted=_HANDLE), 0)[0]

    def _lost(self) -> Lost:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        lines = []
        with suppress(ValueError):  # already closed
            self._errors.seek(0)
            lines = self._errors.read()[-10_000:].decode(errors="replace").strip().splitlines()
        said = "".join(c if c.isprintable() else "?" for c in lines[-1]) if lines else ""
        return Lost(
            f"{self._url}: no connection by ssh, or none any more{': ' if said else ''}{said}",
            hint="try `sftp` with the same host: ssh's own configuration, agent and known hosts count",
        )


def _end(process: subprocess.Popen[bytes], errors: BinaryIO) -> None:
    process.kill()
    process.wait()
    for file in (process.stdin, process.stdout, errors):
        if file:
            with suppress(OSError):
                file.close()


def _text(text: str | bytes) -> bytes:
    data = text.encode(errors="surrogateescape") if isinstance(text, str) else text
    return struct.pack(">I", len(data)) + data


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """A string, and the offset after it."""
    (size,) = struct.unpack_from(">I", data, at)
    end = at + 4 + size
    if end > len(data):
        raise Failed("an answer that is cut off")
    return data[at + 4 : end], end


def _attributes(data: bytes, at: int) -> tuple[Attributes, int]:
    """Attributes of a file, and the offset after them."""
    (flags,) = struct.unpack_from(">I", data, at)
    at += 4
    size = mode = modified = 0
    if flags & _HAS_SIZE:
        (size,) = struct.unpack_from(">Q", data, at)
        at += 8
    if flags & _HAS_OWNER:
        at += 8
    if flags & _HAS_MODE:
        (mode,) = struct.unpack_from(">I", data, at)
        at += 4
    if flags & _HAS_TIMES:
        _, modified = struct.unpack_from(">II", data, at)
        at += 8
    if flags & _HAS_EXTENDED:
        (count,) = struct.unpack_from(">I", data, at)
        at += 4
        for _ in range(2 * count):
            _, at = _bytes(data, at)
    return Attributes(size, modified, mode & 0o170000 == 0o040000), at
