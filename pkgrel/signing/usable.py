"""Why a key cannot sign, whoever reads the signature, and what can be done about it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from pkgrel.signing.keys import Certificate, Component

GENERATE = "`gpg --quick-generate-key 'NAME <ADDRESS>' rsa4096 sign never`"
"""Makes a key that every distro reads."""
NEW_KEY = f"make a new key with {GENERATE}"
SHORTEST_RSA = 2048
BROKEN_HASHES = frozenset(["MD5", "SHA1", "RipeMD"])


class Reason(NamedTuple):
    """The end of a sentence that begins with the key, and a hint."""

    text: str
    hint: str


def why_not(certificate: Certificate) -> Reason:
    """The reason why none of its keys can sign."""
    signing = [c for c in certificate.components if c.can_sign and c.secret]
    if not signing:
        return Reason("has no secret key that may sign", "export the secret key with its subkeys")
    reasons = (r for c in (certificate.primary, *signing) for r in _reasons(certificate, c))
    return next(reasons, Reason("makes signatures that nobody accepts", NEW_KEY))


def _reasons(certificate: Certificate, component: Component) -> Iterator[Reason]:
    now = datetime.now(UTC)
    if component.revoked:
        yield Reason("is revoked", NEW_KEY)
    if component.expires and component.expires <= now:
        yield Reason(f"expired on {component.expires:%Y-%m-%d}", extend(certificate))
    if component.created > now:
        moment = f"{component.created:%Y-%m-%d %H:%M} UTC"
        yield Reason(f"was made in the future, on {moment}", "set this machine's clock")
    if component.binding in BROKEN_HASHES:
        yield Reason(
            f"is bound to its owner with {component.binding}, which apt and rpm no longer accept",
            renew(certificate),
        )
    if component.algorithm == "RSA" and component.bits < SHORTEST_RSA:
        yield Reason(f"has only {component.bits} bits", NEW_KEY)


def extend(certificate: Certificate) -> str:
    """How to let a key live on; clients need its new public key."""
    fingerprint = certificate.primary.fingerprint
    return (
        f"extend it with `gpg --quick-set-expire {fingerprint} 2y` (and once more with `'*'` at the"
        " end for its subkeys), export it again, and give the new public key to all clients"
    )


def renew(certificate: Certificate) -> str:
    """How to sign a key's own data anew; clients need its new public key."""
    subkeys = any(key.binding in BROKEN_HASHES for key in certificate.subkeys)
    more = " (and once more with `'*'` at the end for its subkeys)" if subkeys else ""
    return (
        f"`gpg --cert-digest-algo SHA512 --quick-set-expire {certificate.primary.fingerprint} never`"
        f"{more} binds it with SHA-512; export it again, and give the new public key to all clients"
    )
