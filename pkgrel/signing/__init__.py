"""OpenPGP signatures of repositories and packages.

    with_key = signing.signer("key.asc", passphrase)
    signing.check(with_key, distro.select(["debian13", "el9"]))
    inrelease = with_key.clear(release)
"""

from collections.abc import Iterable
from typing import Protocol

from pkgrel.distro import Distro


class Signer(Protocol):
    """A secret key, or several at once, wherever it is."""

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of the primary keys, upper case, without blanks."""

    @property
    def public_key(self) -> bytes:
        """The public keys, armored, without other people's signatures."""

    @property
    def public_key_binary(self) -> bytes:
        """The same without armor, as apt's keyrings want it."""

    def clear(self, data: bytes) -> bytes:
        """The text with its signature below it: InRelease."""

    def detached(self, data: bytes) -> bytes:
        """An armored signature: Release.gpg, repomd.xml.asc."""

    def detached_binary(self, data: bytes) -> tuple[bytes, ...]:
        """A signature packet of each key."""


def signer(
    key: str | None = None, passphrase: str | None = None, gpg_key: str | None = None
) -> Signer:
    """The key of a file or a text (`key`), or the one that gpg knows by that id (`gpg_key`)."""
    raise NotImplementedError


def check(signer: Signer, distros: Iterable[Distro]) -> tuple[str, ...]:
    """Warnings; SigningError if a distro would refuse the key or what it signs."""
    raise NotImplementedError


def verify(data: bytes, signature: bytes, public_key: bytes) -> str:
    """The fingerprint of the key that signed it; SigningError if none of the public keys did."""
    raise NotImplementedError
