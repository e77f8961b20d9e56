"""Believes no signature that was not found good: a tool, a card or its driver can be faulty.

gpg 2.4.6, for one, now and then wrote a malformed integer, which sqv refuses. Source: RFC 9580, section 3.2.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from pkgrel.errors import SigningError
from pkgrel.signing import armor
from pkgrel.signing.keys import certificates
from pkgrel.signing.protocol import Signer
from pkgrel.signing.usable import BROKEN_HASHES
from pkgrel.signing.verification import only_signature, verify, verify_clear

T = TypeVar("T")

_TRIES = 2
_START, _END = b"-----BEGIN PGP SIGNED MESSAGE-----", b"-----END PGP SIGNATURE-----"


@dataclass(frozen=True)
class Checked:
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
        return armor.signatures(self.detached_binary(data))

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
