"""Whose signature makes what a bucket says the repository's own word.

    a job that signs     its own key
    --signed-by          the key of that fingerprint, whichever the bucket has
    nobody says          the keys that are published in the bucket itself; said where it matters

The settings must be signed by one of these; they name the keys that may sign the head. So while one key
follows another, each job that has one of them believes the others.

Settings and head, which names all else by its hash, have their signature below them:

    text, of JSON
    -----BEGIN PGP SIGNATURE-----

One object, so that it changes by one conditional write. JSON escapes line ends, so nothing in the text
looks like the signature's first line. That of an unsigned repository is the text alone.
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
"""Seconds by which a signature may be of the future."""
_UNSIGNED = (
    "leave the key away (PKGREL_SIGNING_KEY, too) if the repository is meant to be unsigned, or sign it from"
    " now on with `pkgrel repo set --new-key --adopt`"
)

_MARK = b"\n-----BEGIN PGP SIGNATURE-----"
_LONGEST = 1 << 17
"""Bytes of all signatures."""


@dataclass(slots=True)
class Trust:
    """What a command believes; it is filled when the settings are read, which come first."""

    signer: Signer | None = None
    """The key of a job that signs."""
    pin: str = ""
    """The fingerprint of the key that must have signed."""
    at_least: int = 0
    """The generation that the repository had already."""
    tolerant: bool = False
    """Note what is not signed instead of refusing it: to take it over, or to look for all that is wrong."""
    complaints: list[str] = field(default_factory=list)
    """What was noted."""
    fingerprints: tuple[str, ...] = ()
    """Of the keys that may sign, by the settings; none for an unsigned repository."""
    repository: str = ""
    """The id in the settings."""
    _anchor: bytes = b""
    _others: bytes | None = None
    _good: set[str] = field(default_factory=set)
    """Hashes of bytes whose signature was found good."""

    @property
    def is_anchored(self) -> bool:
        """Whether there is anything to hold the bucket against but the bucket itself."""
        return bool(self.signer or self.pin)

    def check_first(self, store: Store, data: bytes) -> None:
        """Check the settings before a word of them is read, if it is known who must have signed."""
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
        """The settings are our own; the head may still be signed by a key that those before named."""
        self.repository, self.fingerprints = repository, tuple(fingerprints)
        if self.signer:
            self._anchor = _extended(self.signer, lambda _: self._anchor)

    def learn(
        self, store: Store, data: bytes, repository: str, fingerprints: Sequence[str]
    ) -> None:
        """Who else may sign, by the settings; checks them now if that was not known before."""
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
        """RepositoryError if the object is not signed by a key that may; of an unsigned repository, all is
        as good."""
        if not self.fingerprints:
            return
        if not self._is_good(data, self._anchor) and self._others is None:
            self._others = _published(store, self.fingerprints)
        if not (self._others and self._is_good(data, self._others)):
            self._check(store, data, key, self._anchor)

    def public_keys(self, store: Store) -> bytes:
        """Of those that may sign, as the settings name them; binary."""
        return _published(store, self.fingerprints)

    def check_identity(self, repository: str, key: str) -> None:
        """RepositoryError if the object is that of another repository, which the same key may sign."""
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
    """The keys of the job, with what they were before somebody extended them, if that can be read."""
    from pkgrel.signing.keys import with_earlier

    with suppress(PkgrelError):
        return with_earlier(signer.public_key, earlier(signer))
    return signer.public_key


def _published(store: Store, fingerprints: Sequence[str]) -> bytes:
    """The keys with these fingerprints, of what the bucket has under their names; binary."""
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
    """The object's bytes; the text ends with a line end."""
    return signed_text + signer.detached(signed_text) if signer else signed_text


def signed_text(data: bytes) -> bytes:
    """What is signed."""
    end = data.rfind(_MARK)
    return data if end < 0 else data[: end + 1]


def signature_of(data: bytes) -> bytes:
    """The signature; empty if there is none, or none of sane size."""
    found = data[len(signed_text(data)) :]
    return found if len(found) <= _LONGEST else b""


def check_key(signer: Signer | None, places: Iterable[Place]) -> tuple[str, ...]:
    """Warnings about the key; SigningError if the distro of a place would refuse it."""
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
    """What is wrong with an object that has the signature of some data."""
    from pkgrel.signing import verify

    if not signature:
        yield f"{key}: missing"
        return
    try:
        verify(data, signature, keys)
    except SigningError as e:
        yield f"{key}: {e}"


def problems_of_clear(key: str, wanted: bytes, document: bytes, keys: bytes) -> Iterator[str]:
    """What is wrong with an object that has a text and, around it, its signature."""
    from pkgrel.signing import verify_clear

    if not document:
        yield f"{key}: missing"
        return
    try:
        text = verify_clear(document, keys).text
    except SigningError as e:
        yield f"{key}: {e}"
    else:
        # What a cleartext signature covers ends without a line end.
        if text.rstrip() != wanted.rstrip():
            yield f"{key}: is not that of the head"
