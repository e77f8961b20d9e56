"""Reads the properties of public and secret keys, without cryptography, and exports public keys.

Source: RFC 9580, sections 4.2, 5.2, 5.5, 6.2 and 10.1; RFC 4880 for version 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pkgrel.errors import SigningError

if TYPE_CHECKING:
    from pysequoia.packet import Packet


NIST_CURVES = frozenset(["nistp256", "nistp384", "nistp521"])
_CURVES = {
    "2a8648ce3d030107": "nistp256",
    "2b81040022": "nistp384",
    "2b81040023": "nistp521",
    "2b8104000a": "secp256k1",
    "2b2403030208010107": "brainpoolP256r1",
    "2b240303020801010b": "brainpoolP384r1",
    "2b240303020801010d": "brainpoolP512r1",
}
"""Object identifiers of curves, RFC 9580 section 9.2."""
NO_KEY = "name a file that `gpg --armor --export-secret-keys ID` wrote, or put its text into PKGREL_SIGNING_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """The primary key or a subkey."""

    fingerprint: str
    version: int
    algorithm: str
    """`RSA`, `DSA`, `ECDSA`, `EdDSA`, or another name of RFC 9580."""
    bits: int
    """The size of an RSA key; 0 for others."""
    curve: str
    """The curve of an ECDSA key, by gpg's name; empty for others, and for curves without a name here."""
    secret: bool
    created: datetime
    expires: datetime | None
    can_sign: bool
    revoked: bool
    binding: str
    """The hash algorithm of the newest signature that binds it to its certificate: `SHA512`."""
    critical: frozenset[int]
    """Types of critical subpackets in those signatures, without which a verifier must reject them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A primary key and its subkeys."""

    primary: Component
    subkeys: tuple[Component, ...]
    user_ids: tuple[str, ...]

    @property
    def components(self) -> tuple[Component, ...]:
        """All keys, the primary one first."""
        return self.primary, *self.subkeys

    def component(self, fingerprint: str) -> Component | None:
        """The key with that fingerprint."""
        return next((c for c in self.components if c.fingerprint == fingerprint), None)


def certificates(data: bytes) -> list[Certificate]:
    """All keys in binary or armored data; SigningError if there are none, or if it cannot be parsed."""
    with readable("the key", NO_KEY):
        return [_certificate(packets) for packets in split(data)]


def split(data: bytes) -> list[list[Packet]]:
    """The packets of each key; there may be several armored blocks."""
    from pysequoia.packet import PacketPile, Tag

    keys: list[list[Packet]] = []
    with readable("the key", NO_KEY):
        for block in _blocks(data):
            for packet in PacketPile.from_bytes(block):
                if packet.tag in (Tag.PublicKey, Tag.SecretKey):
                    keys.append([])
                if keys:
                    keys[-1].append(packet)
    if not keys:
        raise SigningError("there is no OpenPGP key in it", hint=NO_KEY)
    return keys


def with_earlier(keys: bytes, earlier: bytes) -> bytes:
    """The keys, each merged with its packets in `earlier`.

    gpg replaces the self-signature when it extends a key, and a key is not valid for signatures that are older than
    its self-signature.
    """
    from pysequoia import Cert

    with readable("the key", NO_KEY):
        merged = [Cert.from_packets(packets) for packets in split(keys)]
        old = [Cert.from_packets(packets) for packets in split(earlier)] if earlier else []
        for each in old:
            merged = [c.merge(each) if c.fingerprint == each.fingerprint else c for c in merged]
        return b"".join(bytes(cert) for cert in merged)


@contextmanager
def readable(what: str, hint: str) -> Iterator[None]:
    """Converts errors of pysequoia to a SigningError: it raises them not only while parsing, but also when properties
    of an unknown packet are accessed."""
    try:
        yield
    except (RuntimeError, ValueError, AssertionError, LookupError, OverflowError) as e:
        raise SigningError(f"{what} cannot be read: {first_line(e)}", hint=hint) from None


def _blocks(data: bytes) -> Iterable[bytes]:
    start = b"-----BEGIN PGP "
    if start not in data:
        return [data]
    return [start + block for block in data.split(start)[1:]]


def first_line(error: Exception) -> str:
    """The first line of pysequoia's message, which is followed by a backtrace."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _certificate(packets: Sequence[Packet]) -> Certificate:
    components = list(_components(packets))
    return Certificate(
        primary=components[0],
        subkeys=tuple(components[1:]),
        user_ids=tuple(packet.user_id for packet in packets if packet.user_id is not None),
    )


def _components(packets: Sequence[Packet]) -> Iterator[Component]:
    primary = (packets[0].fingerprint or "").upper()
    starts = [i for i, packet in enumerate(packets) if packet.key_algorithm and packet.fingerprint]
    for start, end in zip(starts, [*starts[1:], len(packets)], strict=True):
        signatures = [p for p in packets[start + 1 : end] if _is_by(p, primary)]
        yield _component(packets[start], signatures, is_primary=start == 0)


def _is_by(packet: Packet, primary: str) -> bool:
    """Whether it is a self-signature, not a certification by another key."""
    issuer = (packet.issuer_fingerprint or packet.issuer_key_id or "").upper()
    return packet.signature_type is not None and bool(issuer) and primary.endswith(issuer)


def is_foreign(packet: Packet, primary: str) -> bool:
    """Whether it is a certification by another key."""
    return packet.signature_type is not None and not _is_by(packet, primary)


def _component(key: Packet, signatures: Sequence[Packet], *, is_primary: bool) -> Component:
    from pysequoia.packet import PublicKeyAlgorithm, SignatureType, Tag

    revocations = (SignatureType.KeyRevocation, SignatureType.SubkeyRevocation)
    bindings = [
        s for s in signatures if s.signature_type not in revocations and s.signature_created
    ]
    newest = max(bindings, key=lambda s: s.signature_created or datetime.min, default=None)
    flags = newest.key_flags if newest else None
    validity = newest.key_validity_period if newest else None
    created = key.key_created
    assert created
    algorithm = _name(key.key_algorithm)
    rsa = key.key_algorithm == PublicKeyAlgorithm.RSAEncryptSign
    return Component(
        fingerprint=(key.fingerprint or "").upper(),
        version=key.body[0],
        algorithm="RSA" if algorithm.startswith("RSA") else algorithm,
        bits=int.from_bytes(key.body[6:8], "big") if rsa else 0,
        curve=_CURVES.get(key.body[7 : 7 + key.body[6]].hex(), "") if algorithm == "ECDSA" else "",
        secret=key.tag in (Tag.SecretKey, Tag.SecretSubkey),
        created=created,
        expires=created + validity if validity else None,
        # An old primary key without flags may be used for everything.
        can_sign=flags.signing if flags else is_primary and newest is not None,
        revoked=any(s.signature_type in revocations for s in signatures),
        binding=_name(newest.hash_algorithm) if newest else "",
        critical=frozenset(kind for s in bindings for kind in _critical(s.body)),
    )


def _critical(signature: bytes) -> Iterator[int]:
    """Types of its hashed subpackets with the critical bit, at their position in version 4."""
    area = signature[6 : 6 + int.from_bytes(signature[4:6], "big")] if signature[0] == 4 else b""
    while area:
        first = area[0]
        if first < 192:
            size, start = first, 1
        elif first < 255:
            size, start = ((first - 192) << 8) + area[1] + 192, 2
        else:
            size, start = int.from_bytes(area[1:5], "big"), 5
        if area[start] & 0x80:
            yield area[start] & 0x7F
        area = area[start + size :]


def _name(value: object) -> str:
    """The last part of `PublicKeyAlgorithm.EdDSA`."""
    return repr(value).rpartition(".")[2]


def minimal(data: bytes) -> bytes:
    """The public keys in the data, in binary form, like `gpg --export-options export-minimal`."""
    return b"".join(bytes(packet) for packets in split(data) for packet in _minimal(packets))


def _minimal(packets: Iterable[Packet]) -> Iterator[Packet]:
    from pysequoia.packet import Tag

    primary = ""
    photo = False
    for packet in packets:
        primary = primary or (packet.fingerprint or "").upper()
        if packet.tag != Tag.Signature:
            photo = packet.tag not in (Tag.PublicKey, Tag.PublicSubkey, Tag.UserID)
        if not photo and not is_foreign(packet, primary):
            yield packet


def armored(keys: Sequence[bytes]) -> bytes:
    """Each key in a separate armored block: rpm reads only the first key of a block."""
    from pysequoia import ArmorKind, armor

    return "".join(armor(key, ArmorKind.PublicKey) for key in keys).encode()
