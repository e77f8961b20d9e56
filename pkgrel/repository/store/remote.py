"""A repository in S3, GCS or Azure, through obstore.

Conditions are ETags, and generations on GCS; a token has both. An ETag says nothing about the
contents (multipart uploads, encryption by KMS), so what an object holds is in its metadata. There is
never an ACL: buckets that have them turned off, as new ones do, would refuse it.
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
"""Bytes from which an upload may take longer than the others."""
_SLOWER = 6
"""How much longer a third attempt may take: a body may be longer than the line is fast."""
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
        """The object, or None if there is none."""
        try:
            return self._again(lambda failed: _read(self._client(failed), key))
        except FileNotFoundError as e:
            self._check_bucket(e)
            return None
        except _ERRORS as e:
            raise explain(self.url, e) from e

    def stat(self, key: str) -> Entry | None:
        """Size, time, state and noted hash of the object, or None if there is none."""
        try:
            return self._again(lambda failed: _stat(self._client(failed), key))
        except FileNotFoundError as e:
            self._check_bucket(e)
            return None
        except _ERRORS as e:
            raise explain(self.url, e) from e

    def digest(self, key: str) -> str | None:
        """The SHA-256 of the object, as noted, or else by reading it."""
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
        """Write an object that must not exist; False, and nothing written, if it does."""
        for attempt in range(_CONFLICTS):
            try:
                lost = self._put(key, data, kind, "create", sha256)
            except AlreadyExistsError:
                if self.stat(key):
                    return False
                # 409: another write of the key is under way, and may yet fail.
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
        """Write an object that must still be in the state of the token; Stale if it is not."""
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
        """Write an object whatever there is."""
        try:
            self._put(key, data, kind, "overwrite", sha256)
        except _ERRORS as e:
            raise explain(self.url, e) from e

    def list(self, prefix: str) -> Iterator[Entry]:
        """The objects whose keys begin with the prefix."""
        # A prefix is whole folders there; the rest of the name is ours to compare.
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
        """Delete objects; those that are not there are no error."""
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
        """Bytes that it has taken so far, with what encrypts and heads them."""
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
        """Whether an attempt that brought no answer has written the object."""
        if isinstance(data, bytes):
            found = self.get(key)
            return found is not None and found.data == data
        if not sha256:
            with data.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return self.read_digest(key) == sha256

    def _check_bucket(self, error: FileNotFoundError) -> None:
        """RepositoryError if it is not the object that is missing but the bucket."""
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
        """Write the object. True if an attempt brought no answer, and the next one found the condition
        broken: by the former or by somebody else."""
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
    """Cache-Control and Content-Type. Never a Content-Encoding: an index is to arrive as it is."""
    name = key.rpartition("/")[2]
    dot = name.rfind(".")
    by_suffix = _TYPES.get(name[dot:]) if dot >= 0 else None
    return {
        "Cache-Control": _CACHE[kind],
        "Content-Type": _NAMES.get(name) or by_suffix or "application/octet-stream",
    }


@contextlib.contextmanager
def _mapped(data: Content) -> Iterator[Any]:
    """The bytes; those of a file stay in the file."""
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
            # obstore may hold on to it for a moment longer; it goes with the last reference.
            with contextlib.suppress(BufferError):
                _mapped.close()
