"""Why a key cannot sign, whoever reads the signature."""

from datetime import UTC, datetime

from pkgrel.signing.keys import Certificate, Component

NEW_KEY = "make a new key as docs/signing.md says"
SHORTEST_RSA = 2048
BROKEN_HASHES = frozenset(["MD5", "SHA1", "RipeMD"])


def why_not(certificate: Certificate) -> str:
    """The reason why none of its keys can sign, as the end of a sentence."""
    primary = certificate.primary
    if primary.revoked:
        return "it is revoked"
    signing = [c for c in certificate.components if c.can_sign and c.secret]
    if not signing:
        return "it has no secret key that may sign"
    reasons = [_reason(component) for component in (primary, *signing)]
    return next((reason for reason in reasons if reason), "nobody would accept its signatures")


def _reason(component: Component) -> str:
    now = datetime.now(UTC)
    if component.revoked:
        return "it is revoked"
    if component.expires and component.expires <= now:
        return f"it expired on {component.expires:%Y-%m-%d}"
    if component.created > now:
        return f"it was made in the future, on {component.created:%Y-%m-%d %H:%M} UTC"
    if component.binding in BROKEN_HASHES:
        return f"it is bound to its owner with {component.binding}, which apt and rpm have ceased to accept"
    if component.algorithm == "RSA" and component.bits < SHORTEST_RSA:
        return f"RSA with {component.bits} bits is too short"
    return ""
