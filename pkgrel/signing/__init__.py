"""OpenPGP signatures of repositories and packages.

    with_key = signing.signer("key.asc", passphrase)
    for warning in signing.check(with_key, distro.select(["debian13", "el9"])):
        console.warn(warning)
    inrelease = with_key.clear(release)

A key is used in this process, by pysequoia, or by gpg, which knows agents and smart cards.
"""

from pkgrel.signing.choice import signer
from pkgrel.signing.protocol import Signer
from pkgrel.signing.several import together
from pkgrel.signing.targets import check
from pkgrel.signing.verification import Cleartext, verify, verify_clear

__all__ = ["Cleartext", "Signer", "check", "signer", "together", "verify", "verify_clear"]
