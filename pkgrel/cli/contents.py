"""What a repository holds, as the Tab key asks for it: a directory, or a bucket, which may be far away.

A bucket is given PATIENCE, or PKGREL_COMPLETION_TIMEOUT, and what it has said is remembered: manifests never change, so that of a second question
only the head is asked again, and not even that for FRESH seconds. What was not there in time is not offered.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pkgrel.errors import PkgrelError

if TYPE_CHECKING:
    from pkgrel.repository.manifest import Manifest
    from pkgrel.repository.store import Store
    from pkgrel.repository.store.opening import Options

PATIENCE = 1.5
"""Seconds that a person waits for a shell."""
FRESH = 20
_LARGEST = 4 << 20
"""Bytes that are remembered of a repository; it is begun anew if there were more."""

T = TypeVar("T")


def channels(url: str, options: Options) -> set[str]:
    """Its channels."""
    return {place.split("/", 3)[3] for place in _Repository.open(url, options).places()}


def names(url: str, options: Options) -> set[str]:
    """Names of its packages."""
    return _Repository.open(url, options).answers(
        "", lambda manifest: [name.name for name in manifest.names()]
    )


def versions(url: str, options: Options, name: str) -> set[str]:
    """Versions of a package."""
    return _Repository.open(url, options).answers(
        name, lambda manifest: [record.version for record in manifest.named([name])]
    )


@dataclass
class _Repository:
    store: Store | None
    """None if there is no such thing."""
    memory: _Memory
    end: float

    @classmethod
    def open(cls, url: str, options: Options) -> _Repository:
        """Nothing is asked yet."""
        end = time.monotonic() + _patience()
        # A directory is quick. ssh may want a password, and has a terminal to ask for it.
        far = "://" in url and not url.startswith("file:")
        memory = _Memory.of(f"{url} {options.endpoint}") if far else _Memory(None)
        return cls(None if url.startswith("ssh:") else _opened(url, options), memory, end)

    def places(self) -> Mapping[str, str]:
        """The hash of the manifest of each place."""
        from pkgrel.repository import head
        from pkgrel.repository.trust import Trust

        store = self.store
        if store is None:
            return {}
        if known := self.memory.places():
            return known

        def ask() -> dict[str, str]:
            found = head.read(store, Trust(tolerant=True)).head.manifests
            return {str(place): sha256 for place, sha256 in found.items()}

        for found in self._in_time([ask]):
            self.memory.keep_places(found)
            return found
        return {}

    def answers(self, about: str, question: Callable[[Manifest], list[str]]) -> set[str]:
        """What each manifest says to a question, which is named by what it is about."""
        from pkgrel.repository.state import Manifests

        hashes = sorted(set(self.places().values()))
        said = {sha256: self.memory.answer(sha256, about) for sha256 in hashes}
        store = self.store
        if store is None:
            return set()

        def ask(sha256: str) -> Callable[[], tuple[str, list[str]]]:
            return lambda: (sha256, question(Manifests(store).read(sha256)))

        for sha256, answer in self._in_time([ask(h) for h in hashes if said[h] is None]):
            said[sha256] = answer
            self.memory.keep_answer(sha256, about, answer)
        self.memory.write()
        return {each for answer in said.values() for each in answer or ()}

    def _in_time(self, jobs: Sequence[Callable[[], T]]) -> Iterator[T]:
        """What the jobs that are done in time return; those of a directory are not in a hurry."""
        if self.memory.file is None:
            for job in jobs:
                with suppress(PkgrelError, OSError):
                    yield job()
            return
        from pkgrel.repository import store

        done: queue.SimpleQueue[T | None] = queue.SimpleQueue()

        def run(job: Callable[[], T]) -> None:
            result = None
            with suppress(PkgrelError, OSError):
                result = job()
            done.put(result)

        for number, job in enumerate(jobs):
            # The command line does not wait for threads of this name.
            name = f"{store.THREAD_NAME}-{number}"
            threading.Thread(target=run, args=[job], name=name, daemon=True).start()
        for _ in jobs:
            try:
                result = done.get(timeout=max(0, self.end - time.monotonic()))
            except queue.Empty:
                return
            if result is not None:
                yield result


def _patience() -> float:
    with suppress(ValueError):
        return float(os.environ.get("PKGREL_COMPLETION_TIMEOUT") or PATIENCE)
    return PATIENCE


def _opened(url: str, options: Options) -> Store | None:
    from pkgrel.repository.store.opening import open_store

    try:
        return open_store(url, options)
    except (PkgrelError, OSError):
        return None


@dataclass
class _Memory:
    """What a repository has said, in a file of the user's; without a file nothing is remembered."""

    file: Path | None
    known: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """By the hash of a manifest: by what was asked about."""
    head: dict[str, str] = field(default_factory=dict)
    asked: float = 0

    @classmethod
    def of(cls, repository: str) -> _Memory:
        """What is remembered of it; whatever is not as it was written is forgotten."""
        name = hashlib.sha256(repository.encode()).hexdigest()
        memory = cls(_folder() / f"{name}.json")
        assert memory.file is not None
        with suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
            if memory.file.stat().st_size < _LARGEST:
                made = json.loads(memory.file.read_bytes())
                memory.known = {
                    str(sha256): {str(about): _words(answer) for about, answer in answers.items()}
                    for sha256, answers in made["known"].items()
                }
                memory.head = {str(place): str(sha256) for place, sha256 in made["head"].items()}
                memory.asked = float(made["asked"])
        return memory

    def places(self) -> Mapping[str, str]:
        """What the head said, if that is not long ago."""
        return self.head if 0 <= time.time() - self.asked < FRESH else {}

    def keep_places(self, places: dict[str, str]) -> None:
        """What the head says now; manifests that it does not name are forgotten."""
        self.head, self.asked = places, time.time()
        self.known = {sha256: self.known.get(sha256, {}) for sha256 in set(places.values())}
        self.write()

    def answer(self, sha256: str, about: str) -> list[str] | None:
        """What the manifest said about it, if it was asked."""
        return self.known.get(sha256, {}).get(about)

    def keep_answer(self, sha256: str, about: str, answer: list[str]) -> None:
        """Remember it for the next time."""
        self.known.setdefault(sha256, {})[about] = answer

    def write(self) -> None:
        """Nobody else may read it: names of packages may be secret."""
        if self.file is None:
            return
        document = {"asked": self.asked, "head": self.head, "known": self.known}
        with suppress(OSError):
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self.file.parent, delete=False) as out:
                json.dump(document, out)
            Path(out.name).replace(self.file)


def _words(answer: Sequence[object]) -> list[str]:
    return [word for word in answer if isinstance(word, str) and word.isprintable()]


def _folder() -> Path:
    """Where programs of this system keep what they can ask for again."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or tempfile.gettempdir()) / "pkgrel"
    default = "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser(default)) / "pkgrel"  # noqa: PTH111 - fails nowhere
