"""Determines which keys are trusted to sign a repository, and verifies settings and head with them.

    a job that signs     its key
    --signed-by          the key with that fingerprint, from the bucket
    neither              the keys published in the bucket itself; commands tell the user so where it matters

The settings must be signed by a trusted key; they list the keys that may sign the head. So during a change of keys,
each job that has one of them trusts the others.

The signature of settings and head (which contains the hashes of everything else) is in the same object, below the text:

    text, of JSON
    -----BEGIN PGP SIGNATURE-----

Thus a single conditional write changes both. JSON escapes newlines, so no line of the text can look like the start of
the signature. In an unsigned repository, the object is the text alone.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pkgrel import signing
from pkgrel.errors import PkgrelError, RepositoryError, SigningError
from pkgrel.repository import layout
from pkgrel.repository.layout import Place
from pkgrel.repository.store import Store
from pkgrel.signing import Signer

_ADOPT = (
    "if an earlier pkgrel made it, and `pkgrel repo verify` finds nothing else, take it over once:"
    " `pkgrel repo sync --adopt` (with `--dry-run` it lists what that would sign)"
)
_LATER = 60
"""Seconds by which a signature may be in the future."""
_UNSIGNED = (
    "leave the key away (PKGREL_SIGNING_KEY, too) if the repository is meant to be unsigned, or sign it from"
    " now on with `pkgrel repo set --new-key --adopt`"
)

_MARK = b"\n-----BEGIN PGP SIGNATURE-----"
_LONGEST = 1 << 17
"""Maximum bytes of all signatures."""


@dataclass(slots=True)
class Trust:
    """The keys and state that a command trusts; filled while the settings are read, which happens first."""

    signer: Signer | None = None
    """The key of a job that signs."""
    pin: str = ""
    """The fingerprint of the required key."""
    at_least: int = 0
    """The minimum generation, which the repository is known to have had."""
    tolerant: bool = False
    """Record unsigned objects instead of refusing them: to adopt the repository, or to list all problems."""
    complaints: list[str] = field(default_factory=list)
    """The recorded problems."""
    fingerprints: tuple[str, ...] = ()
    """Fingerprints of the keys that may sign, from the settings; empty for an unsigned repository."""
    repository: str = ""
    """The id in the settings."""
    _anchor: bytes = b""
    _others: bytes | None = None
    _good: set[str] = field(default_factory=set)
    """Hashes of data and keys with a verified signature."""

    @property
    def is_anchored(self) -> bool:
        """Whether the trusted key comes from outside of the bucket."""
        return bool(self.signer or self.pin)

    def check_first(self, store: Store, data: bytes) -> None:
        """Verify the settings before they are parsed, if it is known which key must have signed them."""
        if self.signer:
            self._anchor = self.signer.public_key
        elif self.pin:
            self._anchor = _published(store, [self.pin])
            if not self._anchor:
                raise RepositoryError(
                    f"{store.url}: has no key `{self.pin}`",
                    hint="correct `--signed-by`; or somebody has changed the repository",
                )
        if self.signer and not self._is_good(data, self._anchor):
            self._anchor = _extended(self.signer, lambda s: _published(store, s.fingerprints))
        if self._anchor:
            self._check(store, data, layout.SETTINGS, self._anchor)

    def begin(self, repository: str, fingerprints: Sequence[str]) -> None:
        """Trust settings of this job; the head may still be signed by a key of the previous ones."""
        self.repository, self.fingerprints = repository, tuple(fingerprints)
        if self.signer:
            self._anchor = _extended(self.signer, lambda _: self._anchor)

    def learn(
        self, store: Store, data: bytes, repository: str, fingerprints: Sequence[str]
    ) -> None:
        """Trust the keys in the settings; verifies the settings now if `check_first` could not."""
        if self.fingerprints != tuple(fingerprints):
            self._others = None
        self.repository, self.fingerprints = repository, tuple(fingerprints)
        if not self.fingerprints:
            if self.is_anchored and not self.tolerant:
                raise RepositoryError(
                    f"{store.url}: says that it is unsigned, and there is a key that should have signed it",
                    hint=_UNSIGNED,
                )
        elif not self._anchor:
            self._anchor = _published(store, self.fingerprints)
            if not self._anchor:
                raise RepositoryError(
                    f"{store.url}: the public key `{layout.public_key(self.fingerprints[0])}` is missing",
                    hint="put it back: `gpg --armor --export FINGERPRINT`",
                )
            self._check(store, data, layout.SETTINGS, self._anchor)

    def check(self, store: Store, data: bytes, key: str) -> None:
        """RepositoryError unless the object is signed by a permitted key; accepts all in an unsigned repository."""
        if not self.fingerprints:
            return
        if not self._is_good(data, self._anchor) and self._others is None:
            self._others = _published(store, self.fingerprints)
        if not (self._others and self._is_good(data, self._others)):
            self._check(store, data, key, self._anchor)

    def public_keys(self, store: Store) -> bytes:
        """The public keys that may sign, from the settings; binary."""
        return _published(store, self.fingerprints)

    def check_identity(self, repository: str, key: str) -> None:
        """RepositoryError if the object belongs to another repository, which the same key may sign."""
        if self.fingerprints and repository != self.repository:
            self._refuse(
                RepositoryError(
                    f"{key}: is that of another repository, or of another `{layout.SETTINGS}`",
                    hint="restore both objects, of one time",
                )
            )

    def _check(self, store: Store, data: bytes, key: str, keys: bytes) -> None:
        if not self._is_good(data, keys):
            self._refuse(self._problem(store, data, key))

    def _refuse(self, problem: RepositoryError) -> None:
        if not self.tolerant:
            raise problem
        if str(problem) not in self.complaints:
            self.complaints.append(str(problem))

    def _is_good(self, data: bytes, keys: bytes) -> bool:
        from pkgrel.signing import verify

        known = hashlib.sha256(keys + data).hexdigest()
        if known not in self._good and (signature := signature_of(data)):
            try:
                verify(signed_text(data), signature, keys)
            except SigningError:
                return False
            self._good.add(known)
        return known in self._good

    def _problem(self, store: Store, data: bytes, key: str) -> RepositoryError:
        signature = signature_of(data)
        if not signature:
            hint = f"{_UNSIGNED}; {_ADOPT}" if self.signer and key == layout.SETTINGS else _ADOPT
            return RepositoryError(f"{store.url}: `{key}` is not signed", hint=hint)
        from pkgrel.signing import issuers, made_at

        if (made := made_at(signature)) > time.time() + _LATER:
            when = datetime.fromtimestamp(made, UTC)
            return RepositoryError(
                f"{store.url}: the signature of `{key}` is of the future, {when:%Y-%m-%d %H:%M} UTC",
                hint="set this machine's clock if it is behind; or else a job's was ahead: look at what"
                " `pkgrel repo verify` finds, and sign it anew with `pkgrel repo sync --adopt`",
            )
        named = ", ".join(f"`{issuer}`" for issuer in issuers(signature)) or "nobody"
        if self.signer:
            return RepositoryError(
                f"{store.url}: `{key}` is signed by {named}, and that is not good by the key given, `{self.signer.fingerprints[0]}`",
                hint="use the repository's key, or a file with both to change to another one (`pkgrel repo set --new-key`; with `--adopt` if the old one is lost); or else somebody has changed the object",
            )
        return RepositoryError(
            f"{store.url}: the signature of `{key}` by {named} is not good",
            hint="somebody has changed it, or it is by another key: restore an earlier version of the object",
        )


def _extended(signer: Signer, earlier: Callable[[Signer], bytes]) -> bytes:
    """The job's keys, merged with their earlier state, which may have been extended since, if that is readable."""
    from pkgrel.signing.keys import with_earlier

    with suppress(PkgrelError):
        return with_earlier(signer.public_key, earlier(signer))
    return signer.public_key


def _published(store: Store, fingerprints: Sequence[str]) -> bytes:
    """The keys with these fingerprints from the bucket's files for them; binary."""
    from pkgrel.signing.keys import split

    keys = {}
    for fingerprint in fingerprints:
        name = layout.public_key(fingerprint)
        try:
            for packets in split(found.data) if (found := store.get(name)) else ():
                keys[(packets[0].fingerprint or "").upper()] = packets
        except SigningError as e:
            raise RepositoryError(
                f"{name}: {e}", hint="put it back: `gpg --armor --export FINGERPRINT`"
            ) from None
    return b"".join(bytes(packet) for name in fingerprints for packet in keys.get(name, ()))


def seal(signed_text: bytes, signer: Signer | None) -> bytes:
    """The content of the object; the text must end with a newline."""
    return signed_text + signer.detached(signed_text) if signer else signed_text


def signed_text(data: bytes) -> bytes:
    """The text that is signed."""
    end = data.rfind(_MARK)
    return data if end < 0 else data[: end + 1]


def signature_of(data: bytes) -> bytes:
    """The signature; empty if there is none, or if it is too large."""
    found = data[len(signed_text(data)) :]
    return found if len(found) <= _LONGEST else b""


def check_key(signer: Signer | None, places: Iterable[Place]) -> tuple[str, ...]:
    """Warnings about the key; SigningError if a distro of the places would refuse it."""
    if signer is None:
        return ()
    from pkgrel.signing.keys import certificates
    from pkgrel.signing.usable import BROKEN_HASHES, renew

    for certificate in certificates(signer.public_key_binary):
        if (binding := certificate.primary.binding) in BROKEN_HASHES:
            raise SigningError(
                f"key {certificate.primary.fingerprint} is bound to its owner with {binding}, so that"
                " nobody can verify what it signs",
                hint=renew(certificate),
            )
    rows = {place.distro: place.row for place in places}
    return signing.check(signer, rows.values())


def problems_of(key: str, data: bytes, signature: bytes, keys: bytes) -> Iterator[str]:
    """Problems of an object with a detached signature."""
    from pkgrel.signing import verify

    if not signature:
        yield f"{key}: missing"
        return
    try:
        verify(data, signature, keys)
    except SigningError as e:
        yield f"{key}: {e}"


def problems_of_clear(key: str, wanted: bytes, document: bytes, keys: bytes) -> Iterator[str]:
    """Problems of a cleartext-signed object."""
    from pkgrel.signing import verify_clear

    if not document:
        yield f"{key}: missing"
        return
    try:
        text = verify_clear(document, keys).text
    except SigningError as e:
        yield f"{key}: {e}"
    else:
        # A cleartext signature does not cover the final newline.
        if text.rstrip() != wanted.rstrip():
            yield f"{key}: is not that of the head"
