"""How clients reach a repository: its address, its name on their disks, its keys, and what it has for them.

apt before 3.0 reads the first armored block of a file, and every key in it; rpm reads every block,
and the first key in each. So several keys, while a repository changes from one to another, need a
file of each kind. Source: the awk program in cmdline/apt-key.in of apt 2.2; rpm's rpmKeyringModify.
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
"""What stays as it is. A blank or a line end would begin another field of a file of ours, and a `$` a
variable of dnf's or a shell's."""
USUAL = "stable"


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


def read_keys(store: Store, fingerprints: Iterable[str]) -> Keys:
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
    return decode_keys(wanted, texts)


def decode_keys(fingerprints: Sequence[str], texts: Iterable[bytes]) -> Keys:
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


@dataclass(frozen=True, slots=True)
class ClientFile:
    """A file for a client."""

    path: str
    """Where it belongs there; empty if it is not for a place of its own."""
    text: str


@dataclass(frozen=True, slots=True)
class Installation:
    """What a machine needs to install from a channel."""

    source: ClientFile
    """Names the repository to the package tool."""
    key_path: str
    """Where the package tool looks for the keys."""
    keys: bytes
    """In the form that it reads."""
    shared: Mapping[str, ClientFile] = field(default_factory=dict)
    """Other files, by their keys in the repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """All that client files are made from."""

    name: str
    """Of files and of yum's repository id: `acme-packages`."""
    title: str
    """For people, one line."""
    url: str
    """Where clients see the repository, without a slash at the end; empty if nobody knows."""
    mirrorlist: bool = False
    """Whether yum's mirrorlists are there, and name this address."""
    keys: Keys = field(default=NO_KEYS)
    places: tuple[Place, ...] = ()
    origin: str = ""
    """As Release says it."""
    preferred: tuple[str, ...] = ()
    """The .deb packages that apt takes from here even if another repository has a higher version."""

    @property
    def public(self) -> bool:
        """Whether other machines see it at this address."""
        return bool(self.url) and not self.url.startswith("file:")

    @property
    def distros(self) -> tuple[Distro, ...]:
        """Those that it has packages for, in the order of the table."""
        found = {place.distro for place in self.places}
        return tuple(row for row in distros().values() if row.id in found)

    @property
    def usual_channel(self) -> str:
        """What people get when they name none."""
        return min((p.channel for p in self.places), key=_usual_first, default=USUAL)

    def channels(self, distro: Distro) -> tuple[str, ...]:
        """Those of a distro; `stable` first, if there is one."""
        found = {place.channel for place in self.places if place.distro == distro.id}
        return tuple(sorted(found, key=_usual_first))

    def label(self, channel: str) -> str:
        """The name with the channel, unless that is the usual one."""
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
    """What clients reach by the repository's own address, or by another one; a directory has one anyway.

    `names` are those that `names_of` gives. A repository that is not automatic asks apt to prefer
    others, so that none of them is preferred.
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
    """The title as apt and dnf take names of files and repositories."""
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
    """A command that makes the file of what is there."""
    return ["sudo", "curl", "-fsSLo", path, url]


def names_of(names: Mapping[Place, Iterable[str]]) -> set[str]:
    """The names, of those in all places, that a package tool must be told."""
    return {
        name
        for place, found in names.items()
        if repository_kind(place.format).client_files().PREFERS_NAMES
        for name in found
    }
