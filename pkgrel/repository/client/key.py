"""The public keys of a repository in the forms that clients read.

apt before 3.0 reads the first armored block of a file, and every key in it; rpm reads every block,
and the first key in each. So several keys, while a repository changes from one to another, need a
file of each kind. Source: the awk program in cmdline/apt-key.in of apt 2.2; rpm's rpmKeyringModify.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pkgrel.errors import RepositoryError, SigningError
from pkgrel.repository import layout
from pkgrel.repository.store import Store

_PUT_BACK = "put it back: `gpg --armor --export FINGERPRINT`"


@dataclass(frozen=True, slots=True)
class Keys:
    """Public keys; none for an unsigned repository."""

    fingerprints: tuple[str, ...]
    packets: tuple[bytes, ...]
    """Each key, binary."""

    def __bool__(self) -> bool:
        return bool(self.packets)

    @property
    def binary(self) -> bytes:
        """For a keyring of apt's, `NAME.gpg`."""
        return b"".join(self.packets)

    @property
    def armored(self) -> bytes:
        """A block for each key, `NAME.asc`: for rpm and gpg."""
        from pkgrel.signing.keys import armored

        return armored(self.packets).replace(b"\r", b"")


NO_KEYS = Keys((), ())


def read(store: Store, fingerprints: Iterable[str]) -> Keys:
    """The keys with these fingerprints, in their order, as the repository has them."""
    wanted = tuple(fingerprints)
    texts = []
    for fingerprint in wanted:
        found = store.get(layout.public_key(fingerprint))
        if found is None:
            raise RepositoryError(
                f"{store.url}: the public key `{layout.public_key(fingerprint)}` is missing",
                hint=_PUT_BACK,
            )
        texts.append(found.data)
    return decode(wanted, texts)


def decode(fingerprints: Sequence[str], texts: Iterable[bytes]) -> Keys:
    """The keys with these fingerprints out of their texts, which may have more, or the same again."""
    from pkgrel.signing.keys import split

    found: dict[str, bytes] = {}
    for fingerprint, text in zip(fingerprints, texts, strict=True):
        try:
            keys = split(text)
        except SigningError as e:
            raise RepositoryError(
                f"{layout.public_key(fingerprint)}: {e}", hint=_PUT_BACK
            ) from None
        for packets in keys:
            name = (packets[0].fingerprint or "").upper()
            found.setdefault(name, b"".join(bytes(packet) for packet in packets))
    wanted = [name for name in fingerprints if name in found]
    return Keys(tuple(wanted), tuple(found[name] for name in wanted))


def grouped(fingerprint: str) -> str:
    """In fours, for people to compare."""
    return " ".join(fingerprint[i : i + 4] for i in range(0, len(fingerprint), 4))
