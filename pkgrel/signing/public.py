"""The public key as it is handed out: without what others have said about it, and without photos."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pkgrel.signing.keys import is_foreign, split

if TYPE_CHECKING:
    from pysequoia.packet import Packet


def minimal(data: bytes) -> bytes:
    """The public keys of the data, as `gpg --export-options export-minimal` leaves them; binary."""
    return b"".join(bytes(packet) for packets in split(data) for packet in _own(packets))


def _own(packets: Iterable["Packet"]) -> Iterator["Packet"]:
    from pysequoia.packet import Tag

    primary = ""
    photo = False
    for packet in packets:
        primary = primary or (packet.fingerprint or "").upper()
        if packet.tag != Tag.Signature:
            photo = packet.tag not in (Tag.PublicKey, Tag.PublicSubkey, Tag.UserID)
        if not photo and not is_foreign(packet, primary):
            yield packet
