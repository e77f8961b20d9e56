"""Armored text around packets, and the text that is signed in the clear.

Source: RFC 9580, sections 6.2 and 7.
"""

from collections.abc import Sequence

_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"


def signatures(packets: Sequence[bytes]) -> bytes:
    """Signature packets as one armored block, where gpgv, sqv and gpgme look for all of them."""
    from pysequoia import ArmorKind, armor

    return armor(b"".join(packets), ArmorKind.Signature).encode()


def public_keys(keys: Sequence[bytes]) -> bytes:
    """Each key as a block of its own: rpm reads only the first key of a block."""
    from pysequoia import ArmorKind, armor

    return "".join(armor(key, ArmorKind.PublicKey) for key in keys).encode()


def joined(documents: Sequence[bytes]) -> bytes:
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
    return heads.pop().encode() + signatures(packets)
