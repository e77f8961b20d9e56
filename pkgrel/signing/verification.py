"""Whether a signature is good; by pysequoia, whichever way it was made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pkgrel.errors import SigningError
from pkgrel.signing.keys import readable, split

if TYPE_CHECKING:
    from pysequoia import Cert
    from pysequoia.packet import Packet

_HINT = "find out who has written it, and name the public key of the one who should have"


@dataclass(frozen=True, slots=True)
class Cleartext:
    """A document like InRelease whose signature is good."""

    text: bytes
    """What was signed, ending with the line end that such a signature leaves out."""
    fingerprint: str
    """Of the primary key that signed it."""


def verify(data: bytes, signature: bytes, public_key: bytes) -> str:
    """The fingerprint of the primary key that signed the data.

    Signature and public keys are binary or armored, and may be several. SigningError if none of the
    keys has made any of the signatures, or the key has expired or been revoked.
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
    """The text of a document like InRelease and who signed it; SigningError as in `verify`."""
    from pysequoia import verify as check

    try:
        done = check(document, store=_store(public_key))
    except (RuntimeError, ValueError):
        raise SigningError("the signature is not good", hint=_HINT) from None
    if done.bytes is None or not done.valid_sigs:
        raise SigningError("the signature is not good", hint=_HINT)
    return Cleartext(done.bytes + b"\n", str(done.valid_sigs[0].certificate).upper())


def issuers(signature: bytes) -> tuple[str, ...]:
    """Who has signed, as the signatures say: fingerprints or shorter ids of keys or their subkeys."""
    try:
        with _readable():
            found = [p.issuer_fingerprint or p.issuer_key_id or "" for p in _packets(signature)]
    except SigningError:
        return ()
    return tuple(dict.fromkeys(each.upper() for each in found if each))


def made_at(signature: bytes) -> float:
    """When the newest of the signatures was made, as they say, in seconds since the epoch; 0 if none does."""
    try:
        with _readable():
            found = [p.signature_created for p in _packets(signature)]
    except SigningError:
        return 0
    return max((each.timestamp() for each in found if each), default=0)


def only_signature(data: bytes) -> None:
    """SigningError if the packets are others than one signature."""
    from pysequoia.packet import Tag

    with _readable():
        is_one = [packet.tag for packet in _packets(data)] == [Tag.Signature]
    if not is_one:
        raise SigningError("it is not one signature", hint=_HINT)


def _store(public_key: bytes) -> Callable[[list[str]], list[Cert]]:
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
