"""The keys of a repository's own objects; those of clients are in `apt` and `yum`.

Only the head changes in place. Settings and tombstones do too, but nothing that a client reads
depends on them.
"""

from __future__ import annotations

from pkgrel.errors import RepositoryError
from pkgrel.signing import statement

PRIVATE = ".pkgrel/"
SETTINGS = ".pkgrel/repo.json"
HEAD = ".pkgrel/head.json"
TOMBSTONES = ".pkgrel/tombstones.json"
MANIFESTS = ".pkgrel/manifests/"
STATES = ".pkgrel/states/"
KEYS = ".pkgrel/keys/"
PROBES = ".pkgrel/probes/"
SUMMARIES = ".pkgrel/summaries/"

# The largest that can be right: whoever writes to the bucket decides how large they are.
_LARGEST = (
    (SETTINGS, 1 << 20),
    (HEAD, 32 << 20),
    (TOMBSTONES, 64 << 20),
    (KEYS, 1 << 20),
    (STATES, 32 << 20),
    (SUMMARIES, 16 << 20),
    (MANIFESTS, 256 << 20),
    ("", 1 << 30),
)


def check_size(key: str, size: int) -> None:
    """RepositoryError if an object is too large to be read as a whole."""
    most = next(most for start, most in _LARGEST if key.startswith(start))
    if size > most:
        raise RepositoryError(
            f"{key}: has {size} bytes, and what belongs there at most {most}",
            hint="restore the object from a backup or an earlier version of it",
        )


def manifest_key(sha256: str) -> str:
    """The packages of one place."""
    return f"{MANIFESTS}{sha256}.json.zst"


def state_key(generation: int, sha256: str) -> str:
    """A head that was; the hash is that of its bytes."""
    return f"{STATES}{generation:08d}-{sha256}.json"


def statements_key(package: str) -> str:
    """The signed statements about a package, by the key of its file."""
    return package + statement.SUFFIX


def public_key(fingerprint: str) -> str:
    """A key that has signed here, armored."""
    return f"{KEYS}{fingerprint}.asc"
