"""Objects that the repository's key signs: settings, and the head, which names all else by its hash.

    text, of JSON
    -----BEGIN PGP SIGNATURE-----

One object, so that it changes by one conditional write. JSON escapes line ends, so nothing in the text
looks like the signature's first line. That of an unsigned repository is the text alone.
"""

from pkgrel.signing import Signer

_MARK = b"\n-----BEGIN PGP SIGNATURE-----"
_LONGEST = 1 << 17
"""Bytes of all signatures."""


def seal(text: bytes, signer: Signer | None) -> bytes:
    """The object's bytes; the text ends with a line end."""
    return text + signer.detached(text) if signer else text


def text(data: bytes) -> bytes:
    """What is signed."""
    end = data.rfind(_MARK)
    return data if end < 0 else data[: end + 1]


def signature(data: bytes) -> bytes:
    """The signature; empty if there is none, or none of sane size."""
    found = data[len(text(data)) :]
    return found if len(found) <= _LONGEST else b""
