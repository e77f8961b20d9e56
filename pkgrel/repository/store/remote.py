"""A store in S3, GCS or Azure, through obstore.

Conditions use ETags, and on GCS generations; a token has both. An ETag does not identify the content (because of
multipart uploads and encryption by KMS), so the SHA-256 is stored in the metadata. ACLs are never set: buckets with
disabled ACLs, the default for new ones, would reject them.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import random
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any, Literal, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from pkgrel.errors import RepositoryError
from pkgrel.repository import layout
from pkgrel.repository.store import Content, Entry, Kind, Object, Stale
from pkgrel.repository.store.clients import make_client
from pkgrel.repository.store.faults import again, explain
from pkgrel.repository.store.opening import Options
from pkgrel.repository.store.traffic import Acknowledged

_SHA256 = "sha256"
_CONFLICTS = 5
_LARGE = 1 << 20
"""Bytes from which a write counts as an upload, with a longer timeout."""
_SLOWER = 6
"""Factor for the timeout of the third and later attempts, in case the connection is slow."""
_UPLOAD = timedelta(hours=2)
_DELETE_AT_ONCE = 500

_Result = TypeVar("_Result")
_ERRORS = (BaseError, OSError, ValueError)

_CACHE = {
    Kind.IMMUTABLE: "public, max-age=31536000, immutable",
    Kind.POINTER: "no-cache",
}
_TYPES = {
    ".asc": "application/pgp-signature",
    ".css": "text/css; charset=utf-8",
    ".deb": "application/vnd.debian.binary-package",
    ".gpg": "application/pgp-signature",
    ".gz": "application/gzip",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".list": "text/plain; charset=utf-8",
    ".pref": "text/plain; charset=utf-8",
    ".repo": "text/plain; charset=utf-8",
    ".rpm": "application/x-rpm",
    ".sh": "text/plain; charset=utf-8",
    ".sources": "text/plain; charset=utf-8",
    ".xml": "text/xml",
    ".xz": "application/x-xz",
    ".zst": "application/zstd",
}
_NAMES = dict.fromkeys(("InRelease", "Release", "mirrorlist"), "text/plain; charset=utf-8")


def open_remote(url: str, options: Options) -> Remote:
    """The store of an s3://, gs:// or az:// URL; RepositoryError if there are no credentials."""
    patience = timedelta(seconds=options.timeout)
    quick, slow, bulk = (
        make_client(url, options, each) for each in (patience, patience * _SLOWER, _UPLOAD)
    )
    return Remote(url, quick, bulk, options, slow)


class Remote:
    """The store."""

    def __init__(self, url: str, store: Any, bulk: Any, options: Options, slow: Any = None) -> None:
        self.url = url
        self._store = store
        self._bulk = bulk
        self._slow = slow or store
        self._options = options
        self._acknowledged = Acknowledged()

    def get(self, key: str) -> Object | None:
        """The object, or None if it does not exist."""
        try:
            return self._again(lambda failed: _read(self._client(failed), key))
        except FileNotFoundError as e:
            self._check_bucket(e)
            return None
        except _ERRORS as e:
            raise explain(self.url, e) from e

    def stat(self, key: str) -> Entry | None:
        """Size, time, token and stored hash of the object, or None if it does not exist."""
        try:
            return self._again(lambda failed: _stat(self._client(failed), key))
        except FileNotFoundError as e:
            self._check_bucket(e)
            return None
        except _ERRORS as e:
            raise explain(self.url, e) from e

    def digest(self, key: str) -> str | None:
        """The SHA-256 of the object, from its metadata or by reading it."""
        entry = self.stat(key)
        if entry is None or entry.sha256:
            return entry.sha256 if entry else None
        return self.read_digest(key)

    def read_digest(self, key: str) -> str | None:
        """The SHA-256 of the object, by reading it."""
        try:
            return self._again(lambda _: _hash(self._bulk, key))
        except FileNotFoundError as e:
            self._check_bucket(e)
            return None
        except _ERRORS as e:
            raise explain(self.url, e) from e

    def create(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> bool:
        """Write an object if it does not exist; returns False if it does."""
        for attempt in range(_CONFLICTS):
            try:
                lost = self._put(key, data, kind, "create", sha256)
            except AlreadyExistsError:
                if self.stat(key):
                    return False
                # 409: another write of the key is in progress, and may still fail.
                time.sleep(random.uniform(0, 0.1 * 2**attempt))
            except PreconditionError:
                return False
            except _ERRORS as e:
                raise explain(self.url, e) from e
            else:
                return not lost or self._is_ours(key, data, sha256)
        raise RepositoryError(
            f"{self.url}: `{key}` is being written by others all the time", hint="try again"
        )

    def replace(self, key: str, data: Content, kind: Kind, token: str) -> None:
        """Write an object if it is still in the token's state; Stale if it is not."""
        tag, _, version = token.partition("\n")
        mode: dict[str, str] = {"e_tag": tag} | ({"version": version} if version else {})
        try:
            lost = self._put(key, data, kind, mode)
        except (PreconditionError, AlreadyExistsError, FileNotFoundError) as e:
            raise Stale(f"{self.url}: `{key}` was changed by somebody else") from e
        except _ERRORS as e:
            raise explain(self.url, e) from e
        if lost and not self._is_ours(key, data, ""):
            raise Stale(f"{self.url}: `{key}` was changed by somebody else")

    def overwrite(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> None:
        """Write an object unconditionally."""
        try:
            self._put(key, data, kind, "overwrite", sha256)
        except _ERRORS as e:
            raise explain(self.url, e) from e

    def list(self, prefix: str) -> Iterator[Entry]:
        """The objects whose keys start with the prefix."""
        # obstore's prefixes are whole folders; the rest of the name is compared here.
        folder, _, start = prefix.rpartition("/")
        try:
            for meta in self._again(lambda failed: _all(self._client(failed), folder)):
                if str(meta["path"]).startswith(prefix) or not start:
                    yield _entry(meta, str(meta["path"]))
        except FileNotFoundError as e:
            self._check_bucket(e)
        except _ERRORS as e:
            raise explain(self.url, e) from e

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; missing ones are ignored."""
        left = list(keys)
        while left:
            some, left = left[:_DELETE_AT_ONCE], left[_DELETE_AT_ONCE:]
            try:
                self._again(partial(self._delete, some))
            except FileNotFoundError:
                self._delete_each(some)
            except _ERRORS as e:
                raise explain(self.url, e) from e

    def sent(self) -> int | None:
        """Bytes received by the store so far, including TLS and headers."""
        return self._acknowledged.read()

    def _delete_each(self, keys: Iterable[str]) -> None:
        for key in keys:
            with contextlib.suppress(FileNotFoundError):
                self._again(partial(self._delete, [key]))

    def _delete(self, keys: Any, failed: int) -> None:
        obstore.delete(self._client(failed), keys)

    def _again(self, what: Callable[[int], _Result]) -> _Result:
        return again(self.url, what, self._options.timeout)

    def _client(self, failed: int) -> Any:
        return self._slow if failed > 1 else self._store

    def _is_ours(self, key: str, data: Content, sha256: str) -> bool:
        """Whether an attempt without a response has written the object."""
        if isinstance(data, bytes):
            found = self.get(key)
            return found is not None and found.data == data
        if not sha256:
            with data.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return self.read_digest(key) == sha256

    def _check_bucket(self, error: FileNotFoundError) -> None:
        """RepositoryError if the bucket is missing, not only the object."""
        if "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error):
            raise explain(self.url, error) from error

    def _put(
        self,
        key: str,
        data: Content,
        kind: Kind,
        mode: Literal["create", "overwrite"] | dict[str, str],
        sha256: str = "",
    ) -> bool:
        """Write the object. True if an attempt got no response and a later one found the condition violated: by that
        attempt, or by another writer."""
        with _mapped(data) as buffer:
            attributes: Any = _headers(key, kind)
            if isinstance(data, bytes):
                sha256 = hashlib.sha256(data).hexdigest()
            if sha256:
                attributes[_SHA256] = sha256
            if self._options.storage_class:
                attributes["Storage-Class"] = self._options.storage_class
            put_mode: Any = mode

            def write(failed: int) -> bool:
                store = self._bulk if len(buffer) > _LARGE else self._client(failed)
                try:
                    obstore.put(
                        store,
                        key,
                        buffer,
                        attributes=attributes,
                        mode=put_mode,
                        use_multipart=False,
                    )
                except (PreconditionError, AlreadyExistsError):
                    if not failed:
                        raise
                    return True
                return False

            return self._again(write)


def _read(store: Any, key: str) -> Object:
    result = obstore.get(store, key)
    layout.check_size(key, result.meta["size"])
    data = bytes(result.bytes())
    if len(data) != result.meta["size"]:
        raise OSError(f"connection closed: {len(data)} bytes of {result.meta['size']}")
    return Object(data, _token(result.meta))


def _stat(store: Any, key: str) -> Entry:
    result = obstore.get(store, key, options={"head": True})
    return _entry(result.meta, key, str(result.attributes.get(_SHA256) or ""))


def _hash(store: Any, key: str) -> str:
    sha256 = hashlib.sha256()
    for piece in obstore.get(store, key):
        sha256.update(piece)
    return sha256.hexdigest()


def _all(store: Any, folder: str) -> list[Any]:
    return [meta for page in obstore.list(store, folder or None) for meta in page]


def _token(meta: Any) -> str:
    return f"{meta.get('e_tag') or ''}\n{meta.get('version') or ''}"


def _entry(meta: Any, key: str, sha256: str = "") -> Entry:
    return Entry(key, meta["size"], meta["last_modified"].timestamp(), _token(meta), sha256)


def _headers(key: str, kind: Kind) -> dict[str, str]:
    """Cache-Control and Content-Type. Never Content-Encoding: clients must receive the compressed index."""
    name = key.rpartition("/")[2]
    dot = name.rfind(".")
    by_suffix = _TYPES.get(name[dot:]) if dot >= 0 else None
    return {
        "Cache-Control": _CACHE[kind],
        "Content-Type": _NAMES.get(name) or by_suffix or "application/octet-stream",
    }


@contextlib.contextmanager
def _mapped(data: Content) -> Iterator[Any]:
    """The data as a buffer; a file is mapped, not read."""
    if isinstance(data, bytes):
        yield data
        return
    with data.open("rb") as source:
        if data.stat().st_size == 0:
            yield b""
            return
        _mapped = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            yield _mapped
        finally:
            # obstore may still hold a reference; the last one unmaps the file.
            with contextlib.suppress(BufferError):
                _mapped.close()
