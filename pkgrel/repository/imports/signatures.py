"""Who has signed an index. Without the public key that can be said, but not verified."""

import re

from pkgrel.errors import SigningError
from pkgrel.repository.imports.found import Signed
from pkgrel.signing import verify, verify_clear

_START = b"-----BEGIN PGP SIGNED MESSAGE-----\n"
_SIGNATURE = b"\n-----BEGIN PGP SIGNATURE-----\n"


def clear(file: str, document: bytes, public_key: bytes | None) -> tuple[bytes, Signed]:
    """The text of an InRelease and who signed it; SigningError if that is not the key's owner."""
    if public_key is not None:
        try:
            verified = verify_clear(document, public_key)
        except SigningError as e:
            raise SigningError(f"{file}: {e}", hint=e.hint) from e
        return verified.text, Signed(file, verified.fingerprint, True)
    _, start, rest = document.replace(b"\r\n", b"\n").partition(_START)
    _, empty, body = rest.partition(b"\n\n")  # the names of the hash functions
    text, end, signature = body.partition(_SIGNATURE)
    if not (start and empty and end):
        raise SigningError(
            f"{file}: is not signed in the clear", hint="let its tool write it again"
        )
    text = re.sub(rb"^- ", b"", text, flags=re.MULTILINE) + b"\n"
    return text, Signed(file, _issuer(end.lstrip() + signature), False)


def detached(file: str, data: bytes, signature: bytes | None, public_key: bytes | None) -> Signed:
    """Who signed the file; SigningError if there is a key and it was not its owner."""
    if public_key is not None:
        try:
            return Signed(file, verify(data, signature or b"", public_key), True)
        except SigningError as e:
            raise SigningError(f"{file}: {e}", hint=e.hint) from e
    return Signed(file, _issuer(signature) if signature else "", False)


def _issuer(signature: bytes) -> str:
    """The fingerprint or key id that the signature names; empty if it cannot be read."""
    from pysequoia.packet import PacketPile

    try:
        packets = list(PacketPile.from_bytes(signature))
    except (RuntimeError, ValueError):
        return ""
    names = (p.issuer_fingerprint or p.issuer_key_id for p in packets)
    return next((name.upper() for name in names if name), "")
