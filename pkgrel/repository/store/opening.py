"""Opens the store that a URL names."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pkgrel.errors import RepositoryError
from pkgrel.repository.store import Store

SCHEMES = ("s3", "gs", "az")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a URL does not say; all optional."""

    endpoint: str = ""
    """Of an S3-compatible service, such as `https://s3.example.org`."""
    region: str = ""
    encryption: str = ""
    """`AES256`, `aws:kms` or `aws:kms:dsse`."""
    kms_key: str = ""
    storage_class: str = ""


def open_store(url: str, options: Options | None = None) -> Store:
    """The store; nothing is read or written yet.

    RepositoryError for a URL of a kind that nobody knows, and for options that its store has not.
    """
    parts = urlsplit(url)
    if options:
        _check(url, parts.scheme, options)
    if parts.scheme in SCHEMES:
        if not parts.netloc:
            raise RepositoryError(
                f"`{url}` names no bucket",
                hint=f"write {parts.scheme}://BUCKET or {parts.scheme}://BUCKET/FOLDER",
            )
        from pkgrel.repository.store.remote import open_remote

        return open_remote(url, options or Options())
    from pkgrel.repository.store.local import Local

    if parts.scheme == "file":
        return Local(Path(unquote(parts.path)))
    if "://" in url:
        raise RepositoryError(
            f"`{url}` is no place for a repository",
            hint="name a directory, or s3://, gs:// or az:// with a bucket",
        )
    return Local(Path(url))


def _check(url: str, scheme: str, options: Options) -> None:
    """What is asked for and cannot be done must not be passed over: somebody counts on it."""
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
