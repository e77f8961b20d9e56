"""The data that client files are made from: the repository's URL, name, keys and places.

apt before 3.0 reads only the first armored block of a file, but all keys in it; rpm reads all blocks, but only the
first key in each. So several keys, as during a change of keys, need a binary and an armored file. Source: the awk
program in cmdline/apt-key.in of apt 2.2; rpm's rpmKeyringModify.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from pkgrel.distro import Distro, distros
from pkgrel.errors import RepositoryError, SigningError
from pkgrel.repository import layout
from pkgrel.repository.kind import repository_kind
from pkgrel.repository.layout import Place
from pkgrel.repository.settings import Settings
from pkgrel.repository.store import Store

_PUT_BACK = "put it back: `gpg --armor --export FINGERPRINT`"

_IN_URL = "%/:=&?~#+!,;@[]"
"""Characters that need no escaping. Spaces and newlines could start another field in a file, and `$` a variable of dnf
or the shell."""
USUAL = "stable"


@dataclass(frozen=True, slots=True)
class Keys:
    """Public keys; none for an unsigned repository."""

    fingerprints: tuple[str, ...]
    packets: tuple[bytes, ...]
    """The packets of each key, binary."""

    def __bool__(self) -> bool:
        return bool(self.packets)

    @property
    def binary(self) -> bytes:
        """For apt's keyrings, `NAME.gpg`."""
        return b"".join(self.packets)

    @property
    def armored(self) -> bytes:
        """One block per key, for rpm and gpg, `NAME.asc`."""
        from pkgrel.signing.keys import armored

        return armored(self.packets).replace(b"\r", b"")


NO_KEYS = Keys((), ())


def read_keys(store: Store, fingerprints: Iterable[str]) -> Keys:
    """Read the keys with these fingerprints from the repository, in this order."""
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
    return decode_keys(wanted, texts)


def decode_keys(fingerprints: Sequence[str], texts: Iterable[bytes]) -> Keys:
    """Find the keys with these fingerprints in the texts, which may contain other keys and duplicates."""
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
    """The fingerprint in groups of four, for people to compare."""
    return " ".join(fingerprint[i : i + 4] for i in range(0, len(fingerprint), 4))


@dataclass(frozen=True, slots=True)
class ClientFile:
    """A file for a client."""

    path: str
    """Its path on the client; empty if it has none."""
    text: str


@dataclass(frozen=True, slots=True)
class Installation:
    """All files that a machine needs to install from a channel."""

    source: ClientFile
    """The configuration of the repository."""
    key_path: str
    """The path where the package tool looks for the keys."""
    keys: bytes
    """The keys in the package tool's format."""
    shared: Mapping[str, ClientFile] = field(default_factory=dict)
    """Other files, by their keys in the repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """The data that client files are made from."""

    name: str
    """The base name of files, and yum's repository id: `acme-packages`."""
    title: str
    """One line for people."""
    url: str
    """The public URL without a trailing slash; empty if unknown."""
    mirrorlist: bool = False
    """Whether yum's mirrorlists exist and contain this URL."""
    keys: Keys = field(default=NO_KEYS)
    places: tuple[Place, ...] = ()
    origin: str = ""
    """The Origin in Release."""
    preferred: tuple[str, ...] = ()
    """The .deb packages that apt takes from here even if another repository has a higher version."""

    @property
    def public(self) -> bool:
        """Whether the URL is valid on other machines."""
        return bool(self.url) and not self.url.startswith("file:")

    @property
    def distros(self) -> tuple[Distro, ...]:
        """The distros that it has packages for, in the order of the table."""
        found = {place.distro for place in self.places}
        return tuple(row for row in distros().values() if row.id in found)

    @property
    def usual_channel(self) -> str:
        """The default channel for clients."""
        return min((p.channel for p in self.places), key=_usual_first, default=USUAL)

    def channels(self, distro: Distro) -> tuple[str, ...]:
        """The channels of a distro, `stable` first."""
        found = {place.channel for place in self.places if place.distro == distro.id}
        return tuple(sorted(found, key=_usual_first))

    def label(self, channel: str) -> str:
        """The name with the channel, which is left out if it is the default."""
        return self.name if channel == USUAL else f"{self.name}-{channel}"


def client_config(
    store: Store,
    settings: Settings,
    places: Iterable[Place],
    keys: Keys,
    url: str = "",
    *,
    names: Iterable[str] = (),
) -> ClientConfig:
    """Client data for the repository's public URL, or for another one; a directory has a file: URL by default.

    `names` is the result of `names_of`. A repository that is NotAutomatic asks apt to prefer others, so none of its
    packages is preferred.
    """
    public = _clean(settings.url)
    address = _clean(url) or public or _of_directory(store)
    return ClientConfig(
        name=file_name(settings.label or settings.origin),
        title=" ".join((settings.label or settings.origin).split()),
        url=address,
        mirrorlist=bool(public) and address == public,
        keys=keys,
        places=tuple(sorted(places)),
        origin=settings.origin,
        preferred=() if settings.not_automatic else tuple(sorted(set(names))),
    )


def file_name(title: str) -> str:
    """The title in a form that is valid for apt and dnf in names of files and repositories."""
    letters = unicodedata.normalize("NFKD", title)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:60].strip("-") or "packages"


def _usual_first(channel: str) -> tuple[bool, str]:
    return channel != USUAL, channel


def _clean(url: str) -> str:
    return quote(url.strip(), safe=_IN_URL).rstrip("/")


def _of_directory(store: Store) -> str:
    return "" if "://" in store.url else Path(store.url).resolve().as_uri()


def fetch(path: str, url: str) -> list[str]:
    """A shell command that downloads the URL to the path."""
    return ["sudo", "curl", "-fsSLo", path, url]


def names_of(names: Mapping[Place, Iterable[str]]) -> set[str]:
    """The names of packages in all places that a package tool's configuration must list."""
    return {
        name
        for place, found in names.items()
        if repository_kind(place.format).client_files().PREFERS_NAMES
        for name in found
    }
