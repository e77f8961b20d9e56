"""Signs in this process, by pysequoia, without gpg, agent or home directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pkgrel.errors import SigningError
from pkgrel.signing import Signer, armored_signatures, combine
from pkgrel.signing.keys import Certificate, armored, certificates, first_line, minimal, split
from pkgrel.signing.usable import NEW_KEY, why_not

if TYPE_CHECKING:
    from pysequoia import PySigner, Tsk
    from pysequoia.packet import Packet
_PASSPHRASE = "set PKGREL_SIGNING_PASSPHRASE to the key's passphrase"


@dataclass(frozen=True, slots=True)
class Key:
    """An unlocked secret key."""

    fingerprint: str
    public_key_binary: bytes
    _signer: PySigner

    @property
    def fingerprints(self) -> tuple[str, ...]:
        return (self.fingerprint,)

    @property
    def public_key(self) -> bytes:
        return armored([self.public_key_binary])

    def clear(self, data: bytes) -> bytes:
        from pysequoia import SignatureMode, sign

        # The final newline is not signed; kept, it would become an empty line.
        return sign(self._signer, data.removesuffix(b"\n"), mode=SignatureMode.CLEAR)

    def detached(self, data: bytes) -> bytes:
        return armored_signatures(self.detached_binary(data))

    def detached_binary(self, data: bytes) -> tuple[bytes, ...]:
        from pysequoia import SignatureMode, sign

        return (sign(self._signer, data, mode=SignatureMode.DETACHED, armor=False),)


def unlocked(data: bytes, passphrase: str | None) -> Signer:
    """A signer with the secret keys in armored or binary data; several sign together.

    SigningError if there is none, or one cannot be used or unlocked.
    """
    return combine(
        *(
            _key(packets, about, passphrase)
            for packets, about in zip(split(data), certificates(data), strict=True)
        )
    )


def _key(packets: Sequence[Packet], about: Certificate, passphrase: str | None) -> Key:
    from pysequoia import Tsk

    if not any(component.secret for component in about.components):
        raise SigningError(
            f"key {about.primary.fingerprint} is a public key: only the secret one can sign",
            hint=f"export it: `gpg --armor --export-secret-keys {about.primary.fingerprint}`",
        )
    try:
        tsk = Tsk.from_packets(list(packets))
    except (RuntimeError, ValueError) as e:
        raise SigningError(
            f"key {about.primary.fingerprint} cannot be read: {first_line(e)}", hint=NEW_KEY
        ) from None
    public = minimal(bytes(tsk.extract_certificate()))
    return Key(about.primary.fingerprint, public, _unlock(tsk, about, passphrase or None))


def _unlock(tsk: Tsk, about: Certificate, passphrase: str | None) -> PySigner:
    try:
        return tsk.signer(passphrase)
    except RuntimeError as e:
        said = first_line(e)
    if "is not encrypted" in said:
        return tsk.signer()
    fingerprint = about.primary.fingerprint
    if "is encrypted" in said:
        raise SigningError(f"key {fingerprint} needs a passphrase", hint=_PASSPHRASE)
    if "No suitable signing" in said:
        reason = why_not(about)
        raise SigningError(f"key {fingerprint} {reason.text}", hint=reason.hint)
    # A wrong passphrase decrypts to random data.
    raise SigningError(f"the passphrase of key {fingerprint} is wrong", hint=_PASSPHRASE)
