"""Whether the distros of a repository take the key that signs it."""

from collections.abc import Iterable

from pkgrel import signing
from pkgrel.repository.place import Place
from pkgrel.signing import Signer


def check(signer: Signer | None, places: Iterable[Place]) -> tuple[str, ...]:
    """Warnings about the key; SigningError if the distro of a place would refuse it."""
    if signer is None:
        return ()
    rows = {place.distro: place.row for place in places}
    return signing.check(signer, rows.values())
