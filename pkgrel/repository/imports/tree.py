"""Where a foreign repository is read: a directory, a bucket, or a web server."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, TypeVar
from urllib.parse import quote, urlsplit

from pkgrel.errors import RepositoryError
from pkgrel.limits import LIMITS
from pkgrel.repository.store import Store
from pkgrel.repository.store.local import Local
from pkgrel.repository.store.opening import Options, open_store

T = TypeVar("T")

_ATTEMPTS = 4
_PATIENCE = 60
"""Seconds without a byte."""
# S3 says 403 of what is not there to those who may not list the bucket.
_MISSING = (403, 404, 410)


class Tree(Protocol):
    """Files by their paths, relative to the repository."""

    @property
    def url(self) -> str:
        """As the user named it, for messages."""

    def get(self, path: str) -> bytes | None:
        """The file, or None if there is none."""

    def file(self, path: str, folder: Path, size: int) -> Path:
        """The file of so many bytes as one of this machine's, perhaps a copy in the folder; RepositoryError if there
        is none."""

    def names(self, prefix: str) -> list[str] | None:
        """The paths that begin with the prefix; None where that cannot be found out."""


def open_tree(url: str, options: Options | None = None) -> Tree:
    """The repository at a directory, http(s)://, s3://, gs:// or az:// URL."""
    if urlsplit(url).scheme in ("http", "https"):
        return Web(url.rstrip("/"))
    store = open_store(url, options)
    if isinstance(store, Local) and not store.root.is_dir():
        raise RepositoryError(
            f"{url}: there is no such directory",
            hint="name the folder that has `dists` or `repodata` in it, or a URL",
        )
    return Stored(store)


def inside(path: str) -> str:
    """The path without `..`; RepositoryError if it leaves the repository."""
    short = posixpath.normpath(path)
    if short.startswith(("/", "../")) or short in ("..", ".") or "\0" in short:
        raise RepositoryError(
            f"`{path}` is outside of the repository", hint="import the folder that contains both"
        )
    parts = short.encode(errors="surrogatepass").split(b"/")
    if len(short) > LIMITS.path or max(map(len, parts)) > LIMITS.name:
        raise RepositoryError(
            f"`{short[:60]}…` is longer than a path can be",
            hint="mend the repository with the tool that made it",
        )
    return short


@dataclass(frozen=True, slots=True)
class Stored:
    """In a directory or an object store."""

    store: Store

    @property
    def url(self) -> str:
        """As the user named it."""
        return self.store.url

    def get(self, path: str) -> bytes | None:
        """The file, or None if there is none."""
        here = inside(path)
        known = self.store.stat(here)
        if known and known.size > LIMITS.index:
            raise _too_long(self.url, path)
        found = self.store.get(here) if known else None
        return found.data if found else None

    def file(self, path: str, folder: Path, size: int) -> Path:
        """The file itself in a directory, else a copy."""
        if isinstance(self.store, Local):
            here = self.store.root / inside(path)
            if not here.is_file():
                raise _missing(self.url, path)
            return here
        found = self.store.get(inside(path))
        if found is None:
            raise _missing(self.url, path)
        copy = folder / posixpath.basename(path)
        copy.write_bytes(found.data)
        return copy

    def names(self, prefix: str) -> list[str] | None:
        """The paths that begin with the prefix."""
        return sorted(entry.key for entry in self.store.list(prefix))


@dataclass(frozen=True, slots=True)
class Web:
    """On a web server."""

    url: str
    pause: float = 0.2
    """Seconds between two attempts, four times as many each time."""

    def get(self, path: str) -> bytes | None:
        """The file, or None if there is none."""
        return self._asked(path, lambda answer: self._bounded(path, answer))

    def _bounded(self, path: str, answer: IO[bytes]) -> bytes:
        data = answer.read(LIMITS.index + 1)
        if len(data) > LIMITS.index:
            raise _too_long(self.url, path)
        return data

    def file(self, path: str, folder: Path, size: int) -> Path:
        """A copy in the folder."""
        copy = folder / posixpath.basename(path)

        def save(answer: IO[bytes]) -> Path:
            with copy.open("wb") as out:
                left = size + 1  # of a longer one the index is wrong, and it may never end
                while left and (piece := answer.read(min(left, 1 << 20))):
                    left -= out.write(piece)
            return copy

        if self._asked(path, save) is None:
            raise _missing(self.url, path)
        return copy

    def names(self, prefix: str) -> list[str] | None:
        """Web servers do not tell."""
        return None

    def _asked(self, path: str, use: Callable[[IO[bytes]], T]) -> T | None:
        """What `use` makes of the answer; None if there is no such file."""
        # Slow to import, and publish has this module too.
        import urllib.error
        import urllib.request
        from http.client import HTTPException

        url = f"{self.url}/{quote(inside(path))}"
        problem: Exception | None = None
        for attempt in range(_ATTEMPTS):
            try:
                with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:
                    return use(answer)
            except urllib.error.HTTPError as e:
                e.close()
                if e.code in _MISSING:
                    return None
                problem = e
                if e.code < 500 and e.code != 429:
                    break
            except (OSError, HTTPException) as e:
                problem = e
            time.sleep(self.pause * 4**attempt if attempt < _ATTEMPTS - 1 else 0)
        raise RepositoryError(
            f"{url}: {getattr(problem, 'reason', None) or problem}",
            hint="check the URL and the network; running the command again goes on where it stopped",
        ) from problem


def _too_long(url: str, path: str) -> RepositoryError:
    return RepositoryError(
        f"{url}/{path}: has more than {LIMITS.index >> 20} MiB, or never ends",
        hint="check the URL: an index of a repository is smaller",
    )


def _missing(url: str, path: str) -> RepositoryError:
    return RepositoryError(
        f"{url}: `{path}` is missing, and an index names it",
        hint="the repository is broken there: mend it with the tool that made it",
    )
