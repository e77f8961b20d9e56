"""A read-only store: a repository on a web server, as clients see it.

It can verify packages like the bucket behind it, if the server publishes `.pkgrel/` as well.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from pkgrel.errors import RepositoryError
from pkgrel.repository.imports.web import Access, Web, open_web, read_headers
from pkgrel.repository.store import Content, Entry, Kind, Object

_LARGEST = 1 << 30
"""Maximum bytes of an object, which may be a package; the rest is not read."""


class Site:
    """The store; objects can only be read by key, not listed."""

    def __init__(self, web: Web) -> None:
        self.url = web.url
        self._web = web

    def get(self, key: str) -> Object | None:
        """The object, or None if it does not exist."""
        data = self._web.read(key, _LARGEST)
        return None if data is None else Object(data, hashlib.sha256(data).hexdigest())

    def stat(self, key: str) -> Entry | None:
        """Size of the object, or None if it does not exist; its time is unknown."""
        size = self._web.size(key)
        return None if size is None else Entry(key, max(size, 0), 0)

    def digest(self, key: str) -> str | None:
        """The SHA-256 of the object, by reading it."""
        return self.read_digest(key)

    def read_digest(self, key: str) -> str | None:
        """The SHA-256 of the object, by reading it."""
        size = self._web.size(key)
        if size is None:
            return None
        with tempfile.TemporaryDirectory(prefix="pkgrel-") as folder:
            file = self._web.file(key, Path(folder), size if size >= 0 else _LARGEST)
            with file.open("rb") as source:
                return hashlib.file_digest(source, "sha256").hexdigest()

    def create(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> bool:
        """Not supported."""
        self._refuse()

    def replace(self, key: str, data: Content, kind: Kind, token: str) -> None:
        """Not supported."""
        self._refuse()

    def overwrite(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> None:
        """Not supported."""
        self._refuse()

    def list(self, prefix: str) -> Iterator[Entry]:
        """Not supported: web servers do not list files."""
        raise RepositoryError(
            f"{self.url}: a web server does not say what it has",
            hint="name the bucket or the folder behind it",
        )

    def delete(self, keys: Iterable[str]) -> None:
        """Not supported."""
        self._refuse()

    def sent(self) -> None:
        """None: nothing is uploaded."""

    def _refuse(self) -> NoReturn:
        raise RepositoryError(
            f"{self.url}: a web server is only read",
            hint="name the bucket or the folder behind it",
        )


def open_site(url: str) -> Site:
    """The repository at an http:// or https:// URL.

    The server gets credentials from the URL, .netrc or PKGREL_FROM_HEADERS, as in `repo import`.
    """
    headers = read_headers(os.environ.get("PKGREL_FROM_HEADERS", ""))
    return Site(open_web(url, Access(headers)))
