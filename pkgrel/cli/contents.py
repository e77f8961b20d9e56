"""The contents of a repository for completion by the shell, of a directory or a bucket.

A bucket has PATIENCE, or PKGREL_COMPLETION_TIMEOUT, to answer, and answers are cached: manifests never change, so a
second completion reads only the head again, and not even that within FRESH seconds. Late answers are not offered.
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
"""Seconds that people wait for completion."""
FRESH = 20
_LARGEST = 4 << 20
"""The largest cache of a repository in bytes; a larger one is discarded."""

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
    """None if there is no repository."""
    memory: _Memory
    end: float

    @classmethod
    def open(cls, url: str, options: Options) -> _Repository:
        """Does not access the store yet."""
        end = time.monotonic() + _patience()
        # A directory is fast. ssh could ask for a password on the terminal.
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
        """The answer of each manifest to a question, cached under the question's name."""
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
        """The results of jobs that finish in time; for a directory, of all."""
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
            # The command line does not wait for threads with this name.
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
    """Cached answers of a repository, in a file of the user; without one nothing is cached."""

    file: Path | None
    known: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Answers by the hash of a manifest and the name of the question."""
    head: dict[str, str] = field(default_factory=dict)
    asked: float = 0

    @classmethod
    def of(cls, repository: str) -> _Memory:
        """Read the cache; invalid data are discarded."""
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
        """The cached head, if it is recent."""
        return self.head if 0 <= time.time() - self.asked < FRESH else {}

    def keep_places(self, places: dict[str, str]) -> None:
        """Cache the head, and drop manifests that it does not name."""
        self.head, self.asked = places, time.time()
        self.known = {sha256: self.known.get(sha256, {}) for sha256 in set(places.values())}
        self.write()

    def answer(self, sha256: str, about: str) -> list[str] | None:
        """The cached answer of a manifest, if there is one."""
        return self.known.get(sha256, {}).get(about)

    def keep_answer(self, sha256: str, about: str, answer: list[str]) -> None:
        """Cache an answer."""
        self.known.setdefault(sha256, {})[about] = answer

    def write(self) -> None:
        """Write the cache, readable only by the user: names of packages may be secret."""
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
    """The user's cache directory on this system."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or tempfile.gettempdir()) / "pkgrel"
    default = "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser(default)) / "pkgrel"  # noqa: PTH111 - never raises
