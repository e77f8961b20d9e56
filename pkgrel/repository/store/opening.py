"""Opens the store of a URL, with options that are not part of the URL.

Some stores accept conditional writes but ignore the conditions. `conditions_hold` detects that. A user who ensures that
only one job writes at a time can use such a store as `External`: there, conditions are checked before the write.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from pkgrel.errors import RepositoryError
from pkgrel.repository import layout
from pkgrel.repository.store import Content, Entry, Kind, Object, Stale, Store

SCHEMES = ("s3", "gs", "az")
_WHERE = "name a directory, ssh://USER@HOST/FOLDER, or s3://, gs:// or az:// with a bucket"
_BUCKET = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]*")
_REMOTE_FOLDER = re.compile(r"[^/:\s]*@[^/:\s]+:.*|[^/:\s]{2,}:.+")
"""A remote folder in the notation of scp and rsync. A single letter would be a Windows drive."""
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9/._~%-]*)?")
_REGION = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options for stores."""

    endpoint: str = ""
    """For an S3-compatible service, such as `https://s3.example.org`."""
    region: str = ""
    encryption: str = ""
    """`AES256`, `aws:kms` or `aws:kms:dsse`."""
    kms_key: str = ""
    storage_class: str = ""
    timeout: float = 20.0
    """Timeout of requests in seconds; longer for the third and later attempts, and for uploads."""


def open_store(url: str, options: Options | None = None) -> Store:
    """Open the store, without connecting to it.

    RepositoryError for an unknown kind of URL, and for options that its store does not have.
    """
    if not url:
        raise RepositoryError("no repository is named", hint="is a variable not set?")
    try:
        parts = urlsplit(url)
    except ValueError as e:
        raise RepositoryError(f"`{url}`: {e}", hint=_WHERE) from None
    if options:
        _check(url, parts.scheme, options)
    if parts.scheme in SCHEMES:
        if not parts.netloc:
            raise RepositoryError(
                f"`{url}` names no bucket",
                hint=f"write {parts.scheme}://BUCKET or {parts.scheme}://BUCKET/FOLDER",
            )
        _check_address(parts, options or Options())
        from pkgrel.repository.store.remote import open_remote

        return open_remote(url, options or Options())
    if parts.scheme == "ssh":
        from pkgrel.repository.store.ssh import open_ssh

        return open_ssh(url)
    if parts.scheme in ("http", "https") and parts.hostname:
        from pkgrel.repository.store.web import open_site

        return open_site(url)
    from pkgrel.repository.store.local import Local

    if parts.scheme == "file":
        return Local(Path(unquote(parts.path)))
    if "://" in url:
        raise RepositoryError(
            f"`{url}` is not a place for a repository",
            hint=_WHERE,
        )
    if _REMOTE_FOLDER.fullmatch(url):
        raise RepositoryError(
            f"`{url}` is a folder of another machine, as scp names it",
            hint=f"write `{_as_ssh(url)}`; a folder of this machine that is called so is `./{url}`",
        )
    return Local(Path(url))


def _as_ssh(folder: str) -> str:
    """The URL for scp's `host:folder`."""
    host, _, path = folder.partition(":")
    return f"ssh://{host}/{path.lstrip('/') if path.startswith('/') else f'~/{path}'}"


def _check(url: str, scheme: str, options: Options) -> None:
    """Options without effect are an error, since the user relies on them."""
    unfit = {
        "--encryption": bool(options.encryption) and scheme != "s3",
        "--kms-key": bool(options.kms_key) and not (scheme == "s3" and "kms" in options.encryption),
        "--storage-class": bool(options.storage_class) and scheme not in SCHEMES,
    }
    if found := [name for name, is_unfit in unfit.items() if is_unfit]:
        raise RepositoryError(
            f"{url}: `{found[0]}` does nothing here",
            hint="leave it out; S3 has `--encryption`, with `aws:kms` a `--kms-key`, and buckets `--storage-class`",
        )


def _check_address(parts: SplitResult, options: Options) -> None:
    """RepositoryError for invalid URLs and options, some of which would make obstore abort the process."""
    folder = parts.path.strip("/")
    is_s3 = parts.scheme == "s3"
    problems = (
        (
            "@" in parts.netloc,  # the user may have a password
            "there is a user in the URL of the bucket",
            "leave it out, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (
            not _BUCKET.fullmatch(parts.netloc),
            f"`{parts.netloc}` is not the name of a bucket",
            f"write {parts.scheme}://BUCKET or {parts.scheme}://BUCKET/FOLDER",
        ),
        (
            bool(parts.query or parts.fragment)
            or not folder.isprintable()
            or any(name in ("", ".", "..") for name in folder.split("/") if folder),
            f"`{parts.geturl()}` is not a folder of a bucket",
            "use names without `?` and `#`, each between two `/`",
        ),
        (
            is_s3 and bool(options.endpoint) and not _ENDPOINT.fullmatch(options.endpoint),
            f"the endpoint `{options.endpoint}` is not a URL",
            "write `--endpoint`, PKGREL_ENDPOINT or AWS_ENDPOINT_URL as https://s3.example.org",
        ),
        (
            is_s3 and bool(options.region) and not _REGION.fullmatch(options.region),
            f"`{options.region}` is not a region",
            "write `--region` or AWS_REGION as eu-central-1",
        ),
    )
    for is_wrong, message, hint in problems:
        if is_wrong:
            raise RepositoryError(message, hint=hint)


def conditions_hold(store: Store) -> bool:
    """Test conditional writes with a new key: two creations, and two replacements with the same token."""
    key = f"{layout.PROBES}{uuid.uuid4().hex}"
    try:
        if not store.create(key, b"1", Kind.POINTER) or store.create(key, b"2", Kind.POINTER):
            return False
        first = store.get(key)
        if first is None or first.data != b"1":
            return False
        store.replace(key, b"3", Kind.POINTER, first.token)
        try:
            store.replace(key, b"4", Kind.POINTER, first.token)
        except Stale:
            last = store.get(key)
            return last is not None and last.data == b"3"
        return False
    finally:
        store.delete([key])


class External:
    """Wraps a store that ignores conditions; checks them before each write instead."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.url = store.url

    def get(self, key: str) -> Object | None:
        """The object, or None if it does not exist."""
        return self._store.get(key)

    def stat(self, key: str) -> Entry | None:
        """Size, time and token of the object, or None if it does not exist."""
        return self._store.stat(key)

    def digest(self, key: str) -> str | None:
        """The SHA-256 of the object."""
        return self._store.digest(key)

    def read_digest(self, key: str) -> str | None:
        """The SHA-256 of the object, by reading it."""
        return self._store.read_digest(key)

    def create(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> bool:
        """Write an object if it does not exist; returns False if it does."""
        if self._store.stat(key):
            return False
        self._store.overwrite(key, data, kind, sha256=sha256)
        return True

    def replace(self, key: str, data: Content, kind: Kind, token: str) -> None:
        """Write an object if it is still in the token's state; Stale if it is not."""
        entry = self._store.stat(key)
        if entry is None or entry.token != token:
            raise Stale(f"{self.url}: `{key}` was changed by somebody else")
        self._store.overwrite(key, data, kind)

    def overwrite(self, key: str, data: Content, kind: Kind, *, sha256: str = "") -> None:
        """Write an object unconditionally."""
        self._store.overwrite(key, data, kind, sha256=sha256)

    def list(self, prefix: str) -> Iterator[Entry]:
        """The objects whose keys start with the prefix."""
        return self._store.list(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; missing ones are ignored."""
        self._store.delete(keys)

    def sent(self) -> int | None:
        """Bytes received by the store so far."""
        return self._store.sent()
