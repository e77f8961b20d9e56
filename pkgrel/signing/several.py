"""Several keys at once, for the time in which clients change from one to the other.

A client that has only one of the keys is content: apt and sqv want one good signature and pass over
those of unknown keys. (gpgv as a program is not; apt takes its word for each signature apart.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pkgrel.signing import armor
from pkgrel.signing.checked import Checked
from pkgrel.signing.protocol import Signer


@dataclass(frozen=True, slots=True)
class Several:
    """Signs with each; the first one is the one that old clients know."""

    signers: Sequence[Signer]

    @property
    def fingerprints(self) -> tuple[str, ...]:
        return tuple(f for signer in self.signers for f in signer.fingerprints)

    @property
    def public_key(self) -> bytes:
        return b"".join(signer.public_key for signer in self.signers)

    @property
    def public_key_binary(self) -> bytes:
        return b"".join(signer.public_key_binary for signer in self.signers)

    def clear(self, data: bytes) -> bytes:
        return armor.joined([signer.clear(data) for signer in self.signers])

    def detached(self, data: bytes) -> bytes:
        return armor.signatures(self.detached_binary(data))

    def detached_binary(self, data: bytes) -> tuple[bytes, ...]:
        return tuple(s for signer in self.signers for s in signer.detached_binary(data))


def together(*signers: Signer) -> Signer:
    """A signer that makes the signatures of all of them, each found good; each of them has one key."""
    checked = [each if isinstance(each, Checked) else Checked(each) for each in signers]
    return checked[0] if len(checked) == 1 else Several(checked)
