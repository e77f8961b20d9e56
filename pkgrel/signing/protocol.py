"""What signs."""

from typing import Protocol


class Signer(Protocol):
    """A secret key, or several at once, wherever it is."""

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of the primary keys, upper case, without blanks."""

    @property
    def public_key(self) -> bytes:
        """The public keys, each an armored block, without other people's signatures."""

    @property
    def public_key_binary(self) -> bytes:
        """The same without armor, as apt's keyrings want it."""

    def clear(self, data: bytes) -> bytes:
        """The text with its signatures below it: InRelease. No line of it may end with a blank."""

    def detached(self, data: bytes) -> bytes:
        """The signatures, armored as one block: Release.gpg, repomd.xml.asc."""

    def detached_binary(self, data: bytes) -> tuple[bytes, ...]:
        """A signature packet of each key, in the order of the fingerprints."""
