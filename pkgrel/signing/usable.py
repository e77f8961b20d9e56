"""Which keys can sign for which distros; checked before anything is signed.

    rpm       up to 4.12 knows no subkeys, up to 4.15 no EdDSA, up to 4.18 no ECDSA
    SHA-1     in the signatures that bind a key is refused by sqv, which apt uses from Debian 13 on,
              by the crypto policy of EL 9, even in a subkey that does not sign, and by rpm from 4.19 on
    ECDSA     is refused by the apt of Ubuntu 24.04 ("untrusted public key algorithm"), which asks gpgv for
              RSA or EdDSA alone; apt 3.0 takes NIST's curves, and other curves than those are read neither by
              Sequoia (apt from Debian 13 on, rpm from 4.19 on) nor by rpm 4.18
    critical  parts of a key other than three are refused by rpm 4.17 and 4.18, which no distro of
              the table has, and by that of Leap and SLES 15 before an update of 2022

Source: APT::Key::Assert-Pubkey-Algo of apt 2.8 and 3.0, github.com/getarcaneapp/arcane issue 2581; /usr/share/apt/default-sequoia.config of apt 3.0; rpmio/rpmpgp*.c of rpm 4.11 to 4.18; rpm's
issues 1977 (EL 9) and 2323 (SUSE), its pull request 1702.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from pkgrel.distro import Distro
from pkgrel.errors import SigningError
from pkgrel.signing.keys import NIST_CURVES, Certificate, Component, certificates

if TYPE_CHECKING:
    from pkgrel.signing import Signer

GENERATE = "`gpg --quick-generate-key 'NAME <ADDRESS>' rsa4096 sign never`"
"""A command that makes a key that every distro accepts."""
NEW_KEY = f"make a new key with {GENERATE}"
SHORTEST_RSA = 2048
BROKEN_HASHES = frozenset(["MD5", "SHA1", "RipeMD"])


class Reason(NamedTuple):
    """The rest of a sentence that begins with the key, and a hint."""

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
    if component.algorithm == "ECDSA" and component.curve not in NIST_CURVES:
        yield _curve(component)
    if component.algorithm == "RSA" and component.bits < SHORTEST_RSA:
        yield Reason(f"has only {component.bits} bits", NEW_KEY)


def _curve(component: Component) -> Reason:
    return Reason(
        f"is on the curve {component.curve or 'of another standard'}, which neither apt from Debian 13 on nor rpm reads",
        NEW_KEY,
    )


def extend(certificate: Certificate) -> str:
    """How to extend a key; clients need its new public key."""
    fingerprint = certificate.primary.fingerprint
    return (
        f"extend it with `gpg --quick-set-expire {fingerprint} 2y` (and once more with `'*'` at the"
        " end for its subkeys), export it again, and give the new public key to all clients"
    )


def renew(certificate: Certificate) -> str:
    """How to re-sign a key's own data; clients need its new public key."""
    subkeys = any(key.binding in BROKEN_HASHES for key in certificate.subkeys)
    more = " (and once more with `'*'` at the end for its subkeys)" if subkeys else ""
    return (
        f"`gpg --cert-digest-algo SHA512 --quick-set-expire {certificate.primary.fingerprint} never`"
        f"{more} binds it with SHA-512; export it again, and give the new public key to all clients"
    )


_SHORT_RSA = 3072
_SOON = timedelta(days=30)
_CRITICAL = frozenset([2, 16, 27])
"""Critical subpackets that rpm 4.18 accepts: creation time, issuer, key flags."""
_READABLE = ("RSA", "EdDSA", "ECDSA")
"""Algorithms that gpgv supports; not the new ones of RFC 9580."""


@dataclass(frozen=True, slots=True)
class Signing:
    """The key that signs, the certificate it belongs to, and a signature that it made."""

    certificate: Certificate
    key: Component
    hash: str

    @property
    def is_subkey(self) -> bool:
        return self.key is not self.certificate.primary


def _another(certificate: Certificate) -> str:
    return (
        "sign with an RSA key of 4096 bits that has no subkeys, which every distro reads:"
        f" {GENERATE} makes one"
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """A property of keys, and the distros that refuse it."""

    is_it: Callable[[Signing], bool]
    by: Callable[[Distro], bool]
    what: str
    remedy: Callable[[Certificate], str] = _another


def _rpm(distro: Distro) -> tuple[int, ...] | None:
    """Major and minor version of the distro's rpm."""
    found = re.match(r"rpm (\d+)\.(\d+)", distro.tool)
    return (int(found[1]), int(found[2])) if found else None


def _rpm_before(*version: int) -> Callable[[Distro], bool]:
    return lambda distro: (have := _rpm(distro)) is not None and have < version


def _no_ecdsa(distro: Distro) -> bool:
    return distro.openpgp == "no-ecdsa" or _rpm_before(4, 19)(distro)


def _refuses_sha1(distro: Distro) -> bool:
    version = _rpm(distro)
    return distro.openpgp in ("no-sha1", "strict") or (version is not None and version >= (4, 19))


def _reads_all(distro: Distro) -> bool:
    """Whether the distro refuses SHA-1, and keys with any invalid subkey."""
    return distro.openpgp == "strict"


_REFUSALS = (
    Refusal(lambda s: s.is_subkey, _rpm_before(4, 13), "a subkey"),
    Refusal(lambda s: s.key.algorithm == "EdDSA", _rpm_before(4, 16), "an Ed25519 key"),
    Refusal(lambda s: s.key.algorithm == "ECDSA", _no_ecdsa, "an ECDSA key"),
    Refusal(
        lambda s: bool(BROKEN_HASHES & {s.certificate.primary.binding, s.key.binding}),
        _refuses_sha1,
        "a key that is bound to its owner with SHA-1",
        renew,
    ),
    Refusal(
        lambda s: any(key.binding in BROKEN_HASHES for key in s.certificate.subkeys),
        _reads_all,
        "a key with a subkey that is bound with SHA-1",
        renew,
    ),
)


def check(signer: Signer, distros: Iterable[Distro]) -> tuple[str, ...]:
    """Warnings; SigningError if a distro would refuse the key or what it signs.

    It makes a test signature, which may ask for a passphrase or a card.
    """
    targets = list(distros)
    warnings: list[str] = []
    for signing in _signings(signer):
        _for_everybody(signing)
        _for_targets(signing, targets)
        warnings += _warnings(signing, targets)
    return tuple(warnings)


def _signings(signer: Signer) -> Iterator[Signing]:
    from pysequoia import Sig

    known = certificates(signer.public_key_binary)
    for packet in signer.detached_binary(b"pkgrel"):
        made = Sig.from_bytes(packet)
        issuer = (made.issuer_fingerprint or "").upper()
        for certificate in known:
            if key := certificate.component(issuer):
                yield Signing(certificate, key, repr(made.hash_algorithm).rpartition(".")[2])
                break
        else:
            raise SigningError(
                f"the signature is by {issuer or 'nobody'}, which is not a key of {' or '.join(signer.fingerprints)}",
                hint=NEW_KEY,
            )


def _for_everybody(signing: Signing) -> None:
    """SigningError for a key that cannot be used for any distro, since some tool refuses it everywhere."""
    key, primary = signing.key, signing.certificate.primary
    name = f"key {primary.fingerprint}"
    now = datetime.now(UTC)
    reason, hint = "", NEW_KEY
    if key.version != 4 or primary.version != 4:
        reason = f"is of OpenPGP's version {primary.version}, which gpg and older rpms cannot read"
    elif key.algorithm not in _READABLE:
        reason = f"is of the kind {key.algorithm}, which apt or rpm refuse"
    elif key.algorithm == "ECDSA" and key.curve not in NIST_CURVES:
        reason = _curve(key).text
    elif key.algorithm == "RSA" and key.bits < SHORTEST_RSA:
        reason = f"has only {key.bits} bits"
    elif not signing.certificate.user_ids:
        reason = "has no user ID, so that gpg does not import it"
    elif any(c.revoked or (c.expires and c.expires <= now) for c in (primary, key)):
        reason, hint = why_not(signing.certificate)
    elif signing.hash in BROKEN_HASHES:
        reason = f"signs with {signing.hash}, which apt and rpm have ceased to accept"
    if reason:
        raise SigningError(f"{name} {reason}", hint=hint)


def _for_targets(signing: Signing, targets: Sequence[Distro]) -> None:
    for refusal in _REFUSALS:
        if not refusal.is_it(signing):
            continue
        names = [distro.id for distro in targets if refusal.by(distro)]
        if names:
            raise SigningError(
                f"key {signing.certificate.primary.fingerprint}: {', '.join(names)} cannot read"
                f" signatures of {refusal.what}",
                hint=refusal.remedy(signing.certificate),
            )


def _warnings(signing: Signing, targets: Sequence[Distro]) -> Iterator[str]:
    key, primary = signing.key, signing.certificate.primary
    name = f"key {primary.fingerprint}"
    if key.algorithm == "RSA" and key.bits < _SHORT_RSA:
        yield f"{name} has {key.bits} bits: apt will refuse it from 2030 on; make one of 4096 bits"
    for component in dict.fromkeys((primary, key)):
        if component.expires and component.expires - datetime.now(UTC) < _SOON:
            yield (
                f"{name} expires on {component.expires:%Y-%m-%d}, and nobody can update from then on:"
                f" {extend(signing.certificate)}"
            )
    if BROKEN_HASHES & {primary.binding, key.binding}:
        yield (
            f"{name} is bound to its owner with SHA-1, which newer distros refuse:"
            f" {renew(signing.certificate)}"
        )
    if any(key.critical - _CRITICAL for key in signing.certificate.components) and (
        names := [distro.id for distro in targets if distro.openpgp == "few-subpackets"]
    ):
        yield (
            f"{name} is of sq, or another tool that marks parts of a key as critical: {', '.join(names)}"
            f" cannot import it before an update of 2022; {_another(signing.certificate)}"
        )
