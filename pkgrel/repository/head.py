"""The head: the one object that decides what a repository holds.

It names a manifest per place, and for each target (an apt suite, a yum repository) the indices that
were made from them. It changes only by compare-and-swap; every head is kept under `states/` as well,
linked to its parent, so that a channel can go back.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pkgrel.errors import RepositoryError
from pkgrel.repository import layout
from pkgrel.repository.place import Place
from pkgrel.repository.store import Kind, Stale, Store

FORMAT = 1
"""Of settings and heads; a repository with a higher one was made by a newer pkgrel."""

_MISSING = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What clients fetch as a whole."""

    generation: int
    """The repository's when this target changed last."""
    time: int
    """When that was, seconds since the epoch."""
    files: Mapping[str, tuple[int, str]]
    """Size and SHA-256 of each index, by its place relative to the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A state of the repository."""

    generation: int = 0
    parent: str = ""
    """SHA-256 of the bytes of the head before; empty for the first."""
    time: int = 0
    """Seconds since the epoch."""
    actor: str = ""
    """Who did it: user and host, or the CI job."""
    action: str = ""
    """What was done, for people."""
    nonce: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Tells two heads apart that are the same otherwise, so that a writer knows his own."""
    manifests: Mapping[Place, str] = field(default_factory=dict)
    """SHA-256 of the manifest of each place."""
    targets: Mapping[str, Target] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The object's bytes."""
        document = {
            "format": FORMAT,
            "generation": self.generation,
            "parent": self.parent,
            "time": self.time,
            "actor": self.actor,
            "action": self.action,
            "nonce": self.nonce,
            "manifests": {str(place): sha256 for place, sha256 in sorted(self.manifests.items())},
            "targets": {
                name: {"generation": t.generation, "time": t.time, "files": dict(t.files)}
                for name, t in sorted(self.targets.items())
            },
        }
        return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> "Head":
        """The inverse; RepositoryError if it is no head, or one of a newer pkgrel."""
        document = parse(data, layout.HEAD)
        try:
            return cls(
                **{
                    name: document[name]
                    for name in ("generation", "parent", "time", "actor", "action", "nonce")
                },
                manifests={
                    Place.parse(name): sha256 for name, sha256 in document["manifests"].items()
                },
                targets={
                    name: Target(
                        t["generation"],
                        t["time"],
                        {path: (size, sha256) for path, (size, sha256) in t["files"].items()},
                    )
                    for name, t in document["targets"].items()
                },
            )
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise _damaged(layout.HEAD, repr(e)) from e


def parse(data: bytes, key: str) -> dict[str, Any]:
    """A JSON object with a `format` that this pkgrel knows."""
    try:
        document: dict[str, Any] = json.loads(data)
        number = int(document["format"])
    except (ValueError, KeyError, TypeError) as e:
        raise _damaged(key, str(e)) from e
    if number > FORMAT:
        raise RepositoryError(
            f"{key}: the repository has format `{number}`, this pkgrel knows {FORMAT}",
            hint="install the newer pkgrel that made it",
        )
    return document


def _damaged(key: str, why: str) -> RepositoryError:
    return RepositoryError(
        f"{key}: damaged: {why}",
        hint="restore the object from a backup or an earlier version of it",
    )


@dataclass(frozen=True, slots=True)
class Read:
    """A head as it was read."""

    head: Head
    data: bytes
    """Empty if there is none yet."""
    token: str

    @property
    def sha256(self) -> str:
        """Names the state; empty if there is none yet."""
        return hashlib.sha256(self.data).hexdigest() if self.data else ""


def read(store: Store) -> Read:
    """The head, or an empty one of generation 0."""
    found = store.get(layout.HEAD)
    if found is None:
        return Read(Head(), b"", _MISSING)
    return Read(Head.decode(found.data), found.data, found.token)


def swap(store: Store, before: Read, new: Head) -> None:
    """Make `new` the head; Stale if somebody else was faster.

    An error says nothing about whether the write happened, so the head is read again.
    """
    data = new.encode()
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


def history(store: Store, head: Read) -> Iterator[tuple[str, Head]]:
    """The states before, newest first, each with its hash, until one that gc has taken."""
    parent, generation = head.head.parent, head.head.generation - 1
    while parent:
        found = store.get(layout.state(generation, parent))
        if found is None:
            return
        state = Head.decode(found.data)
        yield parent, state
        parent, generation = state.parent, state.generation - 1
