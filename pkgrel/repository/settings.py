"""The settings of a repository: `.pkgrel/repo.json`."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Literal

from pkgrel.console import is_plain
from pkgrel.errors import RepositoryError
from pkgrel.repository import layout, trust, typed
from pkgrel.repository.layout import channel
from pkgrel.repository.store import Kind, Object, Stale, Store
from pkgrel.repository.trust import Trust
from pkgrel.repository.typed import FORMAT, Time
from pkgrel.signing import Signer

_URL = re.compile(r"https?://[A-Za-z0-9.:@\[\]_-]+(/[A-Za-z0-9/._~%+,:@=-]*)?")
_CENTURY = 36_525
"""Maximum days of validity; Release cannot represent arbitrarily late dates."""
_LOOPBACK = re.compile(r"http://(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?(/|$)")
_TEXTS = ("origin", "label", "description")

Fingerprint = Annotated[str, re.compile(r"[0-9A-F]{40}([0-9A-F]{24})?")]
Channel = Annotated[str, re.compile(r"[a-z0-9][a-z0-9+_-]{0,63}")]
Days = Annotated[int, range(_CENTURY + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings; apt rejects a repository whose origin or label changes."""

    origin: str
    label: str
    description: str = ""
    fingerprints: tuple[Fingerprint, ...] = ()
    """Fingerprints of the keys that sign; empty for an unsigned repository."""
    url: str = ""
    """The public URL, such as `https://packages.example.org`; required for mirrorlists."""
    concurrency: Literal["native", "external"] = "native"
    """`external`: the store ignores conditions, and the user ensures that only one job writes at a time."""
    valid_days: Days = 0
    """How many days apt accepts an index; 0 for ever."""
    not_automatic: bool = False
    but_automatic_upgrades: bool = False
    signed_by: bool = False
    """Whether Release lists the keys that apt may accept from then on."""
    contents: bool = False
    """Whether to write Contents indices, for apt-file."""
    mirrorable: bool = False
    """Whether yum's metadata have absolute URLs of packages, for mirroring tools that reject `..`."""
    keep: Mapping[Channel, int] = field(default_factory=dict)
    """Channel -> how many versions of a package it keeps."""
    created: Time = 0
    id: str = ""
    """Distinguishes repositories that are signed by the same key."""
    revision: int = 0
    """Counts changes of the settings, so that a replayed older version is detected."""

    @property
    def signed(self) -> bool:
        """Whether the indices are signed."""
        return bool(self.fingerprints)

    def encode(self) -> bytes:
        """The text to sign."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> Settings:
        """The inverse, ignoring a signature; RepositoryError if it is damaged, or made by a newer pkgrel."""
        found = typed.document(trust.signed_text(data), layout.SETTINGS)
        return typed.read(cls, found, layout.SETTINGS)


def check(settings: Settings) -> Settings:
    """The settings; RepositoryError if a value is invalid in Release or in files of clients."""
    for name in _TEXTS:
        value = getattr(settings, name)
        if "\t" in value or not is_plain(value):
            raise RepositoryError(
                f"the {name} {value!r} has control characters",
                hint="write it in one line of UTF-8",
            )
    if not settings.origin.strip():
        raise RepositoryError("the origin is empty", hint="name it with `--origin`")
    if settings.url and not _URL.fullmatch(settings.url):
        raise RepositoryError(
            f"the public URL `{settings.url}` is not one that clients take",
            hint="write it as https://packages.example.org/folder, other characters as %XX",
        )
    if settings.mirrorable and not settings.url:
        raise RepositoryError(
            "packages have no public address that yum's metadata could name",
            hint="say with `--url` where clients see the repository, or leave `--mirrorable` out",
        )
    if settings.valid_days > _CENTURY:
        raise RepositoryError(
            f"indices cannot be valid for `{settings.valid_days}` days",
            hint="name fewer days with `--valid-days`, or 0 for ever",
        )
    for name in settings.keep:
        channel(name)
    return settings


def check_names(settings: Settings) -> None:
    """RepositoryError for an origin or a label that cannot be used in apt_preferences(5).

    Not part of `check`, since existing repositories may keep such names.
    """
    for name in ("origin", "label"):
        if "," in (value := getattr(settings, name)):
            raise RepositoryError(
                f"the {name} `{value}` has a comma, at which apt ends it when a host pins the repository",
                hint=f"name another one with `pkgrel repo init --{name}`",
            )
    if not re.search("[A-Za-z0-9]", settings.origin):
        raise RepositoryError(
            f"the origin `{settings.origin}` has no letter or digit of ASCII by which a host could pin it",
            hint="name another one with `pkgrel repo init --origin`; the label is free",
        )


def plain_http(settings: Settings) -> str:
    """A warning if the public URL is not encrypted; empty if it is, or is local."""
    if not settings.url.startswith("http://") or _LOOPBACK.match(settings.url):
        return ""
    return (
        f"the public URL `{settings.url}` is not encrypted: whoever is in between gives new machines another"
        " install.sh and key, and keeps updates from all; use https://"
    )


def find(store: Store, trust: Trust | None = None) -> tuple[Settings, Object] | None:
    """The settings and their object; None if there is no repository.

    RepositoryError unless they are signed by a trusted key (by default, one that they name).
    """
    trust = trust or Trust()
    found = store.get(layout.SETTINGS)
    if found is None:
        return None
    trust.check_first(store, found.data)
    made = Settings.decode(found.data)
    trust.learn(store, found.data, made.id, made.fingerprints)
    return made, found


def read(store: Store, trust: Trust | None = None) -> Settings:
    """The settings; RepositoryError if there is no repository, or if they are not signed by a trusted key."""
    if found := find(store, trust):
        return found[0]
    hint = f"make one with `pkgrel repo init {store.url}`"
    if store.url.startswith(("http://", "https://")):
        hint = f"name the folder that has `{layout.SETTINGS}` in it, which the web server has to give out"
    raise RepositoryError(f"{store.url}: no repository", hint=hint)


def first(wanted: Settings, signer: Signer | None) -> tuple[Settings, bytes]:
    """The settings of a new repository, and the content of their object."""
    made = replace(wanted, id=uuid.uuid4().hex, revision=1)
    return made, trust.seal(made.encode(), signer)


def change(store: Store, before: Object, new: Settings, signer: Signer | None) -> Settings:
    """Replace the settings; RepositoryError if they were changed meanwhile."""
    made = replace(new, id=new.id or uuid.uuid4().hex, revision=new.revision + 1)
    data = trust.seal(made.encode(), signer if made.signed else None)
    try:
        store.replace(layout.SETTINGS, data, Kind.POINTER, before.token)
    except Stale as e:
        raise RepositoryError(
            f"{store.url}: its settings were changed by somebody else", hint="run the command again"
        ) from e
    return made
