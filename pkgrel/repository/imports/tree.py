"""Where a foreign repository is read: a directory, a bucket, or a web server (`web`)."""

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
    """Files by their paths, relative to the repository."""

    @property
    def url(self) -> str:
        """As the user named it, for messages."""

    @property
    def depth(self) -> int:
        """How many `..` a path may begin with."""

    def relative(self, address: str) -> str | None:
        """The path of an absolute address; None if that is elsewhere."""

    def named(self, href: str) -> str:
        """The path of what a yum index names, as dnf would ask for it."""

    def get(self, path: str) -> bytes | None:
        """The file, or None if there is none."""

    def size(self, path: str) -> int | None:
        """Bytes of the file, -1 if nobody says; None if there is none."""

    def file(self, path: str, folder: Path, size: int) -> Path:
        """The file of so many bytes as one of this machine's, perhaps a copy in the folder; RepositoryError if there
        is none."""

    def names(self, prefix: str) -> list[str] | None:
        """The paths that begin with the prefix; None where that cannot be found out."""


def open_tree(url: str, options: Options | None = None, access: Access | None = None) -> Tree:
    """The repository at a directory, http(s)://, ssh://, s3://, gs:// or az:// URL."""
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
    """The path with so many `..` at most; RepositoryError if it leaves the repository."""
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
    """In a directory or an object store."""

    store: Store

    @property
    def url(self) -> str:
        """As the user named it."""
        return self.store.url

    @property
    def depth(self) -> int:
        """Nothing is read beside what was named."""
        return 0

    def relative(self, address: str) -> str | None:
        """Nobody knows where it is served."""
        return None

    def named(self, href: str) -> str:
        """The name of the file itself."""
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
        """The file itself in a directory, else a copy."""
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
        """The paths that begin with the prefix."""
        return sorted(entry.key for entry in self.store.list(prefix))
