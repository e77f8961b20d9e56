"""What a repository remembers of a package: all that its indices say of it."""

from dataclasses import dataclass

from pkgrel.distro import Format
from pkgrel.repository.advisory import Advisory


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A package of a channel; the indices are written from records, the file is never read again."""

    format: Format
    name: str
    version: str
    """As the package tool compares it: `[epoch:]upstream[-revision]`, for both formats."""
    architecture: str
    """The format's own word: `amd64`, `all`, `x86_64`, `noarch`."""
    path: str
    """The key of the file in the store, such as `apt/pool/bookworm/h/hello/hello_1.0.0-1_amd64.deb`."""
    size: int
    """Bytes."""
    sha256: str
    published: int
    """When it was first published here, seconds since the epoch."""
    index: tuple[str, ...]
    """Text for the indices, made once from the file. deb: the paragraph of Packages without what
    depends on the place (Filename). rpm: its elements of primary, filelists and other, with the
    place written as `{href}`."""
    contents: tuple[str, ...] = ()
    """deb: paths of the files, without the leading slash, for Contents."""
    changelog: str = ""
    """The newest entry, for the web page."""
    summary: str = ""
    advisory: Advisory = ()
    """rpm: why it should be installed, for updateinfo."""
    content_sha256: str = ""
    """Of what signing leaves alone: a package that was signed again has another `sha256`, because
    signatures have a time in them, and the same `content_sha256`."""
