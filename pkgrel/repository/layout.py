"""The keys of a repository's own objects; those of clients are in `apt` and `yum`.

Only the head changes in place. Settings and tombstones do too, but nothing that a client reads
depends on them.
"""

PRIVATE = ".pkgrel/"
SETTINGS = ".pkgrel/repo.json"
HEAD = ".pkgrel/head.json"
TOMBSTONES = ".pkgrel/tombstones.json"
MANIFESTS = ".pkgrel/manifests/"
STATES = ".pkgrel/states/"
KEYS = ".pkgrel/keys/"
PROBES = ".pkgrel/probes/"


def manifest(sha256: str) -> str:
    """The packages of one place."""
    return f"{MANIFESTS}{sha256}.json.zst"


def state(generation: int, sha256: str) -> str:
    """A head that was; the hash is that of its bytes."""
    return f"{STATES}{generation:08d}-{sha256}.json"


def public_key(fingerprint: str) -> str:
    """A key that has signed here, armored."""
    return f"{KEYS}{fingerprint}.asc"


def snapshot(distro: str, sha256: str) -> str:
    """A yum repository as it was; the hash is that of repomd.xml.

    It is as deep as the repository itself, `rpm/<distro>/<arch>/<channel>/`, so that the places of
    packages, which are relative, are the same in both.
    """
    return f"rpm/{distro}/snapshots/{sha256}/"
