"""What signs: one key or several at once, believed only when what it has made was found good.

A tool, a card or its driver can be faulty: gpg 2.4.6, for one, now and then wrote a malformed integer, which
sqv refuses. Several keys sign for the time in which clients change from one to the other. A client that has
only one of the keys is content: apt and sqv want one good signature and pass over those of unknown keys.
(gpgv as a program is not; apt takes its word for each signature apart.)

Source: RFC 9580, sections 3.2, 6.2 and 7.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, TypeVar

from pkgrel.errors import SigningError
from pkgrel.signing.keys import certificates
from pkgrel.signing.usable import BROKEN_HASHES
from pkgrel.signing.verification import only_signature, verify, verify_clear


class Signer(Protocol):
    """A secret key, or several at once, wherever it is."""

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of the primary keys, upper case, without blanks."""

    @property
    def public_key(self) -> bytes:
        """The public keys, each an armored block, without other people's signatures."""

    @property
    def public_key_binary(self) -> bytes:
        """The same without armor, as apt's keyrings want it."""

    def clear(self, data: bytes) -> bytes:
        """The text with its signatures below it: InRelease. No line of it may end with a blank."""

    def detached(self, data: bytes) -> bytes:
        """The signatures, armored as one block: Release.gpg, repomd.xml.asc."""

    def detached_binary(self, data: bytes) -> tuple[bytes, ...]:
        """A signature packet of each key, in the order of the fingerprints."""


_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"


def armored_signatures(packets: Sequence[bytes]) -> bytes:
    """Signature packets as one armored block, where gpgv, sqv and gpgme look for all of them."""
    from pysequoia import ArmorKind, armor

    return armor(b"".join(packets), ArmorKind.Signature).encode()


def _joined(documents: Sequence[bytes]) -> bytes:
    """One cleartext document with the signatures of several that say the same."""
    from pysequoia import Sig

    packets = []
    heads = set()
    for document in documents:
        head, start, signature = document.decode().partition(_SIGNATURE)
        heads.add(head)
        packets.append(bytes(Sig.from_bytes((start + signature).encode())))
    # The head names the hash algorithms; all our signers use SHA-512.
    assert len(heads) == 1
    return heads.pop().encode() + armored_signatures(packets)


T = TypeVar("T")

_TRIES = 2
_START, _END = b"-----BEGIN PGP SIGNED MESSAGE-----", b"-----END PGP SIGNATURE-----"


@dataclass(frozen=True)
class CheckedSigner:
    """One key; what it has signed is not signed once more, so that all can be signed beforehand."""

    signer: Signer
    _made: dict[tuple[str, str], object] = field(default_factory=dict, repr=False)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        return self.signer.fingerprints

    @property
    def public_key(self) -> bytes:
        return self.signer.public_key

    @property
    def public_key_binary(self) -> bytes:
        return self.signer.public_key_binary

    @cached_property
    def _can_be_verified(self) -> bool:
        """Whether the library takes the key itself; `check` says which distros do."""
        keys = certificates(self.public_key_binary)
        return all(key.primary.binding not in BROKEN_HASHES for key in keys)

    def clear(self, data: bytes) -> bytes:
        def check(document: bytes) -> None:
            if not self._can_be_verified:
                return
            found = verify_clear(document, self.public_key_binary)
            # What a cleartext signature covers ends without a line end.
            whole = found.text.rstrip() == data.rstrip()
            if not (whole and document.startswith(_START) and document.rstrip().endswith(_END)):
                raise SigningError("the text is not what was to be signed")

        return self._good("clear", data, self.signer.clear, check)

    def detached(self, data: bytes) -> bytes:
        return armored_signatures(self.detached_binary(data))

    def detached_binary(self, data: bytes) -> tuple[bytes, ...]:
        def check(packets: tuple[bytes, ...]) -> None:
            for packet in packets:
                only_signature(packet)
                if self._can_be_verified:
                    verify(data, packet, self.public_key_binary)

        return self._good("detached", data, self.signer.detached_binary, check)

    def _good(
        self, how: str, data: bytes, sign: Callable[[bytes], T], check: Callable[[T], None]
    ) -> T:
        """What is signed, once it was found good."""
        key = how, hashlib.sha256(data).hexdigest()
        for last in range(1, _TRIES + 1):
            if key in self._made:
                break
            made = sign(data)
            try:
                check(made)
            except SigningError as e:
                if last == _TRIES:
                    raise SigningError(
                        f"key {self.fingerprints[0]} makes signatures that nobody would accept: {e}",
                        hint="try it by hand, `gpg --clearsign --local-user ID FILE | gpg --verify`, and with"
                        " another version of gpg; or export the key and name it with `--signing-key`",
                    ) from None
            else:
                self._made[key] = made
        return self._made[key]  # type: ignore[return-value]  # by how it was made


@dataclass(frozen=True, slots=True)
class MultiSigner:
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
        return _joined([signer.clear(data) for signer in self.signers])

    def detached(self, data: bytes) -> bytes:
        return armored_signatures(self.detached_binary(data))

    def detached_binary(self, data: bytes) -> tuple[bytes, ...]:
        return tuple(s for signer in self.signers for s in signer.detached_binary(data))


def combine(*signers: Signer) -> Signer:
    """A signer that makes the signatures of all of them, each found good; each of them has one key."""
    checked = [each if isinstance(each, CheckedSigner) else CheckedSigner(each) for each in signers]
    return checked[0] if len(checked) == 1 else MultiSigner(checked)
