"""Whether the distros of a repository take the key that signs it."""

from collections.abc import Iterable

from pkgrel import signing
from pkgrel.errors import SigningError
from pkgrel.repository.place import Place
from pkgrel.signing import Signer
from pkgrel.signing.keys import certificates
from pkgrel.signing.usable import BROKEN_HASHES, renew


def check(signer: Signer | None, places: Iterable[Place]) -> tuple[str, ...]:
    """Warnings about the key; SigningError if the distro of a place would refuse it."""
    if signer is None:
        return ()
    for certificate in certificates(signer.public_key_binary):
        if (binding := certificate.primary.binding) in BROKEN_HASHES:
            raise SigningError(
                f"key {certificate.primary.fingerprint} is bound to its owner with {binding}, so that"
                " nobody can verify what it signs",
                hint=renew(certificate),
            )
    rows = {place.distro: place.row for place in places}
    return signing.check(signer, rows.values())
