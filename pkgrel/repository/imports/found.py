"""What a foreign repository says of its packages."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pkgrel.distro import Format
from pkgrel.errors import RepositoryError
from pkgrel.limits import LIMITS

STRONGEST_FIRST = ("sha512", "sha384", "sha256", "sha224", "sha1", "md5")
"""Hash functions that indices use, by the names that hashlib has for them."""

_WRONG = "the repository is broken there: mend it with the tool that made it"


@dataclass(frozen=True, slots=True)
class Sum:
    """Size and hash of a file."""

    size: int | None
    """Bytes; None where nothing says it."""
    algorithm: str
    """Of STRONGEST_FIRST."""
    digest: str
    """In hexadecimal, lower case."""

    @classmethod
    def best(cls, size: int | None, digests: Mapping[str, str]) -> "Sum | None":
        """With the strongest of the hashes, by their names; None if there is none that we know."""
        known = {name.lower().replace("md5sum", "md5"): text for name, text in digests.items()}
        for algorithm in STRONGEST_FIRST:
            if algorithm in known:
                return cls(size, algorithm, known[algorithm].lower())
        return None

    def check(self, name: str, data: bytes | Path) -> None:
        """RepositoryError if the bytes, or those of the file, are others."""
        if isinstance(data, bytes):
            size, digest = len(data), hashlib.new(self.algorithm, data).hexdigest()
        else:
            size = data.stat().st_size
            with data.open("rb") as source:
                digest = hashlib.file_digest(source, self.algorithm).hexdigest()
        if self.size not in (None, size):
            raise RepositoryError(
                f"{name}: has {size} bytes, its index says `{self.size}`", hint=_WRONG
            )
        if digest != self.digest:
            raise RepositoryError(
                f"{name}: its {self.algorithm.upper()} is not the one that its index says",
                hint=_WRONG,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A package."""

    format: Format
    path: str
    """Relative to the repository."""
    name: str
    version: str
    """As records have it: `[epoch:]upstream[-revision]`."""
    architecture: str
    sum: Sum
    sha256: str
    """Empty if the index has only other hashes."""
    suites: tuple[str, ...] = ()
    """What its apt suite is called: folder, codename, suite."""
    component: str = ""

    @property
    def title(self) -> str:
        """For messages."""
        return f"{self.name} {self.version} ({self.architecture})"


@dataclass(frozen=True, slots=True)
class Signed:
    """Who has signed an index."""

    file: str
    fingerprint: str
    """Empty if nobody has."""
    verified: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """What there is."""

    packages: tuple[Found, ...]
    signatures: tuple[Signed, ...]


def refuse_many(url: str, count: int) -> None:
    """RepositoryError if a repository has more packages than fit into memory."""
    if count > LIMITS.index_packages:
        raise RepositoryError(
            f"{url}: has more than {LIMITS.index_packages} packages",
            hint="import its parts one by one, such as with `--suite`",
        )
