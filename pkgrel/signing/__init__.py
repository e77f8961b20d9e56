"""Makes and verifies OpenPGP signatures of repositories and packages.

One or more keys sign at once, and each signature is verified with pysequoia before it is used, because tools, cards and
their drivers can be faulty: gpg 2.4.6 occasionally wrote a malformed integer, which sqv refuses. Several keys are for
the time in which clients change from one key to another. A client with only one of the keys is satisfied: apt and sqv
need one good signature and ignore those of unknown keys. (gpgv does not, but apt evaluates its result for each
signature.)

    with_key = signing.signer("key.asc", passphrase)
    for warning in signing.check(with_key, distro.select(["debian13", "el9"])):
        console.warn(warning)
    inrelease = with_key.clear(release)

A key is used in this process, by pysequoia, or by gpg, which supports agents and smart cards.

Source: RFC 9580, sections 3.2, 6.2 and 7.
"""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from pkgrel.errors import SigningError
from pkgrel.signing.keys import NO_KEY, certificates, readable, split
from pkgrel.signing.usable import BROKEN_HASHES, check

if TYPE_CHECKING:
    from pysequoia import Cert
    from pysequoia.packet import Packet


_HINT = "find out who has written it, and name the public key of the one who should have"


@dataclass(frozen=True, slots=True)
class Cleartext:
    """A cleartext-signed document such as InRelease, with a good signature."""

    text: bytes
    """The signed text, including the final newline, which the signature does not cover."""
    fingerprint: str
    """The fingerprint of the primary key that signed it."""


def verify(data: bytes, signature: bytes, public_key: bytes) -> str:
    """Verify a signature; returns the fingerprint of the primary key.

    Signatures and public keys are binary or armored, and there may be several. SigningError if none of the
    signatures was made by one of the keys, or if the key has expired or been revoked.
    """
    from pysequoia import Sig
    from pysequoia import verify as check

    store = _store(public_key)
    for packet in _signatures(signature):
        try:
            done = check(data, store=store, signature=Sig.from_bytes(packet))
        except (RuntimeError, ValueError):
            continue
        if done.valid_sigs:
            return str(done.valid_sigs[0].certificate).upper()
    raise SigningError("the signature is not good", hint=_HINT)


def verify_clear(document: bytes, public_key: bytes) -> Cleartext:
    """Verify a document such as InRelease; SigningError as in `verify`."""
    from pysequoia import verify as check

    try:
        done = check(document, store=_store(public_key))
    except (RuntimeError, ValueError):
        raise SigningError("the signature is not good", hint=_HINT) from None
    if done.bytes is None or not done.valid_sigs:
        raise SigningError("the signature is not good", hint=_HINT)
    return Cleartext(done.bytes + b"\n", str(done.valid_sigs[0].certificate).upper())


def issuers(signature: bytes) -> tuple[str, ...]:
    """The issuers named in the signatures, not verified: fingerprints or ids of keys or subkeys."""
    try:
        with _readable():
            found = [p.issuer_fingerprint or p.issuer_key_id or "" for p in _packets(signature)]
    except SigningError:
        return ()
    return tuple(dict.fromkeys(each.upper() for each in found if each))


def made_at(signature: bytes) -> float:
    """The newest creation time in the signatures, not verified, in seconds since the epoch; 0 without one."""
    try:
        with _readable():
            found = [p.signature_created for p in _packets(signature)]
    except SigningError:
        return 0
    return max((each.timestamp() for each in found if each), default=0)


def only_signature(data: bytes) -> None:
    """SigningError unless the packets are exactly one signature."""
    from pysequoia.packet import Tag

    with _readable():
        is_one = [packet.tag for packet in _packets(data)] == [Tag.Signature]
    if not is_one:
        raise SigningError("it is not one signature", hint=_HINT)


@lru_cache(maxsize=4)
def _store(public_key: bytes) -> Callable[[list[str]], list[Cert]]:
    """Finds keys for pysequoia; cached, since a publish verifies with the same ones many times."""
    from pysequoia import Cert

    with readable("the key", "name a file with public keys alone"):
        certs = [Cert.from_packets(packets) for packets in split(public_key)]
    return lambda ids: certs


def _signatures(data: bytes) -> Iterator[bytes]:
    from pysequoia.packet import Tag

    with _readable():
        yield from [bytes(packet) for packet in _packets(data) if packet.tag == Tag.Signature]


def _packets(data: bytes) -> list[Packet]:
    from pysequoia.packet import PacketPile

    with _readable():
        return list(PacketPile.from_bytes(data))


def _readable() -> AbstractContextManager[None]:
    return readable("the signature", _HINT)


class Signer(Protocol):
    """Signs with a secret key, or with several, wherever they are."""

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Fingerprints of the primary keys, in upper case without spaces."""

    @property
    def public_key(self) -> bytes:
        """The public keys, each an armored block, without other people's signatures."""

    @property
    def public_key_binary(self) -> bytes:
        """The same in binary form, for apt's keyrings."""

    def clear(self, data: bytes) -> bytes:
        """Cleartext-sign the text: InRelease. No line may end with white space."""

    def detached(self, data: bytes) -> bytes:
        """Detached signatures in one armored block: Release.gpg, repomd.xml.asc."""

    def detached_binary(self, data: bytes) -> tuple[bytes, ...]:
        """A signature packet of each key, in the order of the fingerprints."""


_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"


def armored_signatures(packets: Sequence[bytes]) -> bytes:
    """Signature packets in one armored block, in which gpgv, sqv and gpgme find all of them."""
    from pysequoia import ArmorKind, armor

    return armor(b"".join(packets), ArmorKind.Signature).encode()


def _joined(documents: Sequence[bytes]) -> bytes:
    """Merge several cleartext documents with the same text into one with all signatures."""
    from pysequoia import Sig

    packets = []
    heads = set()
    for document in documents:
        head, start, signature = document.decode().partition(_SIGNATURE)
        heads.add(head)
        packets.append(bytes(Sig.from_bytes((start + signature).encode())))
    # The header names the hash algorithm; all our signers use SHA-512.
    assert len(heads) == 1
    return heads.pop().encode() + armored_signatures(packets)


T = TypeVar("T")

_TRIES = 2
_START, _END = b"-----BEGIN PGP SIGNED MESSAGE-----", b"-----END PGP SIGNATURE-----"


@dataclass(frozen=True)
class CheckedSigner:
    """One key; signatures are cached, so that everything can be signed in advance."""

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
        """Whether pysequoia accepts the key; `check` says which distros do."""
        keys = certificates(self.public_key_binary)
        return all(key.primary.binding not in BROKEN_HASHES for key in keys)

    def clear(self, data: bytes) -> bytes:
        def check(document: bytes) -> None:
            if not self._can_be_verified:
                return
            found = verify_clear(document, self.public_key_binary)
            # A cleartext signature does not cover the final newline.
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
        """The signature, after it has been verified."""
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
    """Signs with each key; the first is the one that old clients know."""

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
    """Combine signers of one key each into one that makes all their signatures, each verified."""
    checked = [each if isinstance(each, CheckedSigner) else CheckedSigner(each) for each in signers]
    return checked[0] if len(checked) == 1 else MultiSigner(checked)


__all__ = ["Cleartext", "Signer", "check", "combine", "signer", "verify", "verify_clear"]

_ARMOR = "-----BEGIN PGP "
_LONGEST_KEY = 16 << 20
"""Bytes: not all that /dev/zero has."""
_SHORTEST_KEY = 240
"""The length of the shortest secret key in base64; texts as long are never shown in messages."""


def signer(
    key: str | None = None, passphrase: str | None = None, gpg_key: str | None = None
) -> Signer:
    """The signer for `key`, a file or the key itself, or for gpg's key with the id `gpg_key`.

    The text may be armored, even with newlines escaped as `\\n`, or base64 of either form, because some CI systems
    allow only one line. It may have several keys, which then all sign; so may `gpg_key`, separated by commas.
    SigningError if there is no usable secret key.
    """
    if gpg_key:
        from pkgrel.signing import gpg

        return gpg.signer(gpg_key, passphrase)
    if not key or not key.strip():
        raise SigningError(
            "there is no key to sign with",
            hint="set `--signing-key` or PKGREL_SIGNING_KEY, or `--gpg-key` for a key of gpg's",
        )
    from pkgrel.signing import sequoia

    data, source = _read(key.strip())
    try:
        return sequoia.unlocked(data, passphrase)
    except SigningError as e:
        raise SigningError(f"{source}: {e}", hint=e.hint) from None


def _read(key: str) -> tuple[bytes, str]:
    """The key, and the name of its source for messages, which never contain the key's text."""
    if _ARMOR in key:
        # Newlines that were escaped to fit on one line.
        return (key if "\n" in key else key.replace("\\n", "\n")).encode(), "the signing key"
    what = key if len(key) < _SHORTEST_KEY else "the signing key"
    if "\n" not in key:
        try:
            with Path(key).expanduser().open("rb") as file:
                return file.read(_LONGEST_KEY), what
        except (FileNotFoundError, RuntimeError):
            pass
        except OSError as e:
            if e.errno != errno.ENAMETOOLONG:
                raise SigningError(f"{what}: {e.strerror}", hint=NO_KEY) from None
    try:
        if len(key) >= _SHORTEST_KEY:
            return base64.b64decode("".join(key.split()), validate=True), what
    except (binascii.Error, ValueError):
        pass
    raise SigningError(f"{what}: there is no such file, and it is not a key", hint=NO_KEY)
