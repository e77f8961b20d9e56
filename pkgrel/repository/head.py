"""Reads and swaps the head, the one object that determines what a repository contains.

It lists a manifest for each place, and for each target (an apt suite, a yum repository) the indices made from them. It
changes only by compare-and-swap. Every head is also stored under `states/` with a link to its parent, so that a
channel can be rolled back.

Also compares this machine's clock with the store's, and dates of indices with the time. apt rejects an index that is
dated in the future as "not valid yet", and signatures of the future are invalid. A slow clock does harm too: indices
expire too early, and gc would delete what a publish relies on. So nothing is signed or deleted with a clock that is off
by more than a minute.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pkgrel.errors import RepositoryError
from pkgrel.repository import layout, settings, trust, typed
from pkgrel.repository.kind import kind_of
from pkgrel.repository.layout import Place
from pkgrel.repository.settings import Settings
from pkgrel.repository.store import Kind, Stale, Store
from pkgrel.repository.trust import Trust
from pkgrel.repository.typed import Sha256, Time

_MISSING = ""
Folder = Annotated[str, re.compile(r"(?!.{1000})[a-z]+(/[A-Za-z0-9][A-Za-z0-9+._-]*)+")]
"""The folder of a target; its kind checks the details."""
File = Annotated[
    str,
    re.compile(r"(?!.{1000})[A-Za-z0-9+_-][A-Za-z0-9+._-]*(/[A-Za-z0-9+_-][A-Za-z0-9+._-]*)+"),
]
"""The path of an index relative to its target."""
Parent = Annotated[str, re.compile(r"([0-9a-f]{64})?")]


@dataclass(frozen=True, slots=True)
class Target:
    """A set of indices that clients fetch together."""

    generation: int
    """The generation in which this target last changed."""
    time: Time
    """When it last changed."""
    files: Mapping[File, tuple[int, Sha256]]
    """Size and SHA-256 of each index, by path relative to the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A state of the repository."""

    generation: int = 0
    parent: Parent = ""
    """SHA-256 of the previous head's bytes; empty for the first."""
    time: Time = 0
    actor: str = ""
    """Who made the change: user and host, or the CI job."""
    action: str = ""
    """The change, for people."""
    nonce: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Makes equal heads of two writers differ, so that each can recognize its head."""
    repository: str = ""
    """The id in the settings, which distinguishes repositories that are signed by the same key."""
    revision: int = 0
    """The revision of the settings that it was made with."""
    manifests: Mapping[Place, Sha256] = field(default_factory=dict)
    """SHA-256 of the manifest of each place."""
    targets: Mapping[Folder, Target] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The text to sign."""
        document = {
            "format": typed.FORMAT,
            "generation": self.generation,
            "parent": self.parent,
            "time": self.time,
            "actor": self.actor,
            "action": self.action,
            "nonce": self.nonce,
            "repository": self.repository,
            "revision": self.revision,
            "manifests": {str(place): sha256 for place, sha256 in sorted(self.manifests.items())},
            "targets": {
                name: {"generation": t.generation, "time": t.time, "files": dict(t.files)}
                for name, t in sorted(self.targets.items())
            },
        }
        return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes, key: str = layout.HEAD) -> Head:
        """The inverse, ignoring a signature; RepositoryError if it is not a head, or was made by a newer pkgrel."""
        made = typed.read(cls, typed.document(trust.signed_text(data), key), key)
        for name, target in made.targets.items():
            if target.generation > made.generation:
                raise typed.damaged(key, f"{name} is of a generation to come")
            if wrong := kind_of(name).target_problem(name, target):
                raise typed.damaged(key, f"{name} {wrong}")
        return made


@dataclass(frozen=True, slots=True)
class HeadSnapshot:
    """A head and its bytes."""

    head: Head
    data: bytes
    """Empty if there is no head yet."""
    token: str

    @property
    def sha256(self) -> str:
        """The hash that names the state; empty if there is no head yet."""
        return hashlib.sha256(self.data).hexdigest() if self.data else ""


def read(store: Store, trust: Trust | None = None) -> HeadSnapshot:
    """The head, or an empty one of generation 0.

    RepositoryError unless it is signed by a trusted key (by default, one that the settings name), if it belongs to
    another repository, or if its generation is older than expected.
    """
    if trust is None:
        trust = Trust()
        settings.find(store, trust)
    found = store.get(layout.HEAD)
    if found is None and _is_lost(store):
        found = store.get(layout.HEAD)
        if found is None:
            raise RepositoryError(
                f"{store.url}: `{layout.HEAD}` is missing, though there have been changes",
                hint=f"restore the newest version of the object, or the newest of `{layout.STATES}`",
            )
    made = HeadSnapshot(Head(), b"", _MISSING)
    if found:
        trust.check(store, found.data, layout.HEAD)
        made = HeadSnapshot(Head.decode(found.data), found.data, found.token)
        trust.check_identity(made.head.repository, layout.HEAD)
    if made.head.generation < trust.at_least:
        raise RepositoryError(
            f"{store.url}: is at generation {made.head.generation}, and not at `{trust.at_least}` or later",
            hint="somebody has brought an old state back, or `--expect-generation` is of another repository",
        )
    return made


def _is_lost(store: Store) -> bool:
    """Whether the head is missing though there are later states than the first."""
    first = layout.state_key(1, "")[: -len(".json")]
    return any(not entry.key.startswith(first) for entry in store.list(layout.STATES))


def swap(store: Store, before: HeadSnapshot, data: bytes) -> None:
    """Replace the head by these bytes; Stale if another writer was faster.

    After an error the write may have succeeded, so the head is read again.
    """
    try:
        if before.token == _MISSING:
            if not store.create(layout.HEAD, data, Kind.POINTER):
                raise Stale("somebody else made the first head")
        else:
            store.replace(layout.HEAD, data, Kind.POINTER, before.token)
    except RepositoryError:
        current = store.get(layout.HEAD)
        if current is None or current.data != data:
            raise


def history(store: Store, head: HeadSnapshot) -> Iterator[tuple[str, Head]]:
    """The previous states with their hashes, newest first, until one that gc has deleted.

    Each contains its predecessor's hash, so the signature of the head covers them all.
    """
    parent, generation = head.head.parent, head.head.generation - 1
    while parent:
        key = layout.state_key(generation, parent)
        found = store.get(key)
        if found is None:
            return
        if hashlib.sha256(found.data).hexdigest() != parent:
            raise typed.damaged(key, "it is not what its name says")
        state = Head.decode(found.data, key)
        if state.generation != generation:
            raise typed.damaged(key, f"it is of generation {state.generation}")
        yield parent, state
        parent, generation = state.parent, state.generation - 1


LIMIT = 60
"""Seconds by which a clock may differ from the store's."""
HINT = "set the clock, such as with `timedatectl set-ntp true`"
DAY = 24 * 3600
_UNITS = ((365 * DAY, "years"), (DAY, "days"), (3600, "hours"), (60, "minutes"))


@dataclass(frozen=True, slots=True)
class RefusedDate:
    """An object with a date that clients refuse."""

    key: str
    why: str


def offset(store: Store) -> float:
    """Seconds by which this machine's clock is ahead of the store's; negative if it is behind."""
    probe = f"{layout.PROBES}{uuid.uuid4().hex}"
    began = time.time()
    store.overwrite(probe, b"", Kind.POINTER)
    try:
        return _off(store, probe, began)
    finally:
        store.delete([probe])


def require(store: Store) -> None:
    """RepositoryError if this machine's clock differs from the store's."""
    _refuse(store, offset(store))


def require_of(store: Store, key: str, began: float) -> None:
    """The same, by the time of an object that was just written, after `began`."""
    _refuse(store, _off(store, key, began))


def problem(seconds: float) -> str:
    """What is wrong with this machine's clock; empty if it is right."""
    if abs(seconds) <= LIMIT:
        return ""
    where = "ahead of" if seconds > 0 else "behind"
    return f"this machine's clock is {duration(seconds)} {where} the store's"


def next_time(before: Head) -> int:
    """The date of the next state: never before the previous one, which a clock that was slightly ahead may have dated,
    unless that is far in the future."""
    now = int(time.time())
    return before.time if now < before.time <= now + 2 * LIMIT else now


def refused_dates(settings: Settings, head: Head, now: float) -> list[RefusedDate]:
    """Objects with dates that clients refuse: in the future, or expired."""
    found = []
    if (ahead := head.time - now) > 2 * LIMIT:
        found.append(RefusedDate(layout.HEAD, f"is dated {duration(ahead)} in the future"))
    for folder, target in sorted(head.targets.items()):
        kind = kind_of(folder)
        key = f"{folder}/{kind.DATED}"
        end = kind.expires(settings, target)
        if (ahead := target.time - now) > 2 * LIMIT:
            found.append(
                RefusedDate(key, f"is dated {duration(ahead)} in the future{kind.TOO_EARLY}")
            )
        elif end is not None and end <= now:
            found.append(RefusedDate(key, f"has expired {duration(end - now)} ago{kind.TOO_LATE}"))
    return found


def valid_for(settings: Settings, head: Head, now: float) -> float | None:
    """Seconds until the first index expires; None if none does."""
    ends = (kind_of(folder).expires(settings, target) for folder, target in head.targets.items())
    return min((end - now for end in ends if end is not None), default=None)


def duration(seconds: float) -> str:
    """For people, such as `3 hours`."""
    amount = abs(seconds)
    for length, unit in _UNITS:
        if amount >= 2 * length:
            return f"{amount / length:.0f} {unit}"
    return f"{amount:.0f} s"


def _off(store: Store, key: str, began: float) -> float:
    # However long the requests took, the store set the time between `began` and `ended`.
    entry, ended = store.stat(key), time.time()
    if entry is None:
        return 0
    return max(began - entry.modified, 0) or min(ended - entry.modified, 0)


def _refuse(store: Store, seconds: float) -> None:
    if said := problem(seconds):
        raise RepositoryError(f"{store.url}: {said}", hint=f"{HINT}; nothing was changed")
