"""Reads files of another tool's repository: from a directory, a bucket, or a web server (`web`)."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pkgrel.errors import RepositoryError
from pkgrel.limits import LIMITS
from pkgrel.repository.imports.web import Access, missing, open_web, too_long
from pkgrel.repository.store import Store
from pkgrel.repository.store.local import Local
from pkgrel.repository.store.opening import Options, open_store


class Tree(Protocol):
    """Files by path relative to the repository."""

    @property
    def url(self) -> str:
        """The URL as the user wrote it, for messages."""

    @property
    def depth(self) -> int:
        """The number of `..` that a path may start with."""

    def relative(self, address: str) -> str | None:
        """The path of an absolute URL; None if it is elsewhere."""

    def named(self, href: str) -> str:
        """The path for an href in a yum index, as dnf resolves it."""

    def get(self, path: str) -> bytes | None:
        """The file, or None if there is none."""

    def size(self, path: str) -> int | None:
        """Bytes of the file, -1 if unknown; None if it does not exist."""

    def file(self, path: str, folder: Path, size: int) -> Path:
        """The file of this size as a local file, perhaps a copy in the folder; RepositoryError if it does not exist."""

    def names(self, prefix: str) -> list[str] | None:
        """The paths that start with the prefix; None if they cannot be listed."""


def open_tree(url: str, options: Options | None = None, access: Access | None = None) -> Tree:
    """Open a repository in a directory, or at an http(s)://, ssh://, s3://, gs:// or az:// URL."""
    if url.lower().startswith(("http://", "https://")):
        return open_web(url, access or Access())
    store = open_store(url, options)
    if isinstance(store, Local) and not store.root.is_dir():
        raise RepositoryError(
            f"{url}: there is no such directory",
            hint="name the folder that has `dists` or `repodata` in it, or a URL",
        )
    return Stored(store)


def inside(path: str, depth: int = 0) -> str:
    """Normalise the path, with up to `depth` times `..`; RepositoryError if it leaves the repository."""
    short = posixpath.normpath(path)
    above = short.split("/").count("..")
    if (
        short.startswith("/")
        or short.split("/")[-1] in ("..", ".")
        or "\0" in short
        or above > depth
    ):
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
    """A directory or an object store."""

    store: Store

    @property
    def url(self) -> str:
        """The URL as the user wrote it."""
        return self.store.url

    @property
    def depth(self) -> int:
        """0: only files below the repository are read."""
        return 0

    def relative(self, address: str) -> str | None:
        """None: its public URL is not known."""
        return None

    def named(self, href: str) -> str:
        """The href itself."""
        return href

    def size(self, path: str) -> int | None:
        """Bytes of the file; None if there is none."""
        known = self.store.stat(inside(path))
        return known.size if known else None

    def get(self, path: str) -> bytes | None:
        """The file, or None if there is none."""
        here = inside(path)
        known = self.store.stat(here)
        if known and known.size > LIMITS.index:
            raise too_long(self.url, path)
        found = self.store.get(here) if known else None
        return found.data if found else None

    def file(self, path: str, folder: Path, size: int) -> Path:
        """The file itself in a directory, otherwise a copy."""
        if isinstance(self.store, Local):
            here = self.store.root / inside(path)
            if not here.is_file():
                raise missing(self.url, path)
            return here
        found = self.store.get(inside(path))
        if found is None:
            raise missing(self.url, path)
        copy = folder / posixpath.basename(path)
        copy.write_bytes(found.data)
        return copy

    def names(self, prefix: str) -> list[str] | None:
        """The paths that start with the prefix."""
        return sorted(entry.key for entry in self.store.list(prefix))
