"""What was decided about a repository when it was made: `.pkgrel/repo.json`."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal

from pkgrel.errors import RepositoryError
from pkgrel.repository import layout
from pkgrel.repository.head import FORMAT, parse
from pkgrel.repository.place import channel
from pkgrel.repository.store import Kind, Object, Stale, Store

DEFAULT_ARCHITECTURES = {"deb": ("amd64", "arm64"), "rpm": ("x86_64", "aarch64")}
"""Where a distro has only packages for any architecture, their indices are written for these."""

_URL = re.compile(r"https?://[A-Za-z0-9.:@\[\]_-]+(/[A-Za-z0-9/._~%+,:@=-]*)?")
# Surrogates stand for bytes of the command line that are no UTF-8.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CENTURY = 36_525
"""Days; there are dates that Release cannot say."""
_TEXTS = ("origin", "label", "description")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings; apt refuses a repository whose origin or label changes."""

    origin: str
    label: str
    description: str = ""
    fingerprints: tuple[str, ...] = ()
    """Of the keys that sign; empty for an unsigned repository."""
    url: str = ""
    """Where clients see it, such as `https://packages.example.org`; needed for mirrorlists."""
    concurrency: Literal["native", "external"] = "native"
    """`external`: the store ignores conditions, and the user lets no two jobs write at once."""
    valid_days: int = 0
    """For how long apt trusts an index; 0 for ever."""
    not_automatic: bool = False
    but_automatic_upgrades: bool = False
    signed_by: bool = False
    """Whether Release names the only keys that apt shall accept."""
    contents: bool = False
    """Whether Contents indices are written, for apt-file."""
    keep: Mapping[str, int] = field(default_factory=dict)
    """Channel -> how many versions of a package it keeps."""
    created: int = 0
    """Seconds since the epoch."""

    @property
    def signed(self) -> bool:
        """Whether its indices have signatures."""
        return bool(self.fingerprints)

    def encode(self) -> bytes:
        """The object's bytes."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> "Settings":
        """The inverse; RepositoryError if it is damaged or of a newer pkgrel."""
        document = parse(data, layout.SETTINGS)
        known = {f.name for f in fields(cls)}
        try:
            values = {name: value for name, value in document.items() if name in known}
            values["fingerprints"] = tuple(values["fingerprints"])
            return cls(**values)
        except (KeyError, TypeError) as e:
            raise RepositoryError(
                f"{layout.SETTINGS}: damaged: {e}", hint="restore the object from a backup"
            ) from e


def check(settings: Settings) -> Settings:
    """The settings; RepositoryError for what could not stand in Release and in files of clients."""
    for name in _TEXTS:
        if _CONTROL.search(getattr(settings, name)):
            raise RepositoryError(
                f"the {name} {getattr(settings, name)!r} has control characters",
                hint="write it in one line of UTF-8",
            )
    if not settings.origin.strip():
        raise RepositoryError("the origin is empty", hint="name it with `--origin`")
    if settings.url and not _URL.fullmatch(settings.url):
        raise RepositoryError(
            f"the public URL `{settings.url}` is none that clients take",
            hint="write it as https://packages.example.org/folder, other characters as %XX",
        )
    if settings.valid_days > _CENTURY:
        raise RepositoryError(
            f"indices cannot be valid for `{settings.valid_days}` days",
            hint="name fewer days with `--valid-days`, or 0 for ever",
        )
    for name in settings.keep:
        channel(name)
    return settings


def find(store: Store) -> tuple[Settings, Object] | None:
    """The settings and the object that they are in; None if there is no repository here."""
    found = store.get(layout.SETTINGS)
    return (Settings.decode(found.data), found) if found else None


def read(store: Store) -> Settings:
    """The settings; RepositoryError if there is no repository here."""
    if found := find(store):
        return found[0]
    raise RepositoryError(
        f"{store.url}: no repository", hint=f"make one with `pkgrel repo init {store.url}`"
    )


def change(store: Store, before: Object, new: Settings) -> None:
    """Replace the settings; RepositoryError if somebody else did so meanwhile."""
    try:
        store.replace(layout.SETTINGS, new.encode(), Kind.POINTER, before.token)
    except Stale as e:
        raise RepositoryError(
            f"{store.url}: its settings were changed by somebody else", hint="run the command again"
        ) from e
